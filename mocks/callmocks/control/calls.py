"""Pinned calls, the truth behind the views, and the fingerprint, over the admin API."""

import asyncio
import re
from typing import Any

import msgspec

from callmocks.control.problems import RefusedError
from callmocks.control.routing import Call, Moment, Operation, decode
from callmocks.errors import Contradiction
from callmocks.history.clock import parse_moment
from callmocks.history.columns import together
from callmocks.history.day_generator import DATA_VERSION
from callmocks.history.fingerprint import REFERENCE, fingerprint
from callmocks.history.history import History
from callmocks.history.pin_resolution import PinnedCall
from callmocks.history.pins import Pin
from callmocks.history.truth import truth
from callmocks.history.walltime import DAY_MS, DAYS, day_of, day_start, to_ms

LINES = ("application/x-ndjson", "application/jsonl", "application/json-lines")
"""Types of a body with a call in each line."""
VIEWS = 500
"""Pinned calls that are shown before others get their turn."""
LINES_MOST = 1000
"""Calls that one request may pin."""
TRUTH_CALLS = 100_000
"""Calls that one answer of the truth may hold."""


class TruthLeg(msgspec.Struct):
    """One leg of a call."""

    leg_id: int
    """Its id in the Data API."""
    role: str
    operator: str | None
    """Internal number."""
    start: str
    answered: str | None
    end: str
    finish_reason: str
    rang: bool
    """Whether the operator's telephone rang: then it is in his ARM history."""


class TruthArm(msgspec.Struct):
    """A row of an operator's history in ARM."""

    operator: str
    call_ref: str


class TruthCdr(msgspec.Struct):
    """The ids of a call in the Data API."""

    call_session_id: int
    communication_id: int
    leg_ids: list[int]


class TruthOnec(msgspec.Struct):
    """The id of a call in 1C-Connect."""

    CallID: str
    vendor_scheme: bool
    """Somebody else's client and specialist on the partner's line."""


class TruthCall(msgspec.Struct):
    """A call as it happened, times to the millisecond, and its ids in each view."""

    start: str
    answered: str | None
    end: str
    finished: bool
    """Whether it has ended by the tenant's clock."""
    direction: str
    """``in``, ``out``, ``auto`` or ``internal``."""
    client_phone: str | None
    client: str | None
    user_id: str | None
    """ServiceUserID of the client in 1C-Connect."""
    line: str | None
    """The virtual number."""
    finish_reason: str
    talk_seconds: int
    recorded: bool
    legs: list[TruthLeg]
    arm: list[TruthArm]
    cdr: TruthCdr
    onec: TruthOnec | None


class TruthList(msgspec.Struct):
    """Calls by start."""

    calls: list[TruthCall]


class PinView(TruthCall, kw_only=True):
    """A pinned call, filled in, with its ids in each view."""

    id: int
    """Its CDR session id, under which it is unpinned."""


class PinList(msgspec.Struct):
    """Pinned calls, in the order they were pinned."""

    calls: list[PinView]


