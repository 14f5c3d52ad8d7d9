"""The lists of calls that the terminal and the dashboard show: their rows and columns."""

from collections.abc import Callable, Mapping

import msgspec
import polars as pl

from callmocks.contract.json_model import to_json
from callmocks.history.directory import Directory
from callmocks.history.history import History


class ListColumn(msgspec.Struct, frozen=True):
    name: str
    kind: str = "text"  # or id, uuid, time, number, duration, reason
    # minor: not on a phone; spare: only on a wide screen; terminal: only there.
    room: str = ""
    terminal: bool = True
    at_end: bool = False  # not known before the call has ended
    label: str = ""


class CallList(msgspec.Struct, frozen=True):
    # Rows of ended calls by start: history, operator, from, till (not included), now.
    read: Callable[[History, str, int, int, int], pl.DataFrame]
    columns: tuple[ListColumn, ...]
    by_operator: bool = False  # the list of one operator


def add_record_ids(frame: pl.DataFrame) -> pl.DataFrame:
    """CDR rows with their record ids as the list that the Data API shows."""
    ids = pl.concat_list("_record_1", "_record_2").list.drop_nulls()
    return frame.with_columns(ids.alias("call_records"))


def directory_names(directory: Directory) -> dict[str, Mapping[str, str]]:
    """By column of 1C: names of those whose ids the service sends."""
    clients = {each.client_id: each.name for each in directory.organisations}
    users = {each.user_id: each.full_name for each in directory.users}
    lines = {each.service_id: each.name for each in directory.lines}
    people = users | {each.specialist_id: each.full_name for each in directory.operators}
    names = {"ClientID": clients, "ServiceUserID": users, "ServiceID": lines}
    return {**names, "CallerID": people, "CalleeID": people}


def _read_arm(history: History, number: str, start: int, end: int, now: int) -> pl.DataFrame:
    ended = pl.col("_release") <= now
    frames = [frame.filter(ended) for frame in history.arm_frames(number, end - 1, start)]
    return pl.concat(frames).reverse() if frames else pl.DataFrame()


def _read_truth(history: History, _: str, start: int, end: int, now: int) -> pl.DataFrame:
    calls = map(to_json, history.truth_between(start, end, now))
    return pl.DataFrame(list(calls), infer_schema_length=None)


LISTS = {
    "arm": CallList(
        _read_arm,
        (
            ListColumn("start_time", "time"),
            ListColumn("direction"),
            ListColumn("digits", "id", "terminal"),
            ListColumn("remote_digits", "id"),
            ListColumn("remote_display_name", room="minor"),
            ListColumn("waiting_duration", "number", "minor", at_end=True),
            ListColumn("talk_duration", "number", at_end=True),
            ListColumn("release_reason", "reason", at_end=True),
            ListColumn("queue_id", room="spare", terminal=False),
            ListColumn("call_ref", "id", "minor"),
        ),
        by_operator=True,
    ),
    "cdr-legs": CallList(
        lambda history, _, start, end, now: add_record_ids(
            history.legs_between(start, end - 1, now)
        ),
        (
            ListColumn("start_time", "time"),
            ListColumn("call_session_id", "id", "spare"),
            ListColumn("id", "id"),
            ListColumn("direction", room="minor"),
            ListColumn("calling_phone_number", "id", "minor"),
            ListColumn("called_phone_number", "id", "minor"),
            ListColumn("employee_full_name"),
            ListColumn("duration", "number", "minor"),
            ListColumn("total_duration", "number", "spare", terminal=False),
            ListColumn("finish_reason", "reason"),
        ),
    ),
    "cdr-sessions": CallList(
        lambda history, _, start, end, now: add_record_ids(
            history.sessions_between(start, end - 1, now)
        ),
        (
            ListColumn("start_time", "time"),
            ListColumn("id", "id"),
            ListColumn("direction", room="minor"),
            ListColumn("contact_phone_number", "id"),
            ListColumn("contact_full_name", room="minor", terminal=False),
            ListColumn("virtual_phone_number", "id", "spare"),
            ListColumn("last_answered_employee_full_name", room="minor", terminal=False),
            ListColumn("talk_duration", "number", "minor"),
            ListColumn("total_duration", "number", "spare"),
            ListColumn("finish_reason", "reason"),
        ),
    ),
    "onec": CallList(
        lambda history, _, *window: history.service_calls_between(*window),
        (
            ListColumn("CallTime", "time"),
            ListColumn("CallID", "uuid", "minor"),
            ListColumn("ClientID"),
            ListColumn("ServiceUserID", room="spare"),
            ListColumn("ServiceID", room="minor", terminal=False),
            ListColumn("CallerID", room="minor", terminal=False),
            ListColumn("CalleeID", room="minor", terminal=False),
            ListColumn("CallResult", "number"),
            ListColumn("Duration", "number"),
        ),
    ),
    "truth": CallList(
        _read_truth,
        (
            *map(ListColumn, ("start", "answered", "end", "direction", "client_phone", "line")),
            *map(ListColumn, ("finish_reason", "arm", "cdr", "onec")),
        ),
    ),
}
