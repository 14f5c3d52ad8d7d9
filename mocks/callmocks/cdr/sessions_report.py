"""``get.calls_report``: sessions, whose lists of people and operations come from their legs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from callmocks.cdr import rows, self_check, tables
from callmocks.cdr.legs_report import COLUMNS_BYTES, window
from callmocks.cdr.rows import Pieces
from callmocks.cdr.selection import page
from callmocks.cdr.window_cache import warm
from callmocks.history.walltime import DAY_MS

if TYPE_CHECKING:
    from callmocks.cdr.query import Query
    from callmocks.cdr.tables import Field
    from callmocks.history.history import History
    from callmocks.tenants.exchange import Exchange

METHOD = "get.calls_report"

_DTYPES: dict[str, pl.DataType] = {
    "number": pl.Int64(),
    "string": pl.String(),
    "enum": pl.String(),
    "boolean": pl.Boolean(),
    "iso8601": pl.Datetime("ms"),
    "array": pl.List(pl.Int64),
}
"""Columns the history does not have: of no visitor, and ids of an array's elements."""


def columns(history: History) -> dict[str, pl.DataType]:
    """Types of the columns that filters and sorts may read."""

    def make() -> dict[str, pl.DataType]:
        known = history.no_sessions.schema
        fields = tables.sessions().fields
        return {name: known.get(name, _DTYPES[field.type]) for name, field in fields.items()}

    return history.drawn.kept(
        "cdr-session-columns", history.last_day, make, lambda _: COLUMNS_BYTES
    )


async def report(exchange: Exchange, query: Query) -> tuple[int, Pieces]:
    """How many sessions match, and the page of them as a JSON array."""
    history = exchange.tenant.history
    start, end, now = window(exchange, query)
    if start > end:
        return 0, (b"[]",)
    wanted = query.filter.must_equal.get("id")
    if wanted is None:
        history.require_budget(start, end, now)
        await warm(exchange, "sessions", history.days_of(start, end + 1000, now))
        self_check.check_parts(exchange, METHOD, history.session_parts(start, end, now))
        frame = history.sessions(start, end, now)
    else:  # the id is an address
        frame = history.no_sessions
        if len(wanted) == 1:
            frame = history.session(next(iter(wanted)), now)
            frame = frame.filter(pl.col("_start").is_between(start, end + 999))
        self_check.check_frame(exchange, METHOD, frame)
    read = query.filter.fields.union(name for name, _ in query.sort)
    total, found = page(exchange, query, _with(history, frame, read, now))
    return total, _render(exchange, query, found, now)


def _with(history: History, frame: pl.DataFrame, read: set[str], now: int) -> pl.DataFrame:
    """The frame with the columns a filter or a sort reads beyond the history's own."""
    missing = [tables.sessions().fields[name] for name in read if name not in frame.columns]
    for field in missing:
        if field.name in _FROM_LEGS:
            lists = _from_legs(history, frame, field.name, now, ids_only=True)
            frame = frame.join(lists, on="id", how="left", maintain_order="left")
            frame = frame.with_columns(pl.col(field.name).fill_null([]))
        else:
            frame = frame.with_columns(_nothing(field))
    return frame


def _nothing(field: Field) -> pl.Expr:
    value: list[int] | None = [] if field.type == "array" else None
    return pl.lit(value, dtype=_DTYPES[field.type]).alias(field.name)


_FROM_LEGS: dict[str, tuple[str, dict[str, pl.Expr]]] = {
    "employees": (
        "employee_id",
        {
            "employee_full_name": pl.col("employee_full_name").first(),
            "is_answered": pl.col("connect_time").is_not_null().any(),
            "is_talked": pl.col("is_talked").any(),
        },
    ),
    "scenario_operations": ("action_id", {"name": pl.col("action_name").first()}),
}
"""Array fields that list what the legs show: the id's column, and what else of each element."""


def _from_legs(
    history: History, frame: pl.DataFrame, name: str, now: int, *, ids_only: bool = False
) -> pl.DataFrame:
    """An array field of each session (by ``id``), elements in the order of their first legs."""
    identity, others = _FROM_LEGS[name]
    key = identity if name == "employees" else "id"
    legs = _legs_of(history, frame, now).filter(pl.col(identity).is_not_null())
    elements = legs.group_by("call_session_id", identity, maintain_order=True).agg(**others)
    shape = (
        pl.col(identity)
        if ids_only
        else pl.struct(pl.col(identity).alias(key), *(pl.col(other) for other in others))
    )
    lists = elements.group_by("call_session_id").agg(shape.alias(name))
    return lists.rename({"call_session_id": "id"})


def _legs_of(history: History, frame: pl.DataFrame, now: int) -> pl.DataFrame:
    """All legs of the sessions in a frame; a leg starts on the day of its call."""
    if not len(frame):
        return history.no_legs
    starts = frame["_start"]
    first, last = int(starts.min() or 0), int(starts.max() or 0)  # type: ignore[arg-type]
    legs = history.legs(first, (last // DAY_MS + 1) * DAY_MS - 1, now)
    return legs.join(frame.select("id"), left_on="call_session_id", right_on="id", how="semi")


def _render(exchange: Exchange, query: Query, found: pl.DataFrame, now: int) -> Pieces:
    shown = found.select(
        *(name for name in found.columns if name not in _FROM_LEGS),
    )
    for name in _FROM_LEGS.keys() & set(query.fields):
        lists = _from_legs(exchange.tenant.history, found, name, now)
        shown = shown.join(lists, on="id", how="left", maintain_order="left")
    return rows.render(shown, [_column(exchange, shown, name) for name in query.fields])


def _column(exchange: Exchange, shown: pl.DataFrame, name: str) -> pl.Expr:
    if name in rows.RECORDS:
        return rows.records().alias(name)
    if name == "full_record_file_link":
        address = f"{exchange.origin}/system/media/talk/{{}}/{{}}"
        return pl.format(address, "id", "_record_1").alias(name)
    if name in _FROM_LEGS:
        return pl.col(name).fill_null([])
    return pl.col(name) if name in shown.columns else _nothing(tables.sessions().fields[name])
