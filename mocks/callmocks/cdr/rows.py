"""From frames to the JSON of rows.

A day's legs with the default fields are rendered once and kept (with the drawn day, in the shared
cache); a page joins them. Other field sets and made-up frames are rendered as they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from callmocks.cdr import tables

if TYPE_CHECKING:
    from callmocks.history.history import History

LARGEST_DAY = 50_000
"""Rows of a day that is rendered as a whole; pages of a larger one are rendered by themselves."""
ROW_BYTES = 41
"""Memory of one kept row beside its text: the object and its place in the list."""

RECORDS = {"call_records", "wav_call_records"}

_KEPT = "cdr-json"

Pieces = tuple[bytes, ...]
"""JSON in pieces: an answer is put together once, a large page is not copied at every step."""


def leg_columns(fields: Sequence[str]) -> list[pl.Expr]:
    """The shown columns of a legs frame, records as lists of ids."""
    return [records().alias(name) if name in RECORDS else pl.col(name) for name in fields]


def records() -> pl.Expr:
    """The record ids of a row as a list: none, one or two."""
    return pl.concat_list("_record_1", "_record_2").list.drop_nulls()


def render(frame: pl.DataFrame, columns: Sequence[pl.Expr]) -> Pieces:
    """The rows as one JSON array; times come out as ``YYYY-MM-DD hh:mm:ss``."""
    return (frame.select(columns).write_json().encode() if len(frame) else b"[]",)


def array(rows: Sequence[bytes]) -> Pieces:
    """Rendered rows as one JSON array."""
    pieces = [b","] * max(2 * len(rows) - 1, 0)
    pieces[::2] = rows
    return b"[", *pieces, b"]"


def day_at_hand(history: History, day: int) -> list[bytes] | None:
    """The rendered legs of a drawn day, if they are kept."""
    return history.drawn.look(_KEPT, day)


def rendered_day(history: History, day: int) -> list[bytes] | None:
    """The legs of a drawn day as JSON objects, in its order; None when it is too large to keep."""
    frame = history.drawn.legs(day).frame
    if len(frame) > LARGEST_DAY:
        return None
    return history.drawn.kept(_KEPT, day, lambda: _render_day(frame), _size)


def _render_day(frame: pl.DataFrame) -> list[bytes]:
    columns = leg_columns(tables.legs().default)
    return frame.select(columns).write_ndjson().encode().splitlines()


def _size(rows: list[bytes]) -> int:
    return sum(map(len, rows)) + ROW_BYTES * len(rows)
