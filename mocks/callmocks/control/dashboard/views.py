"""The history as each provider's client gets it: the same calls, that provider's fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from callmocks.control.dashboard.calls import read_filter
from callmocks.control.dashboard.render import render_page as make_page
from callmocks.control.dashboard.window import (
    END_OF_HISTORY,
    DayWindow,
    Paging,
    read_paging,
    read_window,
)
from callmocks.control.problems import ProblemError
from callmocks.history.reasons import NAMES

if TYPE_CHECKING:
    from aiohttp import web

    from callmocks.control.routing import RequestContext
    from callmocks.history.directory import Directory
    from callmocks.history.history import History


@dataclass(frozen=True, slots=True)
class ListColumn:
    """A column of a list: the field's name in the contract, and how it is shown."""

    name: str
    kind: str = "text"
    """``text``, ``id``, ``uuid``, ``time``, ``number`` or ``reason``."""
    room: str = ""
    """``minor``: left out on a phone, ``spare``: and on a small screen."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Names to show instead of ids, where there is one."""

    def format_value(self, value: object) -> str:
        """The value as text; empty for null."""
        if value is None:
            return ""
        if self.kind == "time":
            return str(value)[11:19]
        return self.names.get(str(value), str(value))


@dataclass(frozen=True, slots=True)
class ListRow:
    """A row of a list, and the page of its call."""

    session: int
    day: str
    cells: tuple[str, ...]
    titles: tuple[str, ...]
    """What stands behind a cell that shows a name."""
    ended: bool = True


_ARM = (
    ListColumn("start_time", "time"),
    ListColumn("direction"),
    ListColumn("remote_digits", "id"),
    ListColumn("remote_display_name", "text", "minor"),
    ListColumn("waiting_duration", "number", "minor"),
    ListColumn("talk_duration", "number"),
    ListColumn("release_reason", "reason"),
    ListColumn("queue_id", "text", "spare"),
    ListColumn("call_ref", "id", "minor"),
)
_SESSIONS = (
    ListColumn("start_time", "time"),
    ListColumn("id", "id"),
    ListColumn("direction", "text", "minor"),
    ListColumn("contact_phone_number", "id"),
    ListColumn("contact_full_name", "text", "minor"),
    ListColumn("virtual_phone_number", "id", "spare"),
    ListColumn("last_answered_employee_full_name", "text", "minor"),
    ListColumn("talk_duration", "number", "minor"),
    ListColumn("total_duration", "number", "spare"),
    ListColumn("finish_reason", "reason"),
)
_LEGS = (
    ListColumn("start_time", "time"),
    ListColumn("call_session_id", "id", "spare"),
    ListColumn("id", "id"),
    ListColumn("direction", "text", "minor"),
    ListColumn("calling_phone_number", "id", "minor"),
    ListColumn("called_phone_number", "id", "minor"),
    ListColumn("employee_full_name"),
    ListColumn("duration", "number", "minor"),
    ListColumn("total_duration", "number", "spare"),
    ListColumn("finish_reason", "reason"),
)


async def show_arm(context: RequestContext) -> web.Response:
    """An operator's history in his workplace."""
    history, window = context.tenant.history, read_window(context)
    operator = _read_operator(context)
    frames = list(history.arm_frames(operator, window.before_ms - 1, window.from_ms))
    found = pl.concat(frames) if frames else None
    if found is not None:
        found = found.filter(pl.col("_start") <= window.now_ms)
    pages = read_paging(context, 0 if found is None else len(found))
    rows: list[ListRow] = []
    if found is not None:
        some = found.slice(pages.first, pages.last - pages.first)
        some = some.with_columns((pl.col("_release") <= window.now_ms).alias("_ended"))
        rows = _list_rows(_add_session(history, some), _ARM)
    return _render_list(context, "arm", window, pages, _ARM, rows, operator=operator)


async def show_sessions(context: RequestContext) -> web.Response:
    """Call sessions of the Data API."""
    window = read_window(context)
    frame = context.tenant.history.sessions_between(
        window.from_ms, window.before_ms - 1000, window.now_ms
    )
    frame = frame.with_columns(pl.col("id").alias("_session"))
    return _render_cdr_list(context, "cdr", window, frame, _SESSIONS)


