"""A tenant's journal over the admin API."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from callmocks.config.types import ProviderName
from callmocks.contract.expectations import Expectation, NearRequest, Verdict
from callmocks.contract.garbage import paused_collection
from callmocks.contract.journal import JournalEntry
from callmocks.contract.json_model import from_json, to_json
from callmocks.contract.json_values import iter_json_pieces
from callmocks.contract.listed_names import find_unlisted_name
from callmocks.contract.numerals import parse_natural
from callmocks.contract.quoting import quote_text
from callmocks.contract.similar_names import suggest_name
from callmocks.control.answers import PendingAnswer
from callmocks.control.json_struct import Natural, doc, json_struct
from callmocks.control.problems import ProblemError, format_bytes
from callmocks.control.routing import TENANT, RequestContext, RouteTable
from callmocks.errors import ClientDisconnected
from callmocks.history.clock import read_stopwatch
from callmocks.provider.base import Provider
from callmocks.provider.server import is_disconnected
from callmocks.tenants.journal import (
    MAX_ENTRIES,
    MAX_OPERATION_CHARS,
    Journal,
    JournalRecord,
    are_long,
)
from callmocks.tenants.journal_search import TextMatcher
from callmocks.tenants.verify import add_foreign_requests, verify
from callmocks.tenants.worker import PieceTimer, read_even_without_threads, run_computation

HEARTBEAT_SECONDS = 15.0
"""Of a stream without entries."""
_CHECK_SECONDS = 0.5
"""Between looks whether the reader of a stream has left: aiohttp does not tell who only waits."""
UNREAD_SECONDS = 30.0
"""After which a reader of a stream who takes nothing is dropped."""
MAX_ANSWER_BYTES = 16 * 1024 * 1024
_MAX_NAMES = 50_000  # of fields and headers in one question
_LONG_COMPARISONS, _LONG_BYTES = 10_000, 4 * 1024 * 1024
"""From which on requests are compared in a thread."""


class JournalQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which entries."""

    provider: ProviderName | UnsetType = UNSET
    operation: Annotated[str, Meta(max_length=MAX_OPERATION_CHARS)] | UnsetType = UNSET
    # A character may take 12 bytes in a URL, whose line has 8190 at most.
    text: Annotated[
        Annotated[str, Meta(max_length=400)] | UnsetType,
        doc(
            "Only entries that contain it in headers, bodies, violations or summaries; upper and "
            "lower case are the same."
        ),
    ] = UNSET
    after: Annotated[
        Natural | UnsetType,
        doc("Only entries with a higher number, the first of them; without it, the newest."),
    ] = UNSET
    limit: Annotated[int, doc("At most so many.", ge=1, le=MAX_ENTRIES)] = MAX_ENTRIES


if TYPE_CHECKING:
    EntryJson = dict[str, Any]
    ExpectationJson = msgspec.Struct
    VerdictJson = dict[str, Any]
else:
    EntryJson = json_struct(JournalEntry)
    ExpectationJson = json_struct(Expectation)
    VerdictJson = json_struct(Verdict)


class JournalView(msgspec.Struct):
    """Entries, oldest first."""

    entries: list[EntryJson]
    dropped: Annotated[
        int, doc("Entries that gave way to newer ones since the journal was last cleared.")
    ]
    next: Annotated[
        int | UnsetType,
        doc(
            f"There are more, which {format_bytes(MAX_ANSWER_BYTES)} did not hold: those ``after`` "
            "this number."
        ),
    ] = UNSET
    replica: Annotated[
        str | UnsetType,
        doc("Whose journal it is, when there are several replicas: each has its own."),
    ] = UNSET


class StreamQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Where a stream begins."""

    after: Annotated[
        Natural | UnsetType,
        doc("Entries with a higher number; without it, those that come from now on."),
    ] = UNSET


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """What requests a test expects; their operations and fields are the contract's."""

    expect: Annotated[list[ExpectationJson], Meta(min_length=1, max_length=1000)]
    in_order: Annotated[bool, doc("They came in this order, whatever else came between them.")] = (
        False
    )
    after: Annotated[int, doc("Look only at entries with a higher number.", ge=0)] = 0


class Answer(msgspec.Struct):
    """Whether they came."""

    ok: bool
    results: Annotated[list[VerdictJson], doc("One for each expectation.")]
    dropped: Annotated[int, doc("Entries that are lost to this question.")]
    replica: Annotated[
        str | UnsetType, doc("Whose journal was asked, when there are several replicas.")
    ] = UNSET


_JOURNAL = f"{TENANT}/journal"
ROUTES = RouteTable()


