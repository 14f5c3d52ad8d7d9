"""The journal: a list that grows by itself, and each exchange opened in place or on its own page.

A script follows the admin API's stream and then loads ``journal/rows``: only the server makes HTML.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

from markupsafe import escape

from callmocks.contract.journal import ResponseSummary
from callmocks.contract.numerals import parse_natural
from callmocks.control.dashboard.highlight import highlight_message
from callmocks.control.dashboard.panels import PANELS, PROVIDER_TITLES
from callmocks.control.dashboard.panels.base import Snippet
from callmocks.control.dashboard.texts import find_texts, mark_text
from callmocks.control.problems import ProblemError
from callmocks.control.routing import RequestContext
from callmocks.tenants.journal import Journal, JournalRecord, are_long
from callmocks.tenants.journal_search import TextMatcher
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.worker import (
    LONG_REQUEST_BYTES,
    PieceTimer,
    run_computation,
    run_if_long,
)

ENTRIES_PER_PAGE = 100


# An exchange that ended otherwise than with its whole answer.
ENDINGS = {
    "sending": mark_text("being sent"),
    "cut": mark_text("only the beginning was sent"),
    "reset": mark_text("connection reset"),
    "closed": mark_text("connection closed"),
    "unanswered": mark_text("no response"),
    "client left": mark_text("the client disconnected"),
}
_MAX_TEXT_CHARS = 1000
_MAX_COPIED_BYTES = 400_000  # of a page, as HTML


class EntryRow(NamedTuple):
    """An entry in a list, with what was read of its request and response."""

    record: JournalRecord
    parameters: str
    came: ResponseSummary

    @classmethod
    def of_record(cls, record: JournalRecord) -> Self:
        return cls(record, record.request_parameters, record.response_summary)


class EntryFilter(NamedTuple):
    provider: str = ""
    violations: bool = False
    text: str = ""

    def make_check(self) -> Callable[[JournalRecord], bool]:
        contains = TextMatcher(self.text).matches if self.text else bool
        return lambda record: (
            self.provider in ("", record.provider)
            and (not self.violations or bool(record.violations))
            and contains(record)
        )

    @property
    def query(self) -> str:
        named = {
            "provider": self.provider,
            "violations": "1" if self.violations else "",
            "text": self.text,
        }
        return urlencode({name: value for name, value in named.items() if value})


async def show_journal(context: RequestContext) -> dict[str, Any]:
    tenant, entry_filter = find_tenant(context), _read_filter(context)
    return {
        "tenant": tenant,
        "entry_filter": entry_filter,
        "counts": count_entries(tenant.journal),
        "rows": await find_rows(tenant.journal, entry_filter),
        "endings": ENDINGS,
        "unmatched": len(context.registry.unmatched.journal),
        "is_unmatched": tenant is context.registry.unmatched,
        "examples": _make_examples(context, tenant),
    }


def _make_examples(context: RequestContext, tenant: Tenant) -> list[Snippet]:
    """A request to each provider that runs, for a journal without an entry."""
    if len(tenant.journal) or tenant is context.registry.unmatched:
        return []
    texts, addresses = find_texts(context), context.app_context.addresses
    urls = {name: getattr(addresses, name) for name in PANELS}
    return [
        panel.make_examples(tenant, urls[name], texts)[0]
        for name, panel in PANELS.items()
        if urls[name]
    ]


async def show_rows(context: RequestContext) -> dict[str, Any]:
    """Entries above a number, newest first, for a page that has those before."""
    tenant, text = find_tenant(context), context.request.query.get("after", "0")
    after = parse_natural(text)
    if after is None:
        raise ProblemError(422, f"{text!r} is not the number of an entry", where="after")
    counts = count_entries(tenant.journal)  # not of those that come meanwhile
    found = await find_rows(tenant.journal, _read_filter(context), after)
    return {"tenant": tenant, "rows": found, "counts": counts, "endings": ENDINGS}


async def show_entry(context: RequestContext) -> dict[str, Any]:
    tenant, text = find_tenant(context), context.path_part("entry")
    number = parse_natural(text)
    record = next(iter(tenant.journal.read_records(number - 1)), None) if number else None
    if record is None or record.seq != number:
        raise ProblemError(404, f"entry {text!r} is not in the journal (any more)", where="entry")
    describe = partial(_describe_record, context, tenant, record)
    return await run_if_long(describe, record.bytes_used > LONG_REQUEST_BYTES)


def _describe_record(
    context: RequestContext, tenant: Tenant, record: JournalRecord
) -> dict[str, Any]:
    found = record.to_entry()
    requested, answered = (
        [each for each in found.violations if each.side == side] for side in ("request", "answer")
    )
    return {
        "tenant": tenant,
        "entry": found,
        "row": EntryRow.of_record(record),
        "endings": ENDINGS,
        "copies": _copy_request(context, tenant, record),
        "request": highlight_message(
            found.request, found.request_bytes, found.request_sha256, requested
        ),
        "response": highlight_message(
            found.response, found.response_bytes, found.response_sha256, answered
        ),
    }


def find_tenant(context: RequestContext) -> Tenant:
    """The tenant; ``nobody`` is that of exchanges whose tenant is unknown."""
    unmatched = context.registry.unmatched
    return unmatched if context.path_part("tenant") == unmatched.name else context.tenant


async def find_rows(
    journal: Journal, entry_filter: EntryFilter, after: int = 0, limit: int = ENTRIES_PER_PAGE
) -> list[EntryRow]:
    """Newest first."""
    records = journal.read_records(after)
    read = records if entry_filter != EntryFilter() else records[-limit:]
    return await run_computation(_list_rows(read, entry_filter, limit), are_long(read))


async def _list_rows(
    records: Sequence[JournalRecord], entry_filter: EntryFilter, limit: int
) -> list[EntryRow]:
    rows: list[EntryRow] = []
    is_wanted, timer = entry_filter.make_check(), PieceTimer()
    for record in reversed(records):
        if is_wanted(record):
            rows.append(EntryRow.of_record(record))
            if len(rows) == limit:
                break
        await timer.yield_when_due()
    return rows


def _copy_request(context: RequestContext, tenant: Tenant, record: JournalRecord) -> list[Snippet]:
    url: str | None = getattr(context.addresses, record.provider)
    if url is None or not record.head:
        return []
    settings = None if tenant is context.registry.unmatched else tenant.settings
    copies = PANELS[record.provider].copy_request(settings, url, record, find_texts(context))
    size = sum(len(escape(item.text).encode()) for item in copies)
    return copies if size <= _MAX_COPIED_BYTES else []


def count_entries(journal: Journal) -> dict[str, int]:
    return {
        "entries": len(journal),
        "violations": sum(bool(entry.violations) for entry in journal.read_records()),
        "dropped": journal.dropped_count,
        "last_seq": journal.last_seq,
    }


def _read_filter(context: RequestContext) -> EntryFilter:
    provider = context.request.query.get("provider", "")
    if provider and provider not in PROVIDER_TITLES:
        raise ProblemError(422, f"provider {provider!r} is none of {', '.join(PROVIDER_TITLES)}")
    text = context.request.query.get("text", "").strip()[:_MAX_TEXT_CHARS]
    return EntryFilter(provider, context.request.query.get("violations") == "1", text)
