"""The ledger of assumptions and what a tenant chose."""

from collections import Counter
from typing import Any

from callmocks.contract.assumptions import Assumption, load_ledger
from callmocks.control.dashboard.panels import PROVIDER_TITLES
from callmocks.control.dashboard.texts import mark_text
from callmocks.control.routing import RequestContext

GROUPS = {"history": mark_text("The calls themselves"), **PROVIDER_TITLES}


async def show_assumptions(context: RequestContext) -> dict[str, Any]:
    tenant = context.tenant
    uses: Counter[str] = Counter()
    for entry in tenant.journal.read_records():
        uses.update(entry.assumptions.keys())
    only = context.request.query.get("show", "")
    rows = [
        _make_row(assumption, tenant.assumptions.choices[name], uses[name])
        for name, assumption in load_ledger().items()
    ]
    subsets = {
        "changed": [row for row in rows if row["changed"]],
        "used": [row for row in rows if row["uses"]],
    }
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in subsets.get(only, rows):
        groups.setdefault(row["assumption"].provider, []).append(row)
    order = [*GROUPS, *sorted(groups.keys() - GROUPS.keys())]
    return {
        "tenant": tenant,
        "groups": [(GROUPS.get(name, name), groups[name]) for name in order if name in groups],
        "only": only,
        "total": len(rows),
        "changed": len(subsets["changed"]),
        "used": len(subsets["used"]),
    }


def _make_row(assumption: Assumption, chosen: str, uses: int) -> dict[str, Any]:
    """``uses``: entries of the journal that name it."""
    any_text = "*" in assumption.alternatives
    named = [assumption.default, *(each for each in assumption.alternatives if each != "*")]
    return {
        "assumption": assumption,
        "chosen": chosen,
        "uses": uses,
        "changed": chosen != assumption.default,
        "accepts_any_text": any_text,
        "choices": named if chosen in named or any_text else [*named, chosen],
    }
