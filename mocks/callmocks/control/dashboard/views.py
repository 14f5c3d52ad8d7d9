"""The history as each provider's client gets it: the same calls, that provider's fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from callmocks.control.dashboard.calls import read_filter
from callmocks.control.dashboard.render import page as make_page
from callmocks.control.dashboard.window import EVER, Paging, Window, paging, read_window
from callmocks.control.problems import RefusedError
from callmocks.history.reasons import NAMES

if TYPE_CHECKING:
    from aiohttp import web

    from callmocks.control.routing import Call
    from callmocks.history.directory import Cast
    from callmocks.history.history import History


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list: the field's name in the contract, and how it is shown."""

    name: str
    kind: str = "text"
    """``text``, ``id``, ``uuid``, ``time``, ``number`` or ``reason``."""
    room: str = ""
    """``minor``: left out on a phone, ``spare``: and on a small screen."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Names to show instead of ids, where there is one."""

    def show(self, value: object) -> str:
        """The value as text; empty for null."""
        if value is None:
            return ""
        if self.kind == "time":
            return str(value)[11:19]
        return self.names.get(str(value), str(value))


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a list, and the page of its call."""

    session: int
    day: str
    cells: tuple[str, ...]
    titles: tuple[str, ...]
    """What stands behind a cell that shows a name."""
    ended: bool = True


_ARM = (
    Column("start_time", "time"),
    Column("direction"),
    Column("remote_digits", "id"),
    Column("remote_display_name", "text", "minor"),
    Column("waiting_duration", "number", "minor"),
    Column("talk_duration", "number"),
    Column("release_reason", "reason"),
    Column("queue_id", "text", "spare"),
    Column("call_ref", "id", "minor"),
)
_SESSIONS = (
    Column("start_time", "time"),
    Column("id", "id"),
    Column("direction", "text", "minor"),
    Column("contact_phone_number", "id"),
    Column("contact_full_name", "text", "minor"),
    Column("virtual_phone_number", "id", "spare"),
    Column("last_answered_employee_full_name", "text", "minor"),
    Column("talk_duration", "number", "minor"),
    Column("total_duration", "number", "spare"),
    Column("finish_reason", "reason"),
)
_LEGS = (
    Column("start_time", "time"),
    Column("call_session_id", "id", "spare"),
    Column("id", "id"),
    Column("direction", "text", "minor"),
    Column("calling_phone_number", "id", "minor"),
    Column("called_phone_number", "id", "minor"),
    Column("employee_full_name"),
    Column("duration", "number", "minor"),
    Column("total_duration", "number", "spare"),
    Column("finish_reason", "reason"),
)


async def arm(call: Call) -> web.Response:
    """An operator's history in his workplace."""
    history, window = call.tenant.history, read_window(call)
    operator = _operator(call)
    frames = list(history.arm_days(operator, window.before_ms - 1, window.from_ms))
    found = pl.concat(frames) if frames else None
    if found is not None:
        found = found.filter(pl.col("_start") <= window.now_ms)
    pages = paging(call, 0 if found is None else len(found))
    rows: list[Row] = []
    if found is not None:
        some = found.slice(pages.first, pages.last - pages.first)
        some = some.with_columns((pl.col("_release") <= window.now_ms).alias("_ended"))
        rows = _rows(_with_session(history, some), _ARM)
    return _list(call, "arm", window, pages, _ARM, rows, operator=operator)


async def sessions(call: Call) -> web.Response:
    """Call sessions of the Data API."""
    window = read_window(call)
    frame = call.tenant.history.sessions(window.from_ms, window.before_ms - 1000, window.now_ms)
    frame = frame.with_columns(pl.col("id").alias("_session"))
    return _cdr(call, "cdr", window, frame, _SESSIONS)


