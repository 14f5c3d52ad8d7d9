"""The calls themselves, whatever provider shows them: charts, and a list that leads to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from callmocks.control.dashboard import charts
from callmocks.control.dashboard.render import page as make_page
from callmocks.control.dashboard.window import EVER, paging, read_window
from callmocks.control.problems import RefusedError
from callmocks.history.reasons import NAMES

if TYPE_CHECKING:
    from aiohttp import web

    from callmocks.control.dashboard.window import Window
    from callmocks.control.routing import Call
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
class Filter:
    """What the list is narrowed to."""

    reason: str
    phone: str
    """Digits somewhere in the client's number."""


async def page(call: Call) -> web.Response:
    """Calls of some days."""
    tenant, window, wish = call.tenant, read_window(call), read_filter(call)
    history = tenant.history
    sessions = charts.ended_sessions(history, window)
    begun = _begun(history, window, wish)
    pages = paging(call, len(begun))
    return make_page(
        call,
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
        under_way=_under_way(history, window),
        over_time=charts.over_time(sessions, window),
        by_reason=charts.by_reason(sessions),
    )


def read_filter(call: Call) -> Filter:
    """The filter that the address names."""
    reason, phone = (call.request.query.get(name, "").strip() for name in ("reason", "phone"))
    if reason and reason not in NAMES:
        raise RefusedError(422, f"{reason!r} is not a finish reason", where="reason")
    digits = "".join(filter(str.isdigit, phone))
    if phone and not digits:
        raise RefusedError(422, f"{phone!r} has no digit of a phone number", where="phone")
    return Filter(reason, digits)


def list_rows(history: History, rows: pl.DataFrame, window: Window) -> list[dict[str, Any]]:
    """Rows of the list of calls; of a call under way only what is known already."""
    if rows.is_empty():
        return []
    first, last = rows["_start"].min(), rows["_start"].max()
    service = history.service_calls(first, last + 1, EVER).select("_session_id", "CallID")  # type: ignore[arg-type, operator]
    joined = rows.join(
        service, left_on="id", right_on="_session_id", how="left", maintain_order="left"
    )
    ended = pl.col("_call_end") <= window.now_ms
    return joined.select(
        *_COLUMNS, ended.alias("ended"), pl.col("CallID").is_not_null().alias("onec")
    ).to_dicts()


def _begun(history: History, window: Window, wish: Filter) -> pl.DataFrame:
    """Sessions of the window that have begun, also those under way, newest first."""
    found = history.sessions(window.from_ms, window.before_ms - 1000, EVER)
    found = found.filter(pl.col("_start") <= window.now_ms)
    if wish.reason:
        ended = pl.col("_call_end") <= window.now_ms
        found = found.filter(ended & (pl.col("finish_reason").cast(pl.String) == wish.reason))
    if wish.phone:
        found = found.filter(pl.col("contact_phone_number").str.contains(wish.phone, literal=True))
    return found.reverse()


def _under_way(history: History, window: Window) -> int:
    begun = history.sessions(window.from_ms, window.before_ms - 1000, EVER)
    now = window.now_ms
    return begun.filter((pl.col("_start") <= now) & (pl.col("_call_end") > now)).height