@ROUTES.add("GET", _JOURNAL, "Entries of the journal", "journal_read", query=JournalQuery)
async def read_journal(context: RequestContext) -> JournalView:
    query: JournalQuery = context.query
    journal = find_journal(context)
    found = [
        record
        for record in journal.read_records(query.after or 0)
        if query.provider in (UNSET, record.provider)
        and query.operation in (UNSET, record.operation)
    ]
    if query.text is not UNSET:
        found = await run_computation(_filter_records(found, query.text), are_long(found))
    chosen = found[-query.limit :] if query.after is UNSET else found[: query.limit]
    encode = _encode_entries(chosen, context.answer)
    entries = await run_computation(encode, are_long(chosen))
    replica = context.app_context.store.replica_name or UNSET
    view = JournalView(entries, dropped=journal.dropped_count, replica=replica)
    if len(entries) < len(chosen):
        view.next = chosen[len(entries) - 1].seq
    return view


async def _filter_records(records: Sequence[JournalRecord], text: str) -> list[JournalRecord]:
    matches, found, timer = TextMatcher(text).matches, [], PieceTimer()
    for record in records:
        if matches(record):
            found.append(record)
        await timer.yield_when_due()
    return found


async def _encode_entries(records: Iterable[JournalRecord], answer: PendingAnswer) -> list[Any]:
    """JSON of the first entries, as many as an answer holds."""
    encoded: list[msgspec.Raw] = []
    timer = PieceTimer()
    for record in records:
        entry = answer.encode(to_json(record.to_entry()))
        if encoded and answer.size > MAX_ANSWER_BYTES:
            break
        encoded.append(entry)
        await timer.yield_when_due()
    return encoded


@ROUTES.add("DELETE", _JOURNAL, "Forget all entries", "journal_clear")
async def clear_journal(context: RequestContext) -> None:
    find_journal(context).delete_entries()


@ROUTES.add(
    "POST", f"{_JOURNAL}/verify", "Whether the expected requests came", "journal_ask", body=Question
)
async def verify_journal(context: RequestContext) -> Answer:
    question: Question = context.body
    if sum(map(_count_names, question.expect)) > _MAX_NAMES:
        detail = f"the expectations have more than {_MAX_NAMES} fields and headers together"
        raise ProblemError(422, detail, where="$.expect")
    journal = find_journal(context)
    records = journal.read_records(question.after)
    journals = {each.name: each.journal for each in context.registry}
    others = {name: each for name, each in journals.items() if each is not journal}
    read_foreign = partial(_read_journals, others, journal.uptime)
    is_long = (
        context.is_long
        or len(question.expect) * len(records) > _LONG_COMPARISONS
        or sum(each.bytes_used for each in (journal, *others.values())) > _LONG_BYTES
    )
    compare = _compare(question, records, read_foreign, context.registry.providers)
    ok, results = await run_computation(compare, is_long)
    replica = context.app_context.store.replica_name or UNSET
    return Answer(ok, results, journal.dropped_count, replica)


def _count_names(expected: Any) -> int:
    """``expected`` is an ``ExpectationJson``."""
    return len(expected.fields) + len(expected.headers)


async def _compare(
    question: Question,
    records: Sequence[JournalRecord],
    read_foreign: Callable[[], Awaitable[dict[str, Sequence[JournalRecord]]]],
    providers: Mapping[str, Provider],
) -> tuple[bool, list[Any]]:
    """Whether all is met, and JSON of the verdicts."""
    timer, expected = PieceTimer(), []
    for index, each in enumerate(question.expect):
        with paused_collection():
            expectation = from_json(Expectation, msgspec.to_builtins(each))
        _check_names(expectation, providers, f"$.expect[{index}]")
        expected.append(expectation)
        await timer.yield_when_due()
    verdicts = await verify(records, expected, providers, question.in_order)
    ok = all(verdict.ok for verdict in verdicts)
    if not ok:
        verdicts = await add_foreign_requests(verdicts, await read_foreign(), providers)
    return ok, await _encode_verdicts(verdicts)


async def _read_journals(
    journals: Mapping[str, Journal], since: float
) -> dict[str, Sequence[JournalRecord]]:
    timer, records = PieceTimer(), {}
    for tenant, journal in journals.items():
        records[tenant] = journal.read_records(since=since)
        await timer.yield_when_due()
    return records


