"""A tenant's journal over the admin API: read, follow, verify, clear."""

import asyncio
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from callmocks.control.problems import RefusedError
from callmocks.control.routing import Call, Operation
from callmocks.tenants.journal import ENTRIES, Entry, Journal
from callmocks.tenants.verify import Expected, Verdict, verify

HEARTBEAT = 15.0
"""Seconds after which a silent stream says that it is alive."""


class JournalQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which entries."""

    provider: str | UnsetType = UNSET
    """``arm``, ``cdr`` or ``onec``."""
    operation: str | UnsetType = UNSET
    after: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    """Only entries with a higher number, the first of them; without it, the newest."""
    limit: Annotated[int, Meta(ge=1, le=ENTRIES)] = ENTRIES
    """At most so many."""


class JournalView(msgspec.Struct):
    """Entries, oldest first."""

    entries: list[Entry]
    dropped: int
    """Entries that gave way to newer ones since the journal was last cleared."""
    replica: str | UnsetType = UNSET
    """Whose journal it is, when there are several replicas: each has its own."""


class StreamQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Where a stream begins."""

    after: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    """Entries with a higher number; without it, those that come from now on."""


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """What requests a test expects."""

    expect: Annotated[list[Expected], Meta(max_length=1000)]
    in_order: bool = False
    """They came in this order, whatever else came between them."""
    after: Annotated[int, Meta(ge=0)] = 0
    """Look only at entries with a higher number."""


class Answer(msgspec.Struct):
    """Whether they came."""

    ok: bool
    results: list[Verdict]
    """One for each expectation."""
    dropped: int
    """Entries that are lost to this question."""
    replica: str | UnsetType = UNSET
    """Whose journal was asked, when there are several replicas."""


async def read(call: Call) -> JournalView:
    """Entries of the journal."""
    query: JournalQuery = call.query
    journal = owner(call)
    found = [
        entry
        for entry in journal.entries(query.after or 0)
        if query.provider in (UNSET, entry.provider) and query.operation in (UNSET, entry.operation)
    ]
    kept = found[-query.limit :] if query.after is UNSET else found[: query.limit]
    return JournalView(kept, journal.dropped, call.desk.changes.replica or UNSET)


async def clear(call: Call) -> None:
    """Forget all entries."""
    owner(call).clear()


async def ask(call: Call) -> Answer:
    """Whether the expected requests came."""
    question: Question = call.body
    journal = owner(call)
    verdicts = verify(journal.entries(question.after), question.expect, question.in_order)
    replica = call.desk.changes.replica or UNSET
    return Answer(all(verdict.ok for verdict in verdicts), verdicts, journal.dropped, replica)


async def stream(call: Call) -> web.StreamResponse:
    """Entries as server-sent events, the moment they are written."""
    journal = owner(call)
    after = _resumed(call, journal)
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    await response.prepare(call.request)
    entries = journal.follow(after)
    coming = asyncio.ensure_future(anext(entries, None))
    with call.desk.streaming():
        try:
            await response.write(b": following\n\n")
            while True:
                done, _ = await asyncio.wait({coming}, timeout=HEARTBEAT)
                if not done:
                    await response.write(b": alive\n\n")
                    continue
                entry = coming.result()
                if entry is None:
                    break
                await response.write(event(entry))
                coming = asyncio.ensure_future(anext(entries, None))
        except ConnectionError:
            pass  # the reader went away
        finally:
            coming.cancel()
    return response


def event(entry: Entry) -> bytes:
    """An entry as a server-sent event; its id is what a browser sends when it comes back."""
    return b"id: %d\ndata: %b\n\n" % (entry.seq, msgspec.json.encode(entry))


def owner(call: Call) -> Journal:
    """The tenant's journal; ``nobody`` holds what could not be told to be anybody's."""
    if call.part("tenant") == "nobody":
        return call.registry.nobody.journal
    return call.tenant.journal


def _resumed(call: Call, journal: Journal) -> int:
    """Where a stream begins: after the event a browser saw last, or as the query says."""
    last = call.request.headers.get("Last-Event-ID")
    if last is None:
        after: int | UnsetType = call.query.after
        return journal.last if after is UNSET else after
    if not last.isascii() or not last.isdigit():
        raise RefusedError(422, f"{last!r} is not the id of an entry", where="Last-Event-ID")
    return int(last)


_JOURNAL = "/api/tenants/{tenant}/journal"

OPERATIONS = [
    Operation(
        "GET", _JOURNAL, "Entries of the journal", read, query=JournalQuery, answer=JournalView
    ),
    Operation("DELETE", _JOURNAL, "Forget all entries", clear, status=204),
    Operation(
        "POST",
        f"{_JOURNAL}/verify",
        "Whether the expected requests came",
        ask,
        body=Question,
        answer=Answer,
    ),
    Operation(
        "GET",
        f"{_JOURNAL}/stream",
        "Entries as server-sent events",
        stream,
        query=StreamQuery,
        media="text/event-stream",
    ),
]
