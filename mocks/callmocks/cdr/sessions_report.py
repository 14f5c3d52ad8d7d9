"""``get.calls_report``: sessions, whose lists of people and operations come from their legs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from callmocks.cdr import rows, self_check, tables
from callmocks.cdr.legs_report import COLUMN_TYPES_BYTES, compute_window
from callmocks.cdr.rows import JsonChunks
from callmocks.cdr.selection import select_page
from callmocks.cdr.window_cache import generate_days
from callmocks.history.walltime import DAY_MS

if TYPE_CHECKING:
    from callmocks.cdr.query import ReportQuery
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


def get_column_types(history: History) -> dict[str, pl.DataType]:
    """Types of the columns that filters and sorts may read."""

    def build_types() -> dict[str, pl.DataType]:
        known = history.empty_sessions.schema
        fields = tables.load_session_fields().fields
        return {name: known.get(name, _DTYPES[field.type]) for name, field in fields.items()}

    return history.generated.get_or_create(
        "cdr-session-columns", history.last_day, build_types, lambda _: COLUMN_TYPES_BYTES
    )


async def report_sessions(exchange: Exchange, query: ReportQuery) -> tuple[int, JsonChunks]:
    """How many sessions match, and the page of them as a JSON array."""
    history = exchange.tenant.history
    start, end, now = compute_window(exchange, query)
    if start > end:
        return 0, (b"[]",)
    wanted = query.filter.must_equal.get("id")
    if wanted is None:
        history.require_row_budget(start, end, now)
        await generate_days(exchange, "sessions", history.days_in_window(start, end + 1000, now))
        self_check.check_parts(exchange, METHOD, history.slice_sessions(start, end, now))
        frame = history.sessions_between(start, end, now)
    else:  # the id is an address
        frame = history.empty_sessions
        if len(wanted) == 1:
            frame = history.find_session(next(iter(wanted)), now)
            frame = frame.filter(pl.col("_start").is_between(start, end + 999))
        self_check.check_frame(exchange, METHOD, frame)
    read = query.filter.fields.union(name for name, _ in query.sort)
    total, found = select_page(exchange, query, _add_columns(history, frame, read, now))
    return total, _render(exchange, query, found, now)


def _add_columns(history: History, frame: pl.DataFrame, read: set[str], now: int) -> pl.DataFrame:
    """The frame with the columns a filter or a sort reads beyond the history's own."""
    missing = [
        tables.load_session_fields().fields[name] for name in read if name not in frame.columns
    ]
    for field in missing:
        if field.name in _FROM_LEGS:
            lists = _list_from_legs(history, frame, field.name, now, ids_only=True)
            frame = frame.join(lists, on="id", how="left", maintain_order="left")
            frame = frame.with_columns(pl.col(field.name).fill_null([]))
        else:
            frame = frame.with_columns(_make_empty_column(field))
    return frame


def _make_empty_column(field: Field) -> pl.Expr:
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


def _list_from_legs(
    history: History, frame: pl.DataFrame, name: str, now: int, *, ids_only: bool = False
) -> pl.DataFrame:
    """An array field of each session (by ``id``), elements in the order of their first legs."""
    identity, others = _FROM_LEGS[name]
    key = identity if name == "employees" else "id"
    legs = _get_session_legs(history, frame, now).filter(pl.col(identity).is_not_null())
    elements = legs.group_by("call_session_id", identity, maintain_order=True).agg(**others)
    shape = (
        pl.col(identity)
        if ids_only
        else pl.struct(pl.col(identity).alias(key), *(pl.col(other) for other in others))
    )
    lists = elements.group_by("call_session_id").agg(shape.alias(name))
    return lists.rename({"call_session_id": "id"})


def _get_session_legs(history: History, frame: pl.DataFrame, now: int) -> pl.DataFrame:
    """All legs of the sessions in a frame; a leg starts on the day of its call."""
    if not len(frame):
        return history.empty_legs
    starts = frame["_start"]
    first, last = int(starts.min() or 0), int(starts.max() or 0)  # type: ignore[arg-type]
    legs = history.legs_between(first, (last // DAY_MS + 1) * DAY_MS - 1, now)
    return legs.join(frame.select("id"), left_on="call_session_id", right_on="id", how="semi")


def _render(exchange: Exchange, query: ReportQuery, found: pl.DataFrame, now: int) -> JsonChunks:
    shown = found.select(
        *(name for name in found.columns if name not in _FROM_LEGS),
    )
    for name in _FROM_LEGS.keys() & set(query.fields):
        lists = _list_from_legs(exchange.tenant.history, found, name, now)
        shown = shown.join(lists, on="id", how="left", maintain_order="left")
    return rows.render_rows(shown, [_make_column(exchange, shown, name) for name in query.fields])


def _make_column(exchange: Exchange, shown: pl.DataFrame, name: str) -> pl.Expr:
    if name in rows.RECORDS:
        return rows.record_list_expression().alias(name)
    if name == "full_record_file_link":
        address = f"{exchange.origin}/system/media/talk/{{}}/{{}}"
        return pl.format(address, "id", "_record_1").alias(name)
    if name in _FROM_LEGS:
        return pl.col(name).fill_null([])
    return (
        pl.col(name)
        if name in shown.columns
        else _make_empty_column(tables.load_session_fields().fields[name])
    )
