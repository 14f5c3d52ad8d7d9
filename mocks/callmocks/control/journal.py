"""A tenant's journal over the admin API."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from callmocks.contract.expectations import Expectation, Verdict
from callmocks.contract.journal import JournalEntry
from callmocks.contract.json_model import from_json, to_json
from callmocks.control.json_struct import json_struct
from callmocks.control.problems import ProblemError
from callmocks.control.routing import RequestContext, Route
from callmocks.tenants.journal import MAX_ENTRIES, Journal
from callmocks.tenants.verify import verify

HEARTBEAT_SECONDS = 15.0
"""Of a stream without entries."""


class JournalQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which entries."""

    provider: Annotated[str | UnsetType, Meta(description="``arm``, ``cdr`` or ``onec``.")] = UNSET
    operation: str | UnsetType = UNSET
    after: Annotated[
        Annotated[int, Meta(ge=0)] | UnsetType,
        Meta(
            description="Only entries with a higher number, the first of them; without it, the "
            "newest."
        ),
    ] = UNSET
    limit: Annotated[int, Meta(ge=1, le=MAX_ENTRIES, description="At most so many.")] = MAX_ENTRIES


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
        int,
        Meta(description="Entries that gave way to newer ones since the journal was last cleared."),
    ]
    replica: Annotated[
        str | UnsetType,
        Meta(description="Whose journal it is, when there are several replicas: each has its own."),
    ] = UNSET


class StreamQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Where a stream begins."""

    after: Annotated[
        Annotated[int, Meta(ge=0)] | UnsetType,
        Meta(description="Entries with a higher number; without it, those that come from now on."),
    ] = UNSET


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """What requests a test expects."""

    expect: Annotated[list[ExpectationJson], Meta(max_length=1000)]
    in_order: Annotated[
        bool, Meta(description="They came in this order, whatever else came between them.")
    ] = False
    after: Annotated[int, Meta(ge=0, description="Look only at entries with a higher number.")] = 0


class Answer(msgspec.Struct):
    """Whether they came."""

    ok: bool
    results: Annotated[list[VerdictJson], Meta(description="One for each expectation.")]
    dropped: Annotated[int, Meta(description="Entries that are lost to this question.")]
    replica: Annotated[
        str | UnsetType,
        Meta(description="Whose journal was asked, when there are several replicas."),
    ] = UNSET


async def read_journal(context: RequestContext) -> JournalView:
    query: JournalQuery = context.query
    journal = find_journal(context)
    found = [
        entry
        for entry in journal.read_entries(query.after or 0)
        if query.provider in (UNSET, entry.provider) and query.operation in (UNSET, entry.operation)
    ]
    kept = found[-query.limit :] if query.after is UNSET else found[: query.limit]
    replica = context.app_context.store.replica_name or UNSET
    return JournalView([to_json(entry) for entry in kept], journal.dropped_count, replica)


async def clear_journal(context: RequestContext) -> None:
    find_journal(context).delete_entries()


async def verify_journal(context: RequestContext) -> Answer:
    question: Question = context.body
    journal = find_journal(context)
    verdicts = verify(
        journal.read_entries(question.after),
        [from_json(Expectation, msgspec.to_builtins(each)) for each in question.expect],
        context.registry.providers,
        question.in_order,
    )
    replica = context.app_context.store.replica_name or UNSET
    return Answer(
        all(verdict.ok for verdict in verdicts),
        [to_json(verdict) for verdict in verdicts],
        journal.dropped_count,
        replica,
    )


async def stream_entries(context: RequestContext) -> web.StreamResponse:
    journal = find_journal(context)
    after = _stream_start(context, journal)
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    await response.prepare(context.request)
    entries = journal.follow(after)
    next_entry = asyncio.ensure_future(anext(entries, None))
    with context.app_context.track_stream():
        try:
            await response.write(b": following\n\n")
            while True:
                done, _ = await asyncio.wait({next_entry}, timeout=HEARTBEAT_SECONDS)
                if not done:
                    await response.write(b": alive\n\n")
                    continue
                entry = next_entry.result()
                if entry is None:
                    break
                await response.write(encode_event(entry))
                next_entry = asyncio.ensure_future(anext(entries, None))
        except ConnectionError:
            pass  # the client has disconnected
        finally:
            next_entry.cancel()
    return response


def encode_event(entry: JournalEntry) -> bytes:
    return b"id: %d\ndata: %b\n\n" % (entry.seq, msgspec.json.encode(to_json(entry)))


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
    if not last.isascii() or not last.isdigit():
        raise ProblemError(422, f"{last!r} is not the id of an entry", where="Last-Event-ID")
    return int(last)


_JOURNAL = "/api/tenants/{tenant}/journal"

ROUTES = [
    Route(
        "GET",
        _JOURNAL,
        "Entries of the journal",
        read_journal,
        "journal_read",
        query=JournalQuery,
        response=JournalView,
    ),
    Route("DELETE", _JOURNAL, "Forget all entries", clear_journal, "journal_clear", status=204),
    Route(
        "POST",
        f"{_JOURNAL}/verify",
        "Whether the expected requests came",
        verify_journal,
        "journal_ask",
        body=Question,
        response=Answer,
    ),
    Route(
        "GET",
        f"{_JOURNAL}/stream",
        "Entries as server-sent events",
        stream_entries,
        "journal_stream",
        query=StreamQuery,
        media="text/event-stream",
    ),
]
