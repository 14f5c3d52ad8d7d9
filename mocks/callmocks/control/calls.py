"""Pinned calls, the truth behind the views, and the fingerprint, over the admin API."""

import asyncio
import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from callmocks.control.problems import ProblemError
from callmocks.control.routing import RequestContext, Route, WallTime, decode
from callmocks.errors import Contradiction
from callmocks.history.clock import parse_wall_time
from callmocks.history.columns import concat_days
from callmocks.history.day_generator import DATA_VERSION
from callmocks.history.fingerprint import REFERENCE_WEEK, compute_fingerprint
from callmocks.history.history import History
from callmocks.history.pin_resolution import PinnedCall
from callmocks.history.pins import Pin
from callmocks.history.truth import collect_truth
from callmocks.history.walltime import DAY_MS, DAYS, datetime_to_ms, day_of, day_start

JSON_LINES_TYPES = ("application/x-ndjson", "application/jsonl", "application/json-lines")
"""Types of a body with a call in each line."""
PINS_PER_BATCH = 500
"""Pinned calls that are shown before others get their turn."""
MAX_PINS = 1000
"""Calls that one request may pin."""
MAX_TRUTH_CALLS = 100_000
"""Calls that one answer of the truth may hold."""


class TruthLeg(msgspec.Struct):
    """One leg of a call."""

    leg_id: Annotated[int, Meta(description="Its id in the Data API.")]
    role: str
    operator: Annotated[str | None, Meta(description="Internal number.")]
    start: str
    answered: str | None
    end: str
    finish_reason: str
    rang: Annotated[
        bool,
        Meta(description="Whether the operator's telephone rang: then it is in his ARM history."),
    ]


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
    vendor_scheme: Annotated[
        bool, Meta(description="Somebody else's client and specialist on the partner's line.")
    ]


class TruthCall(msgspec.Struct):
    """A call as it happened, times to the millisecond, and its ids in each view."""

    start: str
    answered: str | None
    end: str
    finished: Annotated[bool, Meta(description="Whether it has ended by the tenant's clock.")]
    direction: Annotated[str, Meta(description="``in``, ``out``, ``auto`` or ``internal``.")]
    client_phone: str | None
    client: str | None
    user_id: Annotated[str | None, Meta(description="ServiceUserID of the client in 1C-Connect.")]
    line: Annotated[str | None, Meta(description="The virtual number.")]
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

    id: Annotated[int, Meta(description="Its CDR session id, under which it is unpinned.")]


class PinList(msgspec.Struct):
    """Pinned calls, in the order they were pinned."""

    calls: list[PinView]


