"""The calls themselves, whatever provider shows them: charts, and a list that leads to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from callmocks.control.dashboard import charts
from callmocks.control.dashboard.render import render_page as make_page
from callmocks.control.dashboard.window import END_OF_HISTORY, read_paging, read_window
from callmocks.control.problems import ProblemError
from callmocks.history.reasons import NAMES

if TYPE_CHECKING:
    from aiohttp import web

    from callmocks.control.dashboard.window import DayWindow
    from callmocks.control.routing import RequestContext
    from callmocks.history.history import History

_COLUMNS = (
    "id",
    "start_time",
    "direction",
    "contact_phone_number",
    "contact_full_name",
    "virtual_phone_number",
    "last_answered_employee_full_name",
    "talk_duration",
    "total_duration",
    "finish_reason",
    "is_lost",
)


@dataclass(frozen=True, slots=True)
class CallFilter:
    """What the list is narrowed to."""

    reason: str
    phone: str
    """Digits somewhere in the client's number."""


async def show_calls(context: RequestContext) -> web.Response:
    """Calls of some days."""
    tenant, window, wish = context.tenant, read_window(context), read_filter(context)
    history = tenant.history
    sessions = charts.ended_sessions(history, window)
    begun = _begun_sessions(history, window, wish)
    pages = read_paging(context, len(begun))
    return make_page(
        context,
        "calls.html",
        "history",
        tenant,
        view="calls",
        window=window,
        wish=wish,
        reasons=NAMES,
        pages=pages,
        rows=list_rows(history, begun.slice(pages.first, pages.last - pages.first), window),
        ended=len(sessions),
        under_way=_count_under_way(history, window),
        over_time=charts.calls_over_time(sessions, window),
        by_reason=charts.calls_by_reason(sessions),
    )


def read_filter(context: RequestContext) -> CallFilter:
    """The filter that the address names."""
    reason, phone = (context.request.query.get(name, "").strip() for name in ("reason", "phone"))
    if reason and reason not in NAMES:
        raise ProblemError(422, f"{reason!r} is not a finish reason", where="reason")
    digits = "".join(filter(str.isdigit, phone))
    if phone and not digits:
        raise ProblemError(422, f"{phone!r} has no digit of a phone number", where="phone")
    return CallFilter(reason, digits)


def list_rows(history: History, rows: pl.DataFrame, window: DayWindow) -> list[dict[str, Any]]:
    """Rows of the list of calls; of a call under way only what is known already."""
    if rows.is_empty():
        return []
    first, last = rows["_start"].min(), rows["_start"].max()
    shown = history.service_calls_between(first, last + 1, END_OF_HISTORY)  # type: ignore[arg-type, operator]
    service = shown.select("_session_id", "CallID")
    joined = rows.join(
        service, left_on="id", right_on="_session_id", how="left", maintain_order="left"
    )
    ended = pl.col("_call_end") <= window.now_ms
    return joined.select(
        *_COLUMNS, ended.alias("ended"), pl.col("CallID").is_not_null().alias("onec")
    ).to_dicts()


def _begun_sessions(history: History, window: DayWindow, call_filter: CallFilter) -> pl.DataFrame:
    """Sessions of the window that have begun, also those under way, newest first."""
    found = history.sessions_between(window.from_ms, window.before_ms - 1000, END_OF_HISTORY)
    found = found.filter(pl.col("_start") <= window.now_ms)
    if call_filter.reason:
        ended = pl.col("_call_end") <= window.now_ms
        found = found.filter(
            ended & (pl.col("finish_reason").cast(pl.String) == call_filter.reason)
        )
    if call_filter.phone:
        found = found.filter(
            pl.col("contact_phone_number").str.contains(call_filter.phone, literal=True)
        )
    return found.reverse()


def _count_under_way(history: History, window: DayWindow) -> int:
    begun = history.sessions_between(window.from_ms, window.before_ms - 1000, END_OF_HISTORY)
    now = window.now_ms
    return begun.filter((pl.col("_start") <= now) & (pl.col("_call_end") > now)).height
