"""From frames to the JSON of rows.

Legs with the default fields are rendered once, in bunches of a drawn day's rows, and kept (with the
drawn day, in the shared cache); a page joins them. Other field sets and made-up frames are rendered
as they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import polars as pl

from callmocks.cdr import tables

if TYPE_CHECKING:
    from callmocks.history.history import History

BATCH_ROWS = 1024
"""Rows that are rendered together: nearly all days of the default world, a part of larger ones."""
ROW_BYTES = 41
"""Memory of one kept row beside its text: the object and its place in the list."""

RECORDS = {"call_records", "wav_call_records"}

RowBatch = tuple[int, int]
"""A drawn day, and a number: its legs from place ``number * BUNCH`` on."""
JsonChunks = tuple[bytes, ...]
"""JSON in pieces: an answer is put together once, a large page is not copied at every step."""


def leg_column_expressions(fields: Sequence[str]) -> list[pl.Expr]:
    """The shown columns of a legs frame, records as lists of ids."""
    return [
        record_list_expression().alias(name) if name in RECORDS else pl.col(name) for name in fields
    ]


def record_list_expression() -> pl.Expr:
    """The record ids of a row as a list: none, one or two."""
    return pl.concat_list("_record_1", "_record_2").list.drop_nulls()


def render_rows(frame: pl.DataFrame, columns: Sequence[pl.Expr]) -> JsonChunks:
    """The rows as one JSON array; times come out as ``YYYY-MM-DD hh:mm:ss``."""
    return (frame.select(columns).write_json().encode() if len(frame) else b"[]",)


def join_array(rows: Sequence[bytes]) -> JsonChunks:
    """Rendered rows as one JSON array."""
    pieces = [b","] * max(2 * len(rows) - 1, 0)
    pieces[::2] = rows
    return b"[", *pieces, b"]"


def get_batches(history: History, wanted: Iterable[RowBatch]) -> dict[RowBatch, list[bytes]]:
    """Rendered bunches, made where they are not at hand."""
    ready, cold = get_cached(history, wanted)
    return ready | render_batches(history, cold) if cold else ready


def get_cached(
    history: History, wanted: Iterable[RowBatch]
) -> tuple[dict[RowBatch, list[bytes]], list[RowBatch]]:
    """Rendered bunches that are kept, and those that are not."""
    ready: dict[RowBatch, list[bytes]] = {}
    cold = []
    for day, number in wanted:
        kept = history.generated.peek(("cdr-json", number), day)
        if kept is None:
            cold.append((day, number))
        else:
            ready[day, number] = kept
    return ready, cold


def render_batches(history: History, wanted: Sequence[RowBatch]) -> dict[RowBatch, list[bytes]]:
    """Rendered bunches, made and kept: together, for each time costs a little besides its rows."""
    frames = [
        history.generated.legs_view(day).frame.slice(number * BATCH_ROWS, BATCH_ROWS)
        for day, number in wanted
    ]
    whole = pl.concat(frames, rechunk=False).select(
        leg_column_expressions(tables.load_leg_fields().default)
    )
    lines, end = whole.write_ndjson().encode().splitlines(), 0
    made = {}
    for key, frame in zip(wanted, frames, strict=True):
        begin, end = end, end + len(frame)
        made[key] = _cache_batch(history, *key, lines[begin:end])
    return made


def get_rows_at(history: History, day: int, places: Sequence[int]) -> list[bytes]:
    """The rendered legs at some places of a drawn day."""
    made = get_batches(history, {(day, at // BATCH_ROWS) for at in places})
    return [made[day, at // BATCH_ROWS][at % BATCH_ROWS] for at in places]


def _cache_batch(history: History, day: int, number: int, rows: list[bytes]) -> list[bytes]:
    return history.generated.get_or_create(("cdr-json", number), day, lambda: rows, _count_bytes)


def _count_bytes(rows: list[bytes]) -> int:
    return sum(map(len, rows)) + ROW_BYTES * len(rows)
