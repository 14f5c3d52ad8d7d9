"""From frames to the JSON of rows.

Legs with the default fields are rendered once, in bunches of a drawn day's rows, and kept (with the
drawn day, in the shared cache); a page joins them. Other field sets and made-up frames are rendered
as they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from callmocks.cdr import tables

if TYPE_CHECKING:
    from callmocks.history.history import History

BUNCH = 1024
"""Rows that are rendered together: nearly all days of the default world, a part of larger ones."""
ROW_BYTES = 41
"""Memory of one kept row beside its text: the object and its place in the list."""

RECORDS = {"call_records", "wav_call_records"}

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


def bunch_at_hand(history: History, day: int, number: int) -> list[bytes] | None:
    """A bunch of a drawn day's rendered legs, if it is kept."""
    return history.drawn.look(f"cdr-json {number}", day)


def bunches(
    history: History, wanted: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], list[bytes]]:
    """Rendered legs by day and number: those of a drawn day from place ``number * BUNCH`` on.

    What is not at hand is rendered together, for each time costs a little besides its rows.
    """
    found = {key: bunch_at_hand(history, *key) for key in dict.fromkeys(wanted)}
    missing = [key for key, ready in found.items() if ready is None]
    if missing:
        legs = history.drawn.legs
        frames = [legs(day).frame.slice(number * BUNCH, BUNCH) for day, number in missing]
        columns = leg_columns(tables.legs().default)
        text = pl.concat(frames, rechunk=False).select(columns).write_ndjson()
        lines, end = text.encode().splitlines(), 0
        for (day, number), frame in zip(missing, frames, strict=True):
            begin, end = end, end + len(frame)
            made = lines[begin:end]
            found[day, number] = _keep(history, day, number, made)
    return {key: ready for key, ready in found.items() if ready is not None}


def at_places(history: History, day: int, places: Sequence[int]) -> list[bytes]:
    """The rendered legs at some places of a drawn day."""
    made = bunches(history, [(day, at // BUNCH) for at in places])
    return [made[day, at // BUNCH][at % BUNCH] for at in places]


def _keep(history: History, day: int, number: int, rows: list[bytes]) -> list[bytes]:
    return history.drawn.kept(f"cdr-json {number}", day, lambda: rows, _size)


def _size(rows: list[bytes]) -> int:
    return sum(map(len, rows)) + ROW_BYTES * len(rows)
