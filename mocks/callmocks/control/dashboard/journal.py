"""The journal: a list that grows by itself, and each exchange opened in place or on its own page.

A script follows the admin API's stream and then loads ``journal/rows``: only the server makes HTML.
"""

from collections import deque
from typing import Any, NamedTuple
from urllib.parse import urlencode

from callmocks.control.dashboard.highlight import highlight_message
from callmocks.control.dashboard.panels import PANELS, PROVIDER_TITLES
from callmocks.control.dashboard.panels.base import Snippet
from callmocks.control.dashboard.texts import find_texts
from callmocks.control.problems import ProblemError
from callmocks.control.routing import RequestContext
from callmocks.tenants.journal import Journal, JournalRecord
from callmocks.tenants.tenant import Tenant

ENTRIES_PER_PAGE = 100


class EntryFilter(NamedTuple):
    provider: str = ""
    violations: bool = False

    def matches(self, entry: JournalRecord) -> bool:
        if self.provider not in ("", entry.provider):
            return False
        return not self.violations or bool(entry.violations)

    @property
    def query(self) -> str:
        named = {"provider": self.provider, "violations": "1" if self.violations else ""}
        return urlencode({name: value for name, value in named.items() if value})


async def show_journal(context: RequestContext) -> dict[str, Any]:
    tenant, entry_filter = find_tenant(context), _read_filter(context)
    return {
        "tenant": tenant,
        "entry_filter": entry_filter,
        "counts": count_entries(tenant.journal),
        "entries": newest_entries(tenant.journal, entry_filter),
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
    if not (text.isascii() and text.isdigit()):
        raise ProblemError(422, f"{text!r} is not the number of an entry", where="after")
    found = newest_entries(tenant.journal, _read_filter(context), int(text))
    counts = count_entries(tenant.journal)
    return {"tenant": tenant, "entries": found, "counts": counts}


async def show_entry(context: RequestContext) -> dict[str, Any]:
    tenant, text = find_tenant(context), context.path_part("entry")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
    found = next(tenant.journal.read_entries(number - 1), None) if number else None
    if found is None or found.seq != number:
        raise ProblemError(404, f"entry {text!r} is not in the journal (any more)", where="entry")
    requested, answered = (
        [each for each in found.violations if each.side == side] for side in ("request", "answer")
    )
    return {
        "tenant": tenant,
        "entry": found,
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


def newest_entries(
    journal: Journal, entry_filter: EntryFilter, after: int = 0, limit: int = ENTRIES_PER_PAGE
) -> list[JournalRecord]:
    found = deque(filter(entry_filter.matches, journal.read_records(after)), limit)
    return list(reversed(found))


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
    return EntryFilter(provider, context.request.query.get("violations") == "1")
