"""Filter, order and page of a frame: which rows, in which order, and how many present were."""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.cdr.query import ReportQuery

RowPositions = NDArray[np.uint32]
Integers = NDArray[np.int64]

_POSITION = "_position"
_BITS = 63
_MAX_DIGITS = 15
_POWERS = np.array([10**digits for digits in range(_MAX_DIGITS + 1)])


def select_page(query: ReportQuery, frame: pl.DataFrame) -> tuple[int, pl.DataFrame]:
    """``frame`` ascends by its rows' start and id, which decides between equal keys."""
    found = find_matches(query, frame)
    if found is None:
        return len(frame), frame.slice(query.offset, query.limit)
    return len(found), frame[found[query.offset : query.offset + query.limit]]


def find_matches(query: ReportQuery, frame: pl.DataFrame) -> RowPositions | None:
    """The positions of all matches in order; None: all rows as they are."""
    descending = is_latest_first(query)
    expression = query.filter.expression
    if expression is None and not query.sort and not descending:
        return None
    if expression is None:
        found = np.arange(len(frame), dtype=np.uint32)
    else:
        fits = frame.select(expression).to_series()
        fits = fits.fill_null(False) if fits.null_count() else fits
        found = np.flatnonzero(fits.to_numpy()).astype(np.uint32)
    found = found[::-1] if descending else found
    return _sort_matches(query, frame, found, descending) if query.sort else found


def is_latest_first(query: ReportQuery) -> bool:
    """A sort by the id leaves no rows equal: its answer does not rest on the assumption."""
    if any(name == "id" for name, _ in query.sort):
        return False
    return query.exchange.use_assumption("cdr.default-order") == "descending"


def _sort_matches(
    query: ReportQuery, frame: pl.DataFrame, found: RowPositions, descending: bool
) -> RowPositions:
    """Stable, so that equal keys keep the order found; nulls as PostgreSQL puts them."""
    names = [name for name, _ in query.sort]
    directions = [descends for _, descends in query.sort]
    nulls = query.exchange.use_assumption("cdr.sort-nulls")
    last = [not descends if nulls == "postgresql" else nulls == "last" for descends in directions]
    keys = [_make_sort_column(frame.get_column(name), found) for name in names]
    orders = list(zip(keys, directions, last, strict=True))
    packed = _sort_packed(orders, found, len(frame), descending)
    if packed is not None:
        return packed
    narrow = pl.DataFrame([*(key.to_series(name) for key, name in zip(keys, names, strict=True))])
    narrow = narrow.with_columns(pl.Series(_POSITION, found))
    ordered = narrow.sort(names, descending=directions, nulls_last=last, maintain_order=True)
    return ordered.get_column(_POSITION).to_numpy()


class _SortColumn(NamedTuple):
    """A sort key of the matches: integers in its order, or the texts themselves."""

    numbers: Integers | None
    nulls: NDArray[np.bool_] | None  # where it is, its numbers mean nothing
    texts: pl.Series | None = None

    def to_series(self, name: str) -> pl.Series:
        if self.texts is not None:
            return self.texts.alias(name)
        column = pl.Series(name, self.numbers)
        if self.nulls is None:
            return column
        return column.zip_with(pl.Series(~self.nulls), pl.Series([None], dtype=pl.Int64))


def _make_sort_column(column: pl.Series, found: RowPositions) -> _SortColumn:
    """Enumerations are stored in the order of their texts."""
    if column.dtype == pl.String:
        texts = column.rechunk().gather(found)
        nulls = texts.is_null().to_numpy() if texts.null_count() else None
        numbers = _parse_digits(texts, nulls)
        return _SortColumn(numbers, nulls, texts if numbers is None else None)
    nulls = column.is_null().to_numpy()[found] if column.null_count() else None
    if column.dtype != pl.Int64:
        column = column.to_physical().cast(pl.Int64)
    filled = column if nulls is None else column.fill_null(0)
    return _SortColumn(filled.to_numpy()[found], nulls)


def _sort_packed(
    orders: list[tuple[_SortColumn, bool, bool]], found: RowPositions, size: int, descending: bool
) -> RowPositions | None:
    """Keys and position packed into one number a row; None when they need more bits."""
    position_bits = size.bit_length()
    packed, used = np.zeros(len(found), np.int64), position_bits
    for key, descends, nulls_last in orders:
        if key.numbers is None:
            return None
        codes, greatest = _encode_order(key.numbers, key.nulls, descends, nulls_last)
        used += greatest.bit_length()
        if used > _BITS:
            return None
        packed = (packed << greatest.bit_length()) | codes
    mask = (1 << position_bits) - 1
    packed = (packed << position_bits) | (found ^ np.uint32(mask) if descending else found)
    packed.sort()
    ordered: RowPositions = (packed & mask).astype(np.uint32)
    return ordered ^ np.uint32(mask) if descending else ordered


def _encode_order(
    numbers: Integers, nulls: NDArray[np.bool_] | None, descends: bool, nulls_last: bool
) -> tuple[Integers, int]:
    """Numbers from 0 up that ascend in the wanted order, and the greatest of them."""
    present = numbers if nulls is None else numbers[~nulls]
    if not len(present):
        return np.zeros(len(numbers), np.int64), 0
    smallest, greatest = int(present.min()), int(present.max())
    codes = greatest - numbers if descends else numbers - smallest
    if nulls is None:
        return codes, greatest - smallest
    null_code = greatest - smallest + 1 if nulls_last else 0
    return np.where(nulls, null_code, codes + (not nulls_last)), greatest - smallest + 1


def _parse_digits(texts: pl.Series, nulls: NDArray[np.bool_] | None) -> Integers | None:
    """Numbers in the order of the texts, if all are digits: aligned left, shorter ones first."""
    lengths = texts.str.len_bytes().fill_null(0).to_numpy().astype(np.int64)
    numbers = texts.str.to_integer(strict=False).fill_null(-1).to_numpy()
    plain = numbers >= 0 if nulls is None else (numbers >= 0) | nulls
    if not plain.all() or lengths.max(initial=0) > _MAX_DIGITS or texts.str.starts_with("+").any():
        return None
    aligned: Integers = numbers * _POWERS[_MAX_DIGITS - lengths] * 16 + lengths
    return aligned
