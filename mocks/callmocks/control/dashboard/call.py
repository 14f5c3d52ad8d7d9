"""One call: what happened, and the rows that each provider makes of it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import polars as pl

from callmocks.contract.numerals import parse_natural
from callmocks.contract.truth import Call
from callmocks.control.dashboard.panels import PANELS
from callmocks.control.dashboard.panels.base import SECOND, ProviderPanel
from callmocks.control.dashboard.template_filters import format_duration
from callmocks.control.dashboard.texts import Texts, find_texts, mark_text
from callmocks.control.problems import ProblemError
from callmocks.control.routing import RequestContext
from callmocks.history import ids
from callmocks.history.history import History
from callmocks.history.walltime import END_OF_HISTORY, datetime_to_ms

_ROLES = {
    "subscriber": mark_text("Subscriber"),
    "operator": mark_text("Operator"),
    "initiator": mark_text("Dialling operator"),
    "transfer": mark_text("Transfer target"),
    "coach": mark_text("Listening coach"),
}


async def show_call(context: RequestContext) -> dict[str, Any]:
    tenant = context.tenant
    now = tenant.clock.now()
    truth = _find_truth(tenant.history, context.path_part("call"), datetime_to_ms(now))
    address = ids.session_address(truth.session_id)
    return {
        "tenant": tenant,
        "truth": truth,
        "pinned": address is not None and address[1] >= ids.PINNED_SESSION,
        "day": truth.start.date(),
        "bars": list(_leg_bars(tenant.history, truth, now, find_texts(context))),
        "panels": [_make_panel(context, panel, truth, now) for panel in PANELS.values()],
    }


def _find_truth(history: History, session_id: str, now_ms: int) -> Call:
    """A call that has begun; 404 when there is none."""
    number = parse_natural(session_id)
    found = pl.DataFrame() if number is None else history.find_session(number, END_OF_HISTORY)
    if found.is_empty() or int(found["_start"][0]) > now_ms:
        raise ProblemError(404, f"no call {session_id!r} has begun", where="call")
    start = int(found["_start"][0])
    calls = history.truth_between(start, start + 1, now_ms)
    return next(call for call in calls if call.session_id == number)


def _leg_bars(
    history: History, truth: Call, now: datetime, texts: Texts
) -> Iterator[dict[str, Any]]:
    """Legs on the call's time line; ``waiting`` and ``talking``: left edge and width, per cent."""
    names = {each.number: each.full_name for each in history.directory.operators}
    begin = truth.start
    length = max((min(truth.end, now) - begin) / SECOND, 0.001)

    def bar_extent(start: datetime, stop: datetime) -> tuple[float, float]:
        left = 100 * ((start - begin) / SECOND) / length
        return round(left, 2), round(max(100 * ((stop - start) / SECOND) / length, 0.4), 2)

    for leg in truth.legs:
        if leg.start > now:
            continue
        start, stop = leg.start, min(leg.end, now)
        answered = leg.answered if leg.answered and leg.answered <= now else None
        waited = format_duration((answered or stop) - start)
        talked = format_duration(stop - answered) if answered else ""
        summary = (
            texts.gettext("waited %(waited)s, then connected %(talked)s")
            if answered
            else texts.gettext("waited %(waited)s, not answered")
        )
        yield {
            "party": texts.gettext(_ROLES[leg.role]),
            "operator": f"{leg.operator}, {names.get(leg.operator, '')}" if leg.operator else "",
            "start": start,
            "seconds": (stop - start) / SECOND,
            "reason": leg.finish_reason if leg.end <= now else "",
            "waiting": bar_extent(start, answered or stop),
            "talking": bar_extent(answered, stop) if answered else None,
            "summary": summary % {"waited": waited, "talked": talked},
        }


def _make_panel(
    context: RequestContext, panel: ProviderPanel, truth: Call, now: datetime
) -> dict[str, Any]:
    tenant, url = context.tenant, getattr(context.app_context.addresses, panel.provider.name)
    texts = find_texts(context)
    rows = panel.find_rows(tenant, truth, now, texts)
    absence = "" if rows else texts.gettext(panel.explain_absence(truth))
    shown = rows and url and truth.end <= now
    snippets = panel.make_call_examples(tenant, url, truth, texts) if shown else []
    return {"panel": panel, "rows": rows, "absence": absence, "snippets": snippets}
