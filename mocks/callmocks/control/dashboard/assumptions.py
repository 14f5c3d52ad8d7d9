"""The ledger of assumptions and what a tenant chose."""

from collections import Counter
from typing import Any

from callmocks.contract.assumptions import Assumption, load_ledger
from callmocks.control.dashboard.panels import PROVIDER_TITLES
from callmocks.control.dashboard.texts import Texts, find_texts, mark_text
from callmocks.control.routing import RequestContext

TOPICS = (
    mark_text("Requests"),
    mark_text("Messages"),
    mark_text("Parameters"),
    mark_text("Period"),
    mark_text("Filters and sorting"),
    mark_text("Tag"),
    mark_text("Calls"),
    mark_text("Lags"),
    mark_text("Directories"),
    mark_text("Sessions"),
    mark_text("Limits"),
    mark_text("Errors"),
)
"""In the order they are shown."""


async def show_assumptions(context: RequestContext) -> dict[str, Any]:
    tenant, texts = context.tenant, find_texts(context)
    uses: Counter[str] = Counter()
    for entry in tenant.journal.read_records():
        uses.update(entry.assumptions)
    query = context.request.query
    only, wanted = query.get("show", ""), query.get("q", "").strip()
    rows = [
        _make_row(assumption, tenant.assumptions.choices[name], uses[name])
        for name, assumption in load_ledger().items()
    ]
    subsets = {
        "changed": [row for row in rows if row["changed"]],
        "used": [row for row in rows if row["uses"]],
    }
    found = [row for row in subsets.get(only, rows) if _matches(row, wanted, texts)]
    return {
        "tenant": tenant,
        "providers": _group_rows(found),
        "only": only,
        "wanted": wanted,
        "is_open": bool(wanted) or only in subsets,
        "total": len(rows),
        "changed": len(subsets["changed"]),
        "used": len(subsets["used"]),
    }


def _group_rows(rows: list[dict[str, Any]]) -> list[tuple[str, str, list[Any]]]:
    """Name and title of each provider, and its topics with their rows."""
    groups: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        assumption = row["assumption"]
        topics = groups.setdefault(assumption.provider, {})
        topics.setdefault(assumption.topic, []).append(row)
    return [
        (name, title, sorted(groups[name].items(), key=lambda each: TOPICS.index(each[0])))
        for name, title in PROVIDER_TITLES.items()
        if name in groups
    ]


def _matches(row: dict[str, Any], wanted: str, texts: Texts) -> bool:
    """Whether all words are in the id, the texts or the choices, in either language."""
    assumption: Assumption = row["assumption"]
    sentences = (assumption.statement, assumption.why, assumption.no_alternative)
    translated = [texts.gettext(each) for each in sentences if each]
    everything = (assumption.id, *sentences, *translated, *row["choices"], row["chosen"])
    text = "\n".join(everything).casefold()
    return all(word in text for word in wanted.casefold().split())


def _make_row(assumption: Assumption, chosen: str, uses: int) -> dict[str, Any]:
    """``uses``: entries of the journal that name it; ``own``: a choice that is not listed."""
    choices = [assumption.default, *(each for each in assumption.alternatives if each != "*")]
    return {
        "assumption": assumption,
        "chosen": chosen,
        "uses": uses,
        "changed": chosen != assumption.default,
        "accepts_any_text": "*" in assumption.alternatives,
        "choices": choices,
        "own": "" if chosen in choices else chosen,
    }