def _check_names(expected: Expectation, providers: Mapping[str, Provider], where: str) -> None:
    chosen = providers
    if expected.provider is not None:
        if expected.provider not in providers:
            hint = suggest_name(expected.provider, providers)
            text = f"{quote_text(expected.provider)} is no provider; {hint}"
            raise ProblemError(422, text, where=f"{where}.provider")
        chosen = {expected.provider: providers[expected.provider]}
    if expected.unlisted:
        return
    contracts = {name: provider.operations for name, provider in chosen.items()}
    unlisted = find_unlisted_name(contracts, expected.operation, expected.fields)
    if unlisted is not None:
        raise ProblemError(422, unlisted.reason, where=f"{where}.{unlisted.member}")


async def _encode_verdicts(verdicts: Iterable[Verdict]) -> list[Any]:
    """JSON of all; when an answer holds no more, without the nearest requests."""
    encoded: list[msgspec.Raw] = []
    size, timer = 0, PieceTimer()
    for verdict in verdicts:
        verdict = await _encode_expected(verdict, timer)
        raw = msgspec.json.encode(to_json(verdict))
        if size + len(raw) > MAX_ANSWER_BYTES:
            raw = msgspec.json.encode(to_json(replace(verdict, nearest=())))
        size += len(raw)
        encoded.append(msgspec.Raw(raw))
        await timer.yield_when_due()
    return encoded


async def _encode_expected(verdict: Verdict, timer: PieceTimer) -> Verdict:
    """With the JSON of what is expected of fields, which each near request repeats."""
    fields: dict[str, msgspec.Raw] = {}
    for name, value in verdict.expected.fields.items():
        pieces = []
        for piece in iter_json_pieces(value):
            pieces.append(piece)
            await timer.yield_when_due()
        fields[name] = msgspec.Raw(b"".join(pieces))
    encoded = replace(verdict.expected, fields=fields)
    nearest = tuple(_repeat_encoded(near, verdict.expected, fields) for near in verdict.nearest)
    return replace(verdict, expected=encoded, nearest=nearest)


def _repeat_encoded(
    near: NearRequest, expected: Expectation, encoded: Mapping[str, msgspec.Raw]
) -> NearRequest:
    differences = []
    for each in near.differences:
        # A field may have the name of something else that differs, `status`.
        if each.field in encoded and each.expected is expected.fields[each.field]:
            each = replace(each, expected=encoded[each.field])
        differences.append(each)
    return replace(near, differences=tuple(differences))


@ROUTES.add(
    "GET",
    f"{_JOURNAL}/stream",
    "Entries as server-sent events",
    "journal_stream",
    query=StreamQuery,
    media=("text/event-stream",),
)
async def stream_entries(context: RequestContext) -> web.StreamResponse:
    journal = find_journal(context)
    after = _stream_start(context, journal)
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    with context.app_context.track_stream(context.request):
        await response.prepare(context.request)
        if context.request.method == "HEAD":
            return response
        records = journal.follow(after)
        next_record = asyncio.ensure_future(anext(records, None))
        try:
            await _write_event(response, b": following\n\n")
            beat_at = read_stopwatch() + HEARTBEAT_SECONDS
            while not is_disconnected(context.request):
                done, _ = await asyncio.wait({next_record}, timeout=_CHECK_SECONDS)
                if not done and read_stopwatch() < beat_at:
                    continue
                beat_at = read_stopwatch() + HEARTBEAT_SECONDS
                if not done:
                    await _write_event(response, b": alive\n\n")
                    continue
                record = next_record.result()
                if record is None:
                    break
                # Many may read the same entries at once.
                event = await read_even_without_threads(_encode_event, record.bytes_used, record)
                await _write_event(response, event)
                next_record = asyncio.ensure_future(anext(records, None))
        except (ConnectionError, ClientDisconnected):
            pass
        except TimeoutError:
            if context.request.transport is not None:
                context.request.transport.abort()
        finally:
            next_record.cancel()
    return response


def _encode_event(record: JournalRecord) -> bytes:
    return b"id: %d\ndata: %b\n\n" % (record.seq, msgspec.json.encode(to_json(record.to_entry())))


async def _write_event(response: web.StreamResponse, event: bytes) -> None:
    async with asyncio.timeout(UNREAD_SECONDS):
        await response.write(event)


def find_journal(context: RequestContext) -> Journal:
    """The tenant's journal; ``nobody`` has that of requests without a known tenant."""
    if context.path_part("tenant") == "nobody":
        return context.registry.unmatched.journal
    return context.tenant.journal


def _stream_start(context: RequestContext, journal: Journal) -> int:
    """Where a stream begins: after the event a browser saw last, or as the query says."""
    last = context.request.headers.get("Last-Event-ID")
    if last is None:
        after: int | UnsetType = context.query.after
        return journal.last_seq if after is UNSET else after
    number = parse_natural(last)
    if number is None:
        raise ProblemError(422, f"{last!r} is not the id of an entry", where="Last-Event-ID")
    return number
