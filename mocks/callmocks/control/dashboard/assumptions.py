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
    assumption: Assumption
    chosen: str
    uses: int
    """Entries of the journal that name it."""

    @property
    def changed(self) -> bool:
        return self.chosen != self.assumption.default

    @property
    def accepts_any_text(self) -> bool:
        return "*" in self.assumption.alternatives

    @property
    def choices(self) -> list[str]:
        named = [
            self.assumption.default,
            *(each for each in self.assumption.alternatives if each != "*"),
        ]
        return named if self.chosen in named or self.accepts_any_text else [*named, self.chosen]


async def show_assumptions(context: RequestContext) -> web.Response:
    tenant = context.tenant
    uses: Counter[str] = Counter()
    for entry in tenant.journal.read_records():
        uses.update(entry.assumptions.keys())
    only = context.request.query.get("show", "")
    rows = [
        AssumptionRow(assumption, tenant.assumptions.choices[name], uses[name])
        for name, assumption in load_ledger().items()
    ]
    subsets = {
        "changed": [row for row in rows if row.changed],
        "used": [row for row in rows if row.uses],
    }
    groups: dict[str, list[AssumptionRow]] = {}
    for row in subsets.get(only, rows):
        groups.setdefault(row.assumption.provider, []).append(row)
    order = [*GROUPS, *sorted(groups.keys() - GROUPS.keys())]
    return render_page(
        context,
        "assumptions.html",
        "assumptions",
        tenant,
        groups=[(GROUPS.get(name, name), groups[name]) for name in order if name in groups],
        only=only,
        total=len(rows),
        changed=len(subsets["changed"]),
        used=len(subsets["used"]),
    )