class TruthQuery(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A window."""

    from_: WallTime
    till: Annotated[WallTime, Meta(description="… and before this one.")]


class Fingerprint(msgspec.Struct):
    """A hash that is equal where the calls are."""

    fingerprint: Annotated[
        str,
        Meta(description="SHA-256 over all views of the reference week, pinned calls left out."),
    ]
    data_version: int
    first: str
    last: str


async def list_pins(context: RequestContext) -> dict[str, Any]:
    history = context.tenant.history
    return {"calls": await _describe_pins(history, history.pins.list_all())}


async def pin_calls(context: RequestContext) -> dict[str, Any]:
    history = context.tenant.history
    if isinstance(context.body, bytes):
        return {"calls": await _describe_pins(history, await _pin_lines(context, context.body))}
    wish = msgspec.to_builtins(context.body)
    try:
        return describe_pin(
            history, await context.change_tenant(lambda tenant: tenant.pins.add(wish))
        )
    except Contradiction as error:
        raise ProblemError(422, str(error), where=f"$.{error.field}") from None


async def unpin_call(context: RequestContext) -> None:
    name = context.path_part("call")
    known = name.isascii() and name.isdigit() and len(name) < 20
    if not known or not await context.change_tenant(lambda tenant: tenant.pins.remove(int(name))):
        raise ProblemError(404, f"no pinned call {name!r}", where="call")


async def unpin_all(context: RequestContext) -> None:
    await context.change_tenant(lambda tenant: tenant.pins.clear())


async def show_truth(context: RequestContext) -> dict[str, Any]:
    query: TruthQuery = context.query
    tenant = context.tenant
    begin = datetime_to_ms(parse_wall_time(query.from_, "from"))
    before = datetime_to_ms(parse_wall_time(query.till, "till"))
    if before < begin:
        raise ProblemError(422, "the window ends before it begins", where="till")
    now = datetime_to_ms(tenant.clock.now())
    _check_window_size(tenant.history, begin, min(before, now))
    return {"calls": await _truth_by_day(tenant.history, begin, before, now)}


async def _truth_by_day(
    history: History, from_ms: int, till_ms: int, now_ms: int
) -> list[dict[str, object]]:
    """The truth of a window, day by day, so that other requests get their turn in between."""
    calls: list[dict[str, object]] = []
    for day in range(max(day_of(from_ms), 0), min(day_of(min(till_ms - 1, now_ms)) + 1, DAYS)):
        window = max(from_ms, day_start(day)), min(till_ms, day_start(day + 1))
        calls += history.truth_between(*window, now_ms)
        await asyncio.sleep(0)
    return calls


async def show_fingerprint(context: RequestContext) -> Fingerprint:
    first, last = REFERENCE_WEEK
    made = compute_fingerprint(context.tenant.history)
    return Fingerprint(made, DATA_VERSION, first.isoformat(), last.isoformat())


def describe_pin(history: History, pin: Pin) -> dict[str, Any]:
    return _describe_batch(history, [pin])[0]


async def _describe_pins(history: History, pins: list[Pin]) -> list[dict[str, Any]]:
    views: list[dict[str, Any]] = []
    for place in range(0, len(pins), PINS_PER_BATCH):
        views += _describe_batch(history, pins[place : place + PINS_PER_BATCH])
        await asyncio.sleep(0)
    return views


def _describe_batch(history: History, pins: list[Pin]) -> list[dict[str, Any]]:
    day = concat_days([pin.day for pin in pins])
    known = {
        call["cdr"]["call_session_id"]: call  # type: ignore[index]
        for call in collect_truth(history, [day], 0, day_start(DAYS), day_start(DAYS))
    }
    return [{"id": pin.id, **known[pin.id]} for pin in pins]


async def _pin_lines(context: RequestContext, body: bytes) -> list[Pin]:
    calls: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, line in enumerate(body.splitlines(), 1):
        if not line.strip():
            continue
        if len(calls) == MAX_PINS:
            detail = f"one request pins {MAX_PINS} calls at most"
            raise _with_line(ProblemError(422, detail), number)
        try:
            calls.append(decode(line, dict[str, Any]))
        except ProblemError as refused:
            raise _with_line(refused, number) from None
        numbers.append(number)
    try:
        return await context.change_tenant(lambda tenant: tenant.pins.add_many(calls))
    except Contradiction as error:
        place = re.fullmatch(r"\[(\d+)\]\.(.*)", error.field)
        index, field = (int(place[1]), place[2]) if place else (0, error.field)
        problem = ProblemError(422, f"{field}: {error.reason}", where=f"$.{field}")
        raise _with_line(problem, numbers[index]) from None


def _with_line(error: ProblemError, number: int) -> ProblemError:
    error.problem.line = number
    error.problem.detail = f"line {number}: {error.problem.detail}"
    return error


def _check_window_size(history: History, from_ms: int, till_ms: int) -> None:
    first = max(day_of(from_ms), history.first_day)
    last = min(day_of(till_ms + DAY_MS - 1), history.last_day + 1)
    total = 0
    for day in range(first, last):
        total += history.generated.count_calls(day)
        if total > MAX_TRUTH_CALLS:
            detail = f"the window holds more than {MAX_TRUTH_CALLS} calls; narrow it"
            raise ProblemError(422, detail, where="till")


_CALLS = "/api/tenants/{tenant}/calls"

ROUTES = [
    Route("GET", _CALLS, "The pinned calls", list_pins, "calls_listing", response=PinList),
    Route(
        "POST",
        _CALLS,
        "Pin a call, or one for each line of the body, all or none",
        pin_calls,
        "calls_pin",
        body=PinnedCall,
        lines_media=JSON_LINES_TYPES,
        response=(PinView, PinList),
        status=201,
    ),
    Route("DELETE", _CALLS, "Unpin all calls", unpin_all, "calls_unpin_all", status=204),
    Route("DELETE", f"{_CALLS}/{{call}}", "Unpin a call", unpin_call, "calls_unpin", status=204),
    Route(
        "GET",
        "/api/tenants/{tenant}/truth",
        "The calls of a window as they happened, with their ids in each view",
        show_truth,
        "calls_show_truth",
        query=TruthQuery,
        response=TruthList,
    ),
    Route(
        "GET",
        "/api/tenants/{tenant}/fingerprint",
        "A hash that is equal where the calls are",
        show_fingerprint,
        "calls_show_fingerprint",
        response=Fingerprint,
    ),
]
