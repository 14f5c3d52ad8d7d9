"""From frames to the JSON of rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from callmocks.cdr import tables
from callmocks.cdr.selection import RowPositions

if TYPE_CHECKING:
    from callmocks.cdr.window_cache import WindowDays
    from callmocks.history.history import History

# Rows that are rendered together: nearly all days of the default world, a part of larger ones.
BATCH_ROWS = 1024
# Memory of one kept row beside its text: the object and its entry in the list.
ROW_OVERHEAD_BYTES = 41
# Batches that one query may render ahead for the days its page comes from.
MAX_WARMED_BATCHES = 5
# Rows of the largest window whose days are worth rendering ahead.
MAX_WARMED_ROWS = 100_000
RECORDS = {"call_records", "wav_call_records"}
HALF_ID = 16  # characters
OWN_WAV_IDS = "own-ids"  # the choice of `cdr.wav-records` by which days are rendered

# A generated day, and a number: its legs from position `number * BATCH_ROWS` on.
RowBatch = tuple[int, int]
Batches = dict[RowBatch, list[bytes]]
# JSON in chunks: an answer is joined once, a large page is not copied at every step.
JsonChunks = tuple[bytes, ...]


class MethodData(msgspec.Struct, frozen=True):
    """The ``data`` of a method's result; ``total`` counts all rows that match."""

    body: JsonChunks
    total: int | None = None
    row_count: int | None = None
    points: int = 1


def leg_column_expressions(fields: Sequence[str], wav_choice: str = OWN_WAV_IDS) -> list[pl.Expr]:
    return [list_records(name, wav_choice) if name in RECORDS else pl.col(name) for name in fields]


def list_records(field: str, wav_choice: str) -> pl.Expr:
    """The record ids of a row: none, one or two."""
    columns = [pl.col("_record_1"), pl.col("_record_2")]
    if field == "wav_call_records":
        if wav_choice != OWN_WAV_IDS:
            return pl.lit([], dtype=pl.List(pl.String)).alias(field)
        columns = [column.str.slice(HALF_ID) + column.str.slice(0, HALF_ID) for column in columns]
    return pl.concat_list(columns).list.drop_nulls().alias(field)


def swap_id_halves(record: str) -> str:
    """The id of a record as WAV from that of the record, and back."""
    return record[HALF_ID:] + record[:HALF_ID]


def render_rows(frame: pl.DataFrame, columns: Sequence[pl.Expr]) -> JsonChunks:
    """The rows as one JSON array; times come out as ``YYYY-MM-DD hh:mm:ss``."""
    if not len(frame):
        return (b"[]",)
    shown = frame.select(columns)
    if len(shown) < len(frame):  # a selection of literals alone is one row
        names = [column.meta.output_name() for column in columns]
        shown = frame.with_columns(columns).select(names)
    return (shown.write_json().encode(),)


def _join_array(rows: Sequence[bytes]) -> JsonChunks:
    chunks = [b","] * max(2 * len(rows) - 1, 0)
    chunks[::2] = rows
    return b"[", *chunks, b"]"


def render_range(history: History, window: WindowDays, positions: range) -> JsonChunks:
    parts: list[tuple[RowBatch, int, int]] = []
    start = positions.start
    while start < positions.stop:
        index = int(window.ends.searchsorted(start, side="right"))
        begin, end = int(window.begins[index]), int(window.ends[index])
        number, first = divmod(start - begin, BATCH_ROWS)
        stop = min(positions.stop, end, start - first + BATCH_ROWS)
        parts.append(((window.days[index], number), first, first + stop - start))
        start = stop
    batches = _get_batches(history, [batch for batch, _, _ in parts])
    rows: list[bytes] = []
    for batch, first, last in parts:
        rows += batches[batch][first:last]
    return _join_array(rows)


def render_cached(history: History, window: WindowDays, found: RowPositions) -> JsonChunks | None:
    """None when too many rows would have to be rendered first; a few are rendered ahead."""
    indexes = window.ends.searchsorted(found, side="right")
    numbers, inside = np.divmod(found - window.begins[indexes], BATCH_ROWS)
    days = [window.days[index] for index in indexes.tolist()]
    keys = list(zip(days, numbers.tolist(), strict=True))
    batches, missing = _get_cached(history, set(keys))
    if missing:
        if window.row_count > MAX_WARMED_ROWS:
            return None
        batches |= _render_batches(history, missing[:MAX_WARMED_BATCHES])
        if len(missing) > MAX_WARMED_BATCHES:
            return None
    rows = zip(keys, inside.tolist(), strict=True)
    return _join_array([batches[batch][row] for batch, row in rows])


def render_day_rows(history: History, day: int, positions: Sequence[int]) -> JsonChunks:
    places = [divmod(position, BATCH_ROWS) for position in positions]
    batches = _get_batches(history, {(day, number) for number, _ in places})
    return _join_array([batches[day, number][row] for number, row in places])


# Legs with the default fields are rendered once and kept; a page joins them.
def _get_batches(history: History, keys: Collection[RowBatch]) -> Batches:
    batches, missing = _get_cached(history, keys)
    return batches | _render_batches(history, missing) if missing else batches


def _get_cached(history: History, keys: Collection[RowBatch]) -> tuple[Batches, list[RowBatch]]:
    """Those that are kept, and the keys of those that are not."""
    batches: Batches = {}
    missing = []
    for day, number in keys:
        kept = history.generated.peek(("cdr-json", number), day)
        if kept is None:
            missing.append((day, number))
        else:
            batches[day, number] = kept
    return batches, missing


def _render_batches(history: History, keys: Sequence[RowBatch]) -> Batches:
    """Together, for each rendering costs a little besides its rows."""
    view, size = history.generated.get_view, BATCH_ROWS
    frames = [view("legs", day).frame.slice(number * size, size) for day, number in keys]
    columns = leg_column_expressions(tables.load_fields("get.call_legs_report").default)
    frame = pl.concat(frames, rechunk=False).select(columns)
    lines, end = frame.write_ndjson().encode().splitlines(), 0
    batches = {}
    for (day, number), part in zip(keys, frames, strict=True):
        begin, end = end, end + len(part)
        batches[day, number] = _cache_batch(history, day, number, lines[begin:end])
    return batches


def _cache_batch(history: History, day: int, number: int, rows: list[bytes]) -> list[bytes]:
    size = sum(map(len, rows)) + ROW_OVERHEAD_BYTES * len(rows)
    return history.generated.get_or_create(("cdr-json", number), day, lambda: rows, lambda _: size)
