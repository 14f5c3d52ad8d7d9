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

BUNCH = 1024
"""Rows that are rendered together: nearly all days of the default world, a part of larger ones."""
ROW_BYTES = 41
"""Memory of one kept row beside its text: the object and its place in the list."""

RECORDS = {"call_records", "wav_call_records"}

Bunch = tuple[int, int]
"""A drawn day, and a number: its legs from place ``number * BUNCH`` on."""
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


def of(history: History, wanted: Iterable[Bunch]) -> dict[Bunch, list[bytes]]:
    """Rendered bunches, made where they are not at hand."""
    ready, cold = at_hand(history, wanted)
    return ready | make(history, cold) if cold else ready


def at_hand(
    history: History, wanted: Iterable[Bunch]
) -> tuple[dict[Bunch, list[bytes]], list[Bunch]]:
    """Rendered bunches that are kept, and those that are not."""
    ready: dict[Bunch, list[bytes]] = {}
    cold = []
    for day, number in wanted:
        kept = history.drawn.look(("cdr-json", number), day)
        if kept is None:
            cold.append((day, number))
        else:
            ready[day, number] = kept
    return ready, cold


def make(history: History, wanted: Sequence[Bunch]) -> dict[Bunch, list[bytes]]:
    """Rendered bunches, made and kept: together, for each time costs a little besides its rows."""
    frames = [history.drawn.legs(day).frame.slice(number * BUNCH, BUNCH) for day, number in wanted]
    whole = pl.concat(frames, rechunk=False).select(leg_columns(tables.legs().default))
    lines, end = whole.write_ndjson().encode().splitlines(), 0
    made = {}
    for key, frame in zip(wanted, frames, strict=True):
        begin, end = end, end + len(frame)
        made[key] = _keep(history, *key, lines[begin:end])
    return made


def at_places(history: History, day: int, places: Sequence[int]) -> list[bytes]:
    """The rendered legs at some places of a drawn day."""
    made = of(history, {(day, at // BUNCH) for at in places})
    return [made[day, at // BUNCH][at % BUNCH] for at in places]


def _keep(history: History, day: int, number: int, rows: list[bytes]) -> list[bytes]:
    return history.drawn.kept(("cdr-json", number), day, lambda: rows, _size)


def _size(rows: list[bytes]) -> int:
    return sum(map(len, rows)) + ROW_BYTES * len(rows)
