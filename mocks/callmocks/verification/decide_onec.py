"""What exchanges of a 1C-Connect service show of its assumptions."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from callmocks.onec.values import EMPTY_DATE
from callmocks.provider.base import WireExchange
from callmocks.verification import decide_onec_requests
from callmocks.verification.decisions import Sighting, see
from callmocks.verification.onec_answers import parse_answer

FAILED = 2
MANY_EMPTY = 5  # so many together are no accident
MANY_INCOMING = 20
CLOSE_CALLS, MANY_CLOSE_CALLS = timedelta(seconds=10), 20
READS = (
    *("client", "client-user", "specialist", "department", "service-line-kind"),
    "user-service-line",
)
REASONS = {
    "onec.day-hours": "it shows only over a whole day",
    "onec.day-clock": "it shows only at the hours at which day and night change",
    "onec.quota-hour": "it would take all calls of an hour",
    "onec.quota-counts": "it would take all calls of an hour",
    "onec.read-limits": "it would take 251 calls of a read",
    "onec.body-limit": "it would take a request of more than 1 MiB",
    "onec.code-too-many-rows": "it would take an answer of 2 million calls",
    "onec.changed-times": "the service tells no time of change",
    "onec.vendor-clients": "an answer does not say whose clients they are",
    "onec.request-encoding": "no request is sent whose charsets contradict one another",
    "onec.period-bounds": "no two unsuccessful calls show when they began",
    "onec.code-period-too-long": "no period is too long by night",
    "onec.missing-period-from": "PeriodFrom is required now",
    "onec.code-missing-parameter": "no parameter is required now",
    "onec.code-unknown-parameter": "unknown parameters are not refused",
    "onec.unknown-callers": "rows do not say whether such callers are left out",
    "onec.period-from": "whether it is required at other hours shows only then",
    "onec.realm": "it would take wrong credentials of the account: a call without any is nobody's",
    "onec.failed-callee": "too few users' calls were unsuccessful",
    **dict.fromkeys(
        (f"onec.{read}-read-columns" for read in READS),
        "the read was refused, or has a column that the ledger cannot show",
    ),
}


def find_sightings(exchanges: Sequence[WireExchange]) -> Iterator[Sighting]:
    for each in exchanges:
        yield from _decide_layout(each.response)
        yield from decide_onec_requests.find_request_sightings(each)
        answer = parse_answer(each.response, each.status)
        if answer is not None and answer.rows:
            yield from _decide_rows(answer.rows)


def _decide_layout(body: bytes) -> Iterator[Sighting]:
    if b"Envelope" in body and len(body) > 200:
        choice = "indented" if b"\r\n\t" in body else "compact"
        yield from see("onec.answer-layout", choice, f"answers are {choice}")


def _decide_rows(rows: Sequence[dict[str, Any]]) -> Iterator[Sighting]:
    """Of rows of the history, in the order in which they came."""
    if "CallTime" not in rows[0] or "CallResult" not in rows[0]:
        return
    if any(not isinstance(row["CallTime"], datetime | None) for row in rows):
        return  # it is masked
    failed = [row for row in rows if row["CallResult"] == FAILED]
    if failed:
        empty = all(_is_empty(row["CallTime"]) for row in failed)
        choice = "empty-date" if empty else "attempt"
        yield from see("onec.failed-call-time", choice, f"CallTime of unsuccessful calls: {choice}")
        if any(row.get("Duration") for row in failed):
            yield from see("onec.failed-duration", "whole-call", "unsuccessful calls have some")
        elif len(failed) >= MANY_CLOSE_CALLS:
            yield from see("onec.failed-duration", "zero", "unsuccessful calls have none")
    yield from _decide_callee(failed)
    empty_times = [_is_empty(row["CallTime"]) for row in rows]
    yield from _decide_order([r["CallTime"] for r in rows if not _is_empty(r["CallTime"])])
    count = sum(empty_times)
    if MANY_EMPTY <= count <= len(rows) - MANY_EMPTY and all(empty_times[:count]):
        yield from see(
            "onec.row-order", "call-time", f"the {count} rows without CallTime are first"
        )


def _decide_callee(failed: Sequence[dict[str, Any]]) -> Iterator[Sighting]:
    """Of unsuccessful calls of users, whether they have who was rung."""
    incoming = [
        row.get("CalleeID")
        for row in failed
        if row.get("ServiceUserID") and row.get("CallerID") == row["ServiceUserID"]
    ]
    if any(incoming):
        yield from see("onec.failed-callee", "last-rung", "unsuccessful calls have a CalleeID")
    elif len(incoming) >= MANY_INCOMING:
        shown = f"{len(incoming)} unsuccessful calls have none"
        yield from see("onec.failed-callee", "nil", shown)


def _is_empty(time: object) -> bool:
    return not isinstance(time, datetime) or time == EMPTY_DATE


def _decide_order(times: list[datetime]) -> Iterator[Sighting]:
    """By start, a call that waited longer comes before one that was answered earlier."""
    pairs = list(pairwise(times))
    falls = sum(later < earlier for earlier, later in pairs)
    close = sum(abs(later - earlier) <= CLOSE_CALLS for earlier, later in pairs)
    if len(pairs) < MANY_CLOSE_CALLS:
        return
    shown = f"{falls} of {len(pairs)} calls were answered before the row above"
    if falls > len(pairs) // 2:
        yield from see("onec.row-order", "call-start-descending", shown)
    elif falls:
        yield from see("onec.row-order", "call-start", shown)
    elif close >= MANY_CLOSE_CALLS:
        yield from see("onec.row-order", "call-time", shown)
