"""The raw numbers of a call: a column for each use.

A new use takes a new column at the end, and raises the data version.
"""

from enum import IntEnum


class RawColumn(IntEnum):
    HOUR = 0
    TIME_IN_HOUR = 1
    KIND = 2
    MISSED = 3
    ATTEMPT_COUNT = 4
    ENDED_BY = 5
    TRANSFER = 6
    TRANSFER_END = 7
    COACH = 8
    FAX = 9
    REMOTE = 10
    USER = 11
    PARTY = 12
    PHONE = 13
    LINE = 14
    OPERATOR = 15
    IVR = 16
    RING = 17
    TALK = 18
    TRANSFER_RING = 19
    TRANSFER_TALK = 20
    COACH_DELAY = 21
    AFTER_TALK = 22
    RECORDED = 23
    RATED = 24
    RATING = 25
    RELEASED_BY = 26
    FAX_END = 27
    VENDOR = 28
    UNREACHED = 29
    ATTEMPT = 30  # and two more: the reason (low bits) and the length (high bits) of each attempt
    WORK_AFTER = 33
    QUEUE = 34
    REPEAT = 35
    STRANGER = 36


ATTEMPT_COLUMNS = 3
USED_COLUMNS = len(RawColumn) + ATTEMPT_COLUMNS - 1
RAW_COLUMNS = 40
