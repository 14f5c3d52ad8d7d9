"""Pinned calls, the truth behind the views, and the fingerprint, over the admin API."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, UnsetType, to_builtins

from callmocks.config.pin_file import split_lines
from callmocks.contract.json_model import json_members, to_json
from callmocks.contract.numerals import parse_natural
from callmocks.contract.truth import Call
from callmocks.control.answers import PendingAnswer
from callmocks.control.json_struct import ServerMade, doc, json_struct
from callmocks.control.problems import ProblemError
from callmocks.control.request_bodies import decode_body
from callmocks.control.routing import TENANT, RequestContext, RouteTable
from callmocks.errors import Contradiction, SettingsError
from callmocks.history.clock import parse_wall_time
from callmocks.history.columns import concat_days
from callmocks.history.fingerprint import REFERENCE_WEEK, encode_views
from callmocks.history.history import History
from callmocks.history.keys import DATA_VERSION
from callmocks.history.pin_resolution import PinnedCall
from callmocks.history.pins import NumberedPin, Pin, Pins
from callmocks.history.truth import iter_truth
from callmocks.history.walltime import DAY_MS, DAYS, datetime_to_ms, day_of, day_start
from callmocks.tenants.scenario import WallTime
from callmocks.tenants.worker import PieceTimer, run_computation, yield_turn

JSON_LINES_TYPES = ("application/x-ndjson", "application/jsonl", "application/json-lines")
"""Types of a body with a call in each line."""
PINS_PER_BATCH = 500
"""Pinned calls that are described before other requests are served."""
MAX_PINS = 1000
"""In one request."""
_LINES_PER_TURN = 1000
"""Blank ones, too."""
MAX_TRUTH_CALLS = 100_000
"""In one response."""
_LONG_TRUTH = 1000
"""Calls from which on the truth is described in a thread."""


@dataclass(frozen=True, slots=True)
class TruthList:
    """Calls by start."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class PinView(Call):
    """A pinned call, filled in, with its ids in each view."""

    json_name: ClassVar = "PinView"
    id: Annotated[int, "Its CDR session id, under which it is unpinned."]
    number: Annotated[int, "Which pinned call of its day it is; its ids follow from it."]
    requested: Annotated[dict[str, Any], "What was asked for."]


@dataclass(frozen=True, slots=True)
class PinList:
    """Pinned calls, in the order they were pinned."""

    calls: tuple[PinView, ...]


class RepeatableCall(PinnedCall, forbid_unknown_fields=True, omit_defaults=True):
    """A call to pin."""

    id: ServerMade = UNSET
    truth: ServerMade = UNSET
    requested: Annotated[
        PinnedCall | UnsetType,
        doc("In an answer that is sent again: what counts, instead of all beside it."),
    ] = UNSET


_OF_ANSWERS = {each.key for each in json_members(PinView)} - {*RepeatableCall.__struct_fields__}
PostedCall = msgspec.defstruct(
    "PostedCall",
    [
        # What an answer has under these names is of another type.
        *((name, Any, None) for name in ("answered", "legs")),
        *((name, ServerMade, UNSET) for name in sorted(_OF_ANSWERS)),
    ],
    bases=(RepeatableCall,),
    namespace={"__doc__": RepeatableCall.__doc__},
    forbid_unknown_fields=True,
)


def read_request(posted: Any) -> dict[str, Any]:
    """What is to be pinned; ``Contradiction`` names what only an answer sent again may have."""
    if posted.requested is not UNSET:
        request: dict[str, Any] = to_builtins(posted.requested)
        return request
    for name in sorted(_OF_ANSWERS):
        if getattr(posted, name) is not UNSET:
            raise Contradiction(name, "it follows from the others; a request does not have it")
    return {name: getattr(posted, name) for name in PinnedCall.__struct_fields__}


