"""The ledger of assumptions and what a tenant chose."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callmocks.contract.assumptions import Assumption, load_ledger
from callmocks.control.dashboard.panels import PROVIDER_TITLES
from callmocks.control.dashboard.render import render_page

if TYPE_CHECKING:
    from aiohttp import web

    from callmocks.control.routing import RequestContext

GROUPS = {"history": "The calls themselves", **PROVIDER_TITLES}


@dataclass(frozen=True, slots=True)
class AssumptionRow:
    """An assumption, what the tenant chose, and how much its answers lean on it."""

    entry: Assumption
    chosen: str
    leaned_on: int
    """Entries of the journal that name it."""

    @property
    def changed(self) -> bool:
        return self.chosen != self.entry.default

    @property
    def free(self) -> bool:
        return "*" in self.entry.alternatives

    @property
    def choices(self) -> list[str]:
        named = [self.entry.default, *(each for each in self.entry.alternatives if each != "*")]
        return named if self.chosen in named or self.free else [*named, self.chosen]


async def show_assumptions(context: RequestContext) -> web.Response:
    tenant = context.tenant
    leaned: Counter[str] = Counter()
    for entry in tenant.journal.read_summaries():
        leaned.update(entry.assumptions)
    only = context.request.query.get("show", "")
    choices = [
        AssumptionRow(entry, tenant.assumptions.choices[name], leaned[name])
        for name, entry in load_ledger().items()
    ]
    kept = [
        each
        for each in choices
        if only not in ("changed", "used")
        or (only == "changed" and each.changed)
        or (only == "used" and each.leaned_on)
    ]
    groups: dict[str, list[AssumptionRow]] = {}
    for each in kept:
        groups.setdefault(each.entry.provider, []).append(each)
    order = [*GROUPS, *sorted(groups.keys() - GROUPS.keys())]
    return render_page(
        context,
        "assumptions.html",
        "assumptions",
        tenant,
        groups=[(GROUPS.get(name, name), groups[name]) for name in order if name in groups],
        only=only,
        total=len(choices),
        changed=sum(each.changed for each in choices),
        used=sum(bool(each.leaned_on) for each in choices),
    )