class TruthQuery(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A window."""

    from_: Moment
    """Calls that start at this wall time …"""
    till: Moment
    """… and before this one."""


class Fingerprint(msgspec.Struct):
    """A hash that is equal where the calls are."""

    fingerprint: str
    """SHA-256 over all views of the reference week, pinned calls left out."""
    data_version: int
    first: str
    last: str


async def listing(call: Call) -> dict[str, Any]:
    """The pinned calls."""
    history = call.tenant.history
    return {"calls": await _views(history, history.pins.list())}


async def pin(call: Call) -> dict[str, Any]:
    """Pin a call, or one for each line of the body, all or none."""
    history = call.tenant.history
    if isinstance(call.body, bytes):
        return {"calls": await _views(history, await _pin_lines(call, call.body))}
    wish = msgspec.to_builtins(call.body)
    try:
        return view(history, await call.change(lambda tenant: tenant.pins.add(wish)))
    except Contradiction as error:
        raise RefusedError(422, str(error), where=f"$.{error.field}") from None


async def unpin(call: Call) -> None:
    """Unpin a call."""
    name = call.part("call")
    known = name.isascii() and name.isdigit() and len(name) < 20
    if not known or not await call.change(lambda tenant: tenant.pins.remove(int(name))):
        raise RefusedError(404, f"no pinned call {name!r}", where="call")


async def unpin_all(call: Call) -> None:
    """Unpin all calls."""
    await call.change(lambda tenant: tenant.pins.clear())


async def show_truth(call: Call) -> dict[str, Any]:
    """The calls of a window."""
    query: TruthQuery = call.query
    tenant = call.tenant
    begin = to_ms(parse_moment(query.from_, "from"))
    before = to_ms(parse_moment(query.till, "till"))
    if before < begin:
        raise RefusedError(422, "the window ends before it begins", where="till")
    now = to_ms(tenant.clock.now())
    _check_size(tenant.history, begin, min(before, now))
    return {"calls": await _by_day(tenant.history, begin, before, now)}


async def _by_day(history: History, begin: int, before: int, now: int) -> list[dict[str, object]]:
    """The truth of a window, day by day, so that other requests get their turn in between."""
    calls: list[dict[str, object]] = []
    for day in range(max(day_of(begin), 0), min(day_of(min(before - 1, now)) + 1, DAYS)):
        window = max(begin, day_start(day)), min(before, day_start(day + 1))
        calls += history.truth(*window, now)
        await asyncio.sleep(0)
    return calls


async def show_fingerprint(call: Call) -> Fingerprint:
    """The fingerprint of a tenant's history."""
    first, last = REFERENCE
    made = fingerprint(call.tenant.history)
    return Fingerprint(made, DATA_VERSION, first.isoformat(), last.isoformat())


def view(history: History, pin: Pin) -> dict[str, Any]:
    """A pinned call as the admin API shows it."""
    return _view(history, [pin])[0]


async def _views(history: History, pins: list[Pin]) -> list[dict[str, Any]]:
    """Pinned calls; others are served in between."""
    views: list[dict[str, Any]] = []
    for place in range(0, len(pins), VIEWS):
        views += _view(history, pins[place : place + VIEWS])
        await asyncio.sleep(0)
    return views


def _view(history: History, pins: list[Pin]) -> list[dict[str, Any]]:
    day = together([pin.day for pin in pins])
    known = {
        call["cdr"]["call_session_id"]: call  # type: ignore[index]
        for call in truth(history, [day], 0, day_start(DAYS), day_start(DAYS))
    }
    return [{"id": pin.id, **known[pin.id]} for pin in pins]


async def _pin_lines(call: Call, body: bytes) -> list[Pin]:
    calls: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, line in enumerate(body.splitlines(), 1):
        if not line.strip():
            continue
        if len(calls) == LINES_MOST:
            detail = f"one request pins {LINES_MOST} calls at most"
            raise _at_line(RefusedError(422, detail), number)
        try:
            calls.append(decode(line, dict[str, Any]))
        except RefusedError as refused:
            raise _at_line(refused, number) from None
        numbers.append(number)
    try:
        return await call.change(lambda tenant: tenant.pins.add_all(calls))
    except Contradiction as error:
        place = re.fullmatch(r"\[(\d+)\]\.(.*)", error.field)
        index, field = (int(place[1]), place[2]) if place else (0, error.field)
        problem = RefusedError(422, f"{field}: {error.reason}", where=f"$.{field}")
        raise _at_line(problem, numbers[index]) from None


def _at_line(refused: RefusedError, number: int) -> RefusedError:
    refused.problem.line = number
    refused.problem.detail = f"line {number}: {refused.problem.detail}"
    return refused


def _check_size(history: History, begin: int, before: int) -> None:
    """422 when the window holds more calls than one answer may."""
    first = max(day_of(begin), history.first_day)
    last = min(day_of(before + DAY_MS - 1), history.last_day + 1)
    total = 0
    for day in range(first, last):
        total += history.drawn.calls_on(day)
        if total > TRUTH_CALLS:
            detail = f"the window holds more than {TRUTH_CALLS} calls; narrow it"
            raise RefusedError(422, detail, where="till")


_CALLS = "/api/tenants/{tenant}/calls"

OPERATIONS = [
    Operation("GET", _CALLS, "The pinned calls", listing, answer=PinList),
    Operation(
        "POST",
        _CALLS,
        "Pin a call, or one for each line of the body, all or none",
        pin,
        body=PinnedCall,
        lines_media=LINES,
        answer=(PinView, PinList),
        status=201,
    ),
    Operation("DELETE", _CALLS, "Unpin all calls", unpin_all, status=204),
    Operation("DELETE", f"{_CALLS}/{{call}}", "Unpin a call", unpin, status=204),
    Operation(
        "GET",
        "/api/tenants/{tenant}/truth",
        "The calls of a window as they happened, with their ids in each view",
        show_truth,
        query=TruthQuery,
        answer=TruthList,
    ),
    Operation(
        "GET",
        "/api/tenants/{tenant}/fingerprint",
        "A hash that is equal where the calls are",
        show_fingerprint,
        answer=Fingerprint,
    ),
]