async def show_legs(context: RequestContext) -> web.Response:
    """Call legs of the Data API."""
    window = read_window(context)
    frame = context.tenant.history.legs_between(
        window.from_ms, window.before_ms - 1000, window.now_ms
    )
    frame = frame.with_columns(pl.col("call_session_id").alias("_session"))
    return _render_cdr_list(context, "legs", window, frame, _LEGS)


async def show_onec(context: RequestContext) -> web.Response:
    """Service calls of 1C-Connect."""
    history, window = context.tenant.history, read_window(context)
    frame = history.service_calls_between(window.from_ms, window.before_ms, window.now_ms).reverse()
    pages = read_paging(context, len(frame))
    columns = onec_columns(history.directory)
    some = frame.slice(pages.first, pages.last - pages.first)
    rows = _list_rows(some.with_columns(pl.col("_session_id").alias("_session")), columns)
    return _render_list(context, "onec", window, pages, columns, rows)


def onec_columns(cast: Directory) -> tuple[ListColumn, ...]:
    """Columns of the ValueTable; ids that lead to somebody are shown as his name."""
    clients = {each.client_id: each.name for each in cast.organisations}
    users = {each.user_id: each.full_name for each in cast.users}
    lines = {each.service_id: each.name for each in cast.lines}
    people = users | {each.specialist_id: each.full_name for each in cast.operators}
    return (
        ListColumn("CallTime", "time"),
        ListColumn("CallID", "uuid", "minor"),
        ListColumn("ClientID", names=clients),
        ListColumn("ServiceUserID", "text", "spare", users),
        ListColumn("ServiceID", "text", "minor", lines),
        ListColumn("CallerID", "text", "minor", people),
        ListColumn("CalleeID", "text", "minor", people),
        ListColumn("CallResult", "number"),
        ListColumn("Duration", "number"),
    )


def _read_operator(context: RequestContext) -> str:
    """The operator that the address names, or the first."""
    people = context.tenant.history.directory.operators
    wanted = context.request.query.get("operator") or people[0].number
    if wanted not in (each.number for each in people):
        raise ProblemError(404, f"no operator {wanted!r}", where="operator")
    return wanted


def _add_session(history: History, rows: pl.DataFrame) -> pl.DataFrame:
    """ARM rows with the session of their call."""
    first, last = rows["_start"].min(), rows["_start"].max()
    if first is None:
        return rows.with_columns(pl.lit(0).alias("_session"))
    legs = history.legs_between(first, last, END_OF_HISTORY)  # type: ignore[arg-type]
    ids = legs.select(pl.col("id").alias("_leg_id"), pl.col("call_session_id").alias("_session"))
    return rows.join(ids, on="_leg_id", how="left", maintain_order="left")


def _render_cdr_list(
    context: RequestContext,
    view: str,
    window: DayWindow,
    frame: pl.DataFrame,
    columns: tuple[ListColumn, ...],
) -> web.Response:
    wish = read_filter(context)
    if wish.reason:
        frame = frame.filter(pl.col("finish_reason").cast(pl.String) == wish.reason)
    frame = frame.reverse()
    pages = read_paging(context, len(frame))
    rows = _list_rows(frame.slice(pages.first, pages.last - pages.first), columns)
    return _render_list(context, view, window, pages, columns, rows, reason=wish.reason)


def _list_rows(frame: pl.DataFrame, columns: tuple[ListColumn, ...]) -> list[ListRow]:
    made = []
    for row in frame.to_dicts():
        cells = tuple(column.format_value(row[column.name]) for column in columns)
        titles = tuple(
            str(row[column.name]) if column.names and row[column.name] else "" for column in columns
        )
        day = str(row[columns[0].name] or "")[:10]
        made.append(ListRow(row["_session"], day, cells, titles, row.get("_ended", True)))
    return made


def _render_list(
    context: RequestContext,
    view: str,
    window: DayWindow,
    pages: Paging,
    columns: tuple[ListColumn, ...],
    rows: list[ListRow],
    **more: Any,
) -> web.Response:
    tenant = context.tenant
    return make_page(
        context,
        "view.html",
        "history",
        tenant,
        view=view,
        window=window,
        pages=pages,
        columns=columns,
        rows=rows,
        operators=list(tenant.history.directory.operators),
        reasons=NAMES if view in ("cdr", "legs") else (),
        **{"operator": "", "reason": "", **more},
    )
