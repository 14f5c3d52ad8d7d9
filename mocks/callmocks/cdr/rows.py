"""From frames to the JSON of rows.

A day's rows with the default fields are rendered once and kept (with the drawn day, in the shared
cache); a page joins them. Other field sets and made-up frames are rendered as they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import polars as pl

if TYPE_CHECKING:
    from callmocks.history.history import History

LARGEST_DAY = 50_000
"""Rows of a day that is rendered as a whole; pages of a larger one are rendered by themselves."""
ROW_BYTES = 90
"""Memory of one kept row beside its text."""

RECORDS = {"call_records", "wav_call_records"}


class Rendered(msgspec.Struct, frozen=True):
    """A day's rows as JSON objects: in the day's order, and by leg id."""

    rows: list[bytes]
    by_id: dict[int, bytes]

    @property
    def nbytes(self) -> int:
        """Memory of the rows."""
        return sum(map(len, self.rows)) + ROW_BYTES * len(self.rows)


def leg_columns(fields: Sequence[str]) -> list[pl.Expr]:
    """The shown columns of a legs frame, records as lists of ids."""
    return [records().alias(name) if name in RECORDS else pl.col(name) for name in fields]


def records() -> pl.Expr:
    """The record ids of a row as a list: none, one or two."""
    return pl.concat_list("_record_1", "_record_2").list.drop_nulls()


def render(frame: pl.DataFrame, columns: Sequence[pl.Expr]) -> bytes:
    """The rows as one JSON array; times come out as ``YYYY-MM-DD hh:mm:ss``."""
    return frame.select(columns).write_json().encode() if len(frame) else b"[]"


def array(rows: Sequence[bytes]) -> bytes:
    """Rendered rows as one JSON array."""
    return b"[" + b",".join(rows) + b"]"


def rendered_day(history: History, day: int, fields: tuple[str, ...]) -> Rendered | None:
    """The rendered legs of a drawn day, None when it is too large to be kept."""
    frame = history.drawn.legs(day).frame
    if len(frame) > LARGEST_DAY:
        return None
    return history.drawn.kept(
        "cdr-json", day, lambda: _render_day(frame, fields), lambda made: made.nbytes
    )


def _render_day(frame: pl.DataFrame, fields: tuple[str, ...]) -> Rendered:
    lines = frame.select(leg_columns(fields)).write_ndjson().encode().splitlines()
    return Rendered(lines, dict(zip(frame["id"].to_list(), lines, strict=True)))
