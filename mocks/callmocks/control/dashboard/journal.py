"""The journal: a list that grows by itself, and each exchange opened in place or on its own page.

A script follows the admin API's stream and then asks for ``journal/rows``, so that entries are
written in one place only: here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from callmocks.control.dashboard.highlight import Message, read_message
from callmocks.control.dashboard.render import fragment
from callmocks.control.dashboard.render import page as make_page
from callmocks.control.dashboard.template_filters import PROVIDERS
from callmocks.control.problems import RefusedError
from callmocks.tenants.journal import Entry, Journal, Line

if TYPE_CHECKING:
    from aiohttp import web

    from callmocks.control.routing import Call
    from callmocks.tenants.tenant import Tenant

SHOWN = 100
"""Entries of a page, the newest."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which entries are shown."""

    provider: str = ""
    violations: bool = False

    def takes(self, entry: Line) -> bool:
        """Whether an entry is one of them."""
        if self.provider not in ("", entry.provider):
            return False
        return not self.violations or bool(entry.violations)

    @property
    def query(self) -> str:
        """The wish as a query string."""
        named = {"provider": self.provider, "violations": "1" if self.violations else ""}
        return urlencode({name: value for name, value in named.items() if value})


@dataclass(frozen=True, slots=True)
class Counts:
    """What the whole journal holds."""

    entries: int
    violations: int
    dropped: int
    last: int
    """Number of the newest entry."""


async def page(call: Call) -> web.Response:
    """The newest entries."""
    tenant, wish = owner(call), _wish(call)
    return make_page(
        call,
        "journal.html",
        "journal",
        tenant,
        wish=wish,
        counts=count(tenant.journal),
        entries=newest(tenant.journal, wish),
        strangers=len(call.registry.nobody.journal),
        nobody=tenant is call.registry.nobody,
    )


async def rows(call: Call) -> web.Response:
    """Entries above a number, newest first, for a page that has those before."""
    tenant, text = owner(call), call.request.query.get("after", "0")
    if not (text.isascii() and text.isdigit()):
        raise RefusedError(422, f"{text!r} is not the number of an entry", where="after")
    found = newest(tenant.journal, _wish(call), int(text))
    counts = count(tenant.journal)
    return fragment("journal_rows.html", tenant=tenant, entries=found, counts=counts)


async def entry(call: Call) -> web.Response:
    """One exchange, whole."""
    tenant, text = owner(call), call.part("entry")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
    found = next(tenant.journal.entries(number - 1), None) if number else None
    if found is None or found.seq != number:
        raise RefusedError(404, f"entry {text!r} is not in the journal (any more)", where="entry")
    request, answer = messages(found)
    return make_page(
        call, "entry.html", "journal", tenant, entry=found, request=request, answer=answer
    )


def owner(call: Call) -> Tenant:
    """The tenant; ``nobody`` for exchanges whose sender could not be told."""
    nobody = call.registry.nobody
    return nobody if call.part("tenant") == nobody.name else call.tenant


def newest(journal: Journal, wish: Wish, after: int = 0, most: int = SHOWN) -> list[Line]:
    """The newest entries that are wished for, newest first."""
    found = deque((entry for entry in journal.lines(after) if wish.takes(entry)), most)
    return list(reversed(found))


def count(journal: Journal) -> Counts:
    """How much there is."""
    violations = sum(bool(entry.violations) for entry in journal.lines())
    return Counts(len(journal), violations, journal.dropped, journal.last)


def messages(entry: Entry) -> tuple[Message, Message]:
    """Request and answer to look at, each with the places of its violations marked."""
    return (
        read_message(
            entry.request,
            entry.request_bytes,
            entry.request_sha256,
            [each for each in entry.violations if each.side == "request"],
        ),
        read_message(
            entry.response,
            entry.response_bytes,
            entry.response_sha256,
            [each for each in entry.violations if each.side == "answer"],
        ),
    )


def _wish(call: Call) -> Wish:
    provider = call.request.query.get("provider", "")
    if provider and provider not in PROVIDERS:
        raise RefusedError(422, f"provider {provider!r} is none of {', '.join(PROVIDERS)}")
    return Wish(provider, call.request.query.get("violations") == "1")