class TruthQuery(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A window."""

    from_: WallTime
    till: Annotated[WallTime, doc("… and before this one.")]


class Fingerprint(msgspec.Struct):
    """A hash that is equal where the calls are."""

    fingerprint: Annotated[
        str, doc("SHA-256 over all views of the reference week, pinned calls left out.")
    ]
    data_version: int
    first: str
    last: str


_CALLS = f"{TENANT}/calls"
ROUTES = RouteTable()


@ROUTES.add("GET", _CALLS, "The pinned calls", "calls_listing", response=json_struct(PinList))
async def list_pins(context: RequestContext) -> dict[str, Any]:
    history = context.tenant.history
    pins = history.pins.list_all()
    is_long = len(pins) > PINS_PER_BATCH
    return {"calls": await run_computation(_describe_pins(history, pins, context.answer), is_long)}


@ROUTES.add(
    "POST",
    _CALLS,
    f"Pin a call, or one for each line of the body ({MAX_PINS} at most), all or none",
    "calls_pin",
    body=PostedCall,
    lines_media=JSON_LINES_TYPES,
    response=(json_struct(PinView), json_struct(PinList)),
    status=201,
)
async def pin_calls(context: RequestContext) -> dict[str, Any]:
    history = context.tenant.history
    if isinstance(context.body, bytes):
        calls, numbers = await run_computation(_read_calls(context.body), context.is_long)
        store = context.app_context.store
        pins = await store.update_pins(
            context.tenant, lambda copy: _pin_in_turns(copy, calls, numbers)
        )
        describe = _describe_pins(history, pins, context.answer)
        return {"calls": await run_computation(describe, len(pins) > PINS_PER_BATCH)}
    try:
        call = read_request(context.body)
        pin = await context.change_tenant(lambda tenant: tenant.pins.add(call))
        return describe_batch(history, [pin])[0]
    except Contradiction as error:
        raise ProblemError(422, str(error), where=f"$.{error.field}") from None


@ROUTES.add("DELETE", _CALLS, "Unpin all calls", "calls_unpin_all")
async def unpin_all(context: RequestContext) -> None:
    await context.change_tenant(lambda tenant: tenant.pins.clear())


@ROUTES.add("DELETE", f"{_CALLS}/{{call}}", "Unpin a call", "calls_unpin")
async def unpin_call(context: RequestContext) -> None:
    name = context.path_part("call")
    id = parse_natural(name)
    if id is None or not await context.change_tenant(lambda tenant: tenant.pins.remove(id)):
        raise ProblemError(404, f"no pinned call {name!r}", where="call")


@ROUTES.add(
    "GET",
    f"{TENANT}/truth",
    f"The calls of a window ({MAX_TRUTH_CALLS} at most) as they happened, with their ids in each "
    "view",
    "calls_show_truth",
    query=TruthQuery,
    response=json_struct(TruthList),
)
async def show_truth(context: RequestContext) -> dict[str, Any]:
    history = context.tenant.history
    begin, before = read_window(context)
    now = datetime_to_ms(context.tenant.clock.now())
    call_count = history.count_window_calls(begin, before, now)
    is_long = call_count > _LONG_TRUTH or history.has_many_pins
    describe = _describe_truth(history, begin, before, now, context.answer)
    return {"calls": await run_computation(describe, is_long)}


def read_window(context: RequestContext) -> tuple[int, int]:
    """Wall times in ms, the second one excluded."""
    query: TruthQuery = context.query
    begin = _read_query_time(query.from_, "from")
    before = _read_query_time(query.till, "till")
    if before < begin:
        text = f"till: {query.till!r} is before from, {query.from_!r}"
        raise ProblemError(422, text, where="till")
    return begin, before


def _read_query_time(text: str, name: str) -> int:
    try:
        return datetime_to_ms(parse_wall_time(text, name))
    except SettingsError as error:
        raise ProblemError(422, str(error), where=name) from None


async def _describe_truth(
    history: History, from_ms: int, before_ms: int, now_ms: int, answer: PendingAnswer
) -> list[msgspec.Raw]:
    calls: list[msgspec.Raw] = []
    till_ms = min(before_ms, now_ms + 1)  # the call that starts now is there
    if till_ms <= from_ms:
        return calls
    await _check_window_size(history, from_ms, till_ms)
    for piece in history.iter_truth(from_ms, before_ms, now_ms):
        calls += [answer.encode(to_json(call)) for call in piece]
        await yield_turn()
    return calls


_SAME_HASH = "A hash that is equal where the calls are"


@ROUTES.add("GET", f"{TENANT}/fingerprint", _SAME_HASH, "calls_show_fingerprint")
async def show_fingerprint(context: RequestContext) -> Fingerprint:
    first, last = REFERENCE_WEEK
    fingerprint = await run_computation(_hash_views(context.tenant.history), is_long=True)
    return Fingerprint(fingerprint, DATA_VERSION, first.isoformat(), last.isoformat())


async def _hash_views(history: History) -> str:
    digest = hashlib.sha256()
    for piece in encode_views(history):
        digest.update(piece)
        await yield_turn()
    return digest.hexdigest()


async def _describe_pins(
    history: History, pins: list[Pin], answer: PendingAnswer
) -> list[msgspec.Raw]:
    views: list[msgspec.Raw] = []
    for start in range(0, len(pins), PINS_PER_BATCH):
        batch = describe_batch(history, pins[start : start + PINS_PER_BATCH])
        views += map(answer.encode, batch)
        await yield_turn()
    return views


def describe_batch(history: History, pins: list[Pin]) -> list[dict[str, Any]]:
    day = concat_days([pin.day for pin in pins])
    calls = {
        call.session_id: to_json(call)
        for piece in iter_truth(history, [day], 0, day_start(DAYS), day_start(DAYS))
        for call in piece
    }
    return [
        {"id": pin.id, "number": pin.number, "requested": pin.request, **calls[pin.id]}
        for pin in pins
    ]


async def _read_calls(body: bytes) -> tuple[list[dict[str, Any]], list[int]]:
    """With the numbers of their lines."""
    calls: list[dict[str, Any]] = []
    numbers: list[int] = []
    timer = PieceTimer()
    for number, line in enumerate(split_lines(body), 1):
        if not number % _LINES_PER_TURN:
            await timer.yield_when_due()
        if not line.strip():
            continue
        if len(calls) == MAX_PINS:
            detail = f"one request pins {MAX_PINS} calls at most"
            raise _with_line(ProblemError(422, detail), number)
        try:
            calls.append(read_request(decode_body(line, PostedCall)))
        except ProblemError as refused:
            raise _with_line(refused, number) from None
        except Contradiction as error:
            where = f"$.{error.field}"
            raise _with_line(ProblemError(422, str(error), where=where), number) from None
        numbers.append(number)
        await timer.yield_when_due()
    return calls, numbers


async def _pin_in_turns(
    pins: Pins, calls: list[dict[str, Any]], line_numbers: list[int]
) -> list[Pin]:
    """All; ``pins`` are of no use after an error, which names the line."""
    timer = PieceTimer()
    numbered: list[NumberedPin] = []
    added: list[Pin] = []
    try:
        # All before one is built, which takes ten times as long.
        for call in calls:
            numbered.append(pins.give_number(call))
            await timer.yield_when_due()
        for each in numbered:
            added.append(pins.add_numbered(each))
            await timer.yield_when_due()
    except Contradiction as error:
        index = len(added if len(numbered) == len(calls) else numbered)
        text, where = str(error), f"$.{error.field}"
        # No variable of this frame, which is one of the error's, holds it.
        raise _with_line(ProblemError(422, text, where=where), line_numbers[index]) from None
    return added


def _with_line(error: ProblemError, number: int) -> ProblemError:
    error.problem.line = number
    error.problem.detail = f"line {number}: {error.problem.detail}"
    return error


async def _check_window_size(history: History, from_ms: int, till_ms: int) -> None:
    generated = history.generated
    first = max(day_of(from_ms), history.first_day)
    last = min(day_of(till_ms + DAY_MS - 1), history.last_day + 1)
    total = len(history.pins.slice_batch(from_ms, till_ms))
    total += generated.count_calls(first, last - first) if first < last else 0
    # How many calls the window has of such a day is known once the day is generated.
    cut = {day for day in (first, last - 1) if not from_ms <= day_start(day) <= till_ms - DAY_MS}
    if total > MAX_TRUTH_CALLS >= total - sum(map(generated.count_calls, cut)):
        for day in cut:
            await yield_turn()
            starts = generated.get_day(day).call_starts
            total -= int(((starts < from_ms) | (starts >= till_ms)).sum())
    if total > MAX_TRUTH_CALLS:
        detail = f"the window holds more than {MAX_TRUTH_CALLS} calls; narrow it"
        raise ProblemError(422, detail, where="till")