async def legs(call: Call) -> web.Response:
    """Call legs of the Data API."""
    window = read_window(call)
    frame = call.tenant.history.legs(window.from_ms, window.before_ms - 1000, window.now_ms)
    frame = frame.with_columns(pl.col("call_session_id").alias("_session"))
    return _cdr(call, "legs", window, frame, _LEGS)


async def onec(call: Call) -> web.Response:
    """Service calls of 1C-Connect."""
    history, window = call.tenant.history, read_window(call)
    frame = history.service_calls(window.from_ms, window.before_ms, window.now_ms).reverse()
    pages = paging(call, len(frame))
    columns = onec_columns(history.cast)
    some = frame.slice(pages.first, pages.last - pages.first)
    rows = _rows(some.with_columns(pl.col("_session_id").alias("_session")), columns)
    return _list(call, "onec", window, pages, columns, rows)


def onec_columns(cast: Cast) -> tuple[Column, ...]:
    """Columns of the ValueTable; ids that lead to somebody are shown as his name."""
    clients = {each.client_id: each.name for each in cast.organisations}
    users = {each.user_id: each.full_name for each in cast.users}
    lines = {each.service_id: each.name for each in cast.lines}
    people = users | {each.specialist_id: each.full_name for each in cast.operators}
    return (
        Column("CallTime", "time"),
        Column("CallID", "uuid", "minor"),
        Column("ClientID", names=clients),
        Column("ServiceUserID", "text", "spare", users),
        Column("ServiceID", "text", "minor", lines),
        Column("CallerID", "text", "minor", people),
        Column("CalleeID", "text", "minor", people),
        Column("CallResult", "number"),
        Column("Duration", "number"),
    )


def _operator(call: Call) -> str:
    """The operator that the address names, or the first."""
    people = call.tenant.history.cast.operators
    wanted = call.request.query.get("operator") or people[0].number
    if wanted not in (each.number for each in people):
        raise RefusedError(404, f"no operator {wanted!r}", where="operator")
    return wanted


def _with_session(history: History, rows: pl.DataFrame) -> pl.DataFrame:
    """ARM rows with the session of their call."""
    first, last = rows["_start"].min(), rows["_start"].max()
    if first is None:
        return rows.with_columns(pl.lit(0).alias("_session"))
    legs = history.legs(first, last, EVER)  # type: ignore[arg-type]
    ids = legs.select(pl.col("id").alias("_leg_id"), pl.col("call_session_id").alias("_session"))
    return rows.join(ids, on="_leg_id", how="left", maintain_order="left")


def _cdr(
    call: Call, view: str, window: Window, frame: pl.DataFrame, columns: tuple[Column, ...]
) -> web.Response:
    wish = read_filter(call)
    if wish.reason:
        frame = frame.filter(pl.col("finish_reason").cast(pl.String) == wish.reason)
    frame = frame.reverse()
    pages = paging(call, len(frame))
    rows = _rows(frame.slice(pages.first, pages.last - pages.first), columns)
    return _list(call, view, window, pages, columns, rows, reason=wish.reason)


def _rows(frame: pl.DataFrame, columns: tuple[Column, ...]) -> list[Row]:
    made = []
    for row in frame.to_dicts():
        cells = tuple(column.show(row[column.name]) for column in columns)
        titles = tuple(
            str(row[column.name]) if column.names and row[column.name] else "" for column in columns
        )
        day = str(row[columns[0].name] or "")[:10]
        made.append(Row(row["_session"], day, cells, titles, row.get("_ended", True)))
    return made


def _list(
    call: Call,
    view: str,
    window: Window,
    pages: Paging,
    columns: tuple[Column, ...],
    rows: list[Row],
    **more: Any,
) -> web.Response:
    tenant = call.tenant
    return make_page(
        call,
        "view.html",
        "history",
        tenant,
        view=view,
        window=window,
        pages=pages,
        columns=columns,
        rows=rows,
        operators=list(tenant.history.cast.operators),
        reasons=NAMES if view in ("cdr", "legs") else (),
        **{"operator": "", "reason": "", **more},
    )
