"""From frames to the JSON of rows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

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
# Rows for which a query of Polars costs more than its work.
FEW_ROWS = 100
# Memory of one kept row beside its text: a number and its entry in the list.
EDGE_BYTES = 40
# Batches that one query may render ahead for the days its page comes from.
MAX_WARMED_BATCHES = 5
# Rows of the largest window whose days are worth rendering ahead.
MAX_WARMED_ROWS = 100_000
RECORDS = {"call_records", "wav_call_records"}
HALF_ID = 16  # characters
OWN_WAV_IDS = "own-ids"  # the choice of `cdr.wav-records` by which days are rendered

# A generated day, and a number: its legs from position `number * BATCH_ROWS` on.
BatchKey = tuple[int, int]
# JSON in chunks: an answer is joined once, a large page is not copied at every step.
JsonChunks = tuple[bytes | memoryview, ...]


class RowBatch(NamedTuple):
    """Row ``i`` is ``text[edges[i] : edges[i + 1]]``, its JSON with a comma behind."""

    text: bytes
    edges: list[int]


Batches = dict[BatchKey, RowBatch]


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


def render_few_rows(frame: pl.DataFrame, fields: Sequence[str], wav_choice: str) -> JsonChunks:
    """As ``render_rows`` with ``leg_column_expressions``, without a query."""
    lists = [_list_few_records(frame, name, wav_choice) for name in fields if name in RECORDS]
    return (frame.hstack(lists)[list(fields)].write_json().encode(),)


def _list_few_records(frame: pl.DataFrame, field: str, wav_choice: str) -> pl.Series:
    columns = (frame.get_column(name).to_list() for name in ("_record_1", "_record_2"))
    ids = [[id for id in pair if id is not None] for pair in zip(*columns, strict=True)]
    if field == "wav_call_records":
        listed = wav_choice == OWN_WAV_IDS
        ids = [[*map(swap_id_halves, each)] if listed else [] for each in ids]
    return pl.Series(field, ids, pl.List(pl.String))


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


def _make_array(parts: Sequence[bytes | memoryview]) -> JsonChunks:
    """Of rows with a comma behind each."""
    return (b"[", *parts[:-1], parts[-1][:-1], b"]") if parts else (b"[]",)


def render_range(history: History, window: WindowDays, positions: range) -> JsonChunks:
    parts: list[tuple[BatchKey, int, int]] = []
    start = positions.start
    while start < positions.stop:
        index = bisect_right(window.ends, start)
        begin, end = int(window.begins[index]), int(window.ends[index])
        number, first = divmod(start - begin, BATCH_ROWS)
        stop = min(positions.stop, end, start - first + BATCH_ROWS)
        parts.append(((window.days[index], number), first, first + stop - start))
        start = stop
    batches = _get_batches(history, [key for key, _, _ in parts])
    pages = []
    for key, first, last in parts:
        text, edges = batches[key]
        pages.append(memoryview(text)[edges[first] : edges[last]])
    return _make_array(pages)


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
    rows = []
    for key, index in zip(keys, inside.tolist(), strict=True):
        text, edges = batches[key]
        rows.append(text[edges[index] : edges[index + 1]])
    return _make_array(rows)


def render_day_rows(history: History, day: int, positions: Sequence[int]) -> JsonChunks:
    shown = []
    for position in positions:
        number, index = divmod(position, BATCH_ROWS)
        batches = _get_batches(history, [(day, number)])
        text, edges = batches[day, number]
        shown.append(text[edges[index] : edges[index + 1]])
    return _make_array(shown)


# Legs with the default fields are rendered once and kept; a page is cut out of them.
def _get_batches(history: History, keys: Collection[BatchKey]) -> Batches:
    batches, missing = _get_cached(history, keys)
    return batches | _render_batches(history, missing) if missing else batches


def _get_cached(history: History, keys: Collection[BatchKey]) -> tuple[Batches, list[BatchKey]]:
    """Those that are kept, and the keys of those that are not."""
    batches: Batches = {}
    missing = []
    for key in keys:
        day, number = key
        kept = history.generated.peek(("cdr-json", number), day)
        if kept is None:
            missing.append(key)
        else:
            batches[key] = kept
    return batches, missing


def _render_batches(history: History, keys: Sequence[BatchKey]) -> Batches:
    """Together, for each rendering costs a little besides its rows."""
    view, size = history.generated.get_view, BATCH_ROWS
    frames = [view("legs", day).frame.slice(number * size, size) for day, number in keys]
    columns = leg_column_expressions(tables.load_fields("get.call_legs_report").default)
    frame = pl.concat(frames, rechunk=False).select(columns)
    lines, end = frame.write_ndjson().encode().splitlines(), 0
    batches = {}
    for key, part in zip(keys, frames, strict=True):
        begin, end = end, end + len(part)
        batches[key] = _cache_batch(history, key, lines[begin:end])
    return batches


def _cache_batch(history: History, key: BatchKey, rows: list[bytes]) -> RowBatch:
    edges = [*accumulate((len(row) + 1 for row in rows), initial=0)]
    batch, (day, number) = RowBatch(b",".join((*rows, b"")), edges), key
    size = len(batch.text) + EDGE_BYTES * len(edges)
    return history.generated.get_or_create(("cdr-json", number), day, lambda: batch, lambda _: size)
