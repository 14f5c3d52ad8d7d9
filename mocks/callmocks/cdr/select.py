"""Filter, order and page of a frame: which rows, in which order, and how many there were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from callmocks.cdr.query import Query
    from callmocks.tenancy.exchange import Exchange

_PLACE = "_place"


def page(exchange: Exchange, query: Query, frame: pl.DataFrame) -> tuple[int, pl.DataFrame]:
    """All matches counted, and the rows of the page.

    ``frame`` is in ascending order of its rows' start and id, which decides between equal keys.
    Only the columns that the filter and the sort read are touched for all rows.
    """
    descending = not query.sort and exchange.assume("cdr.default-order") == "descending"
    expression = query.filter.expression
    if expression is None and not query.sort and not descending:
        return len(frame), frame.slice(query.offset, query.limit)
    needed = query.filter.fields.union(name for name, _ in query.sort)
    narrow = (
        frame.select(sorted(needed)).with_columns(
            pl.int_range(len(frame), dtype=pl.UInt32).alias(_PLACE)
        )
        if needed
        else pl.DataFrame({_PLACE: pl.int_range(len(frame), dtype=pl.UInt32, eager=True)})
    )
    if expression is not None:
        narrow = narrow.filter(expression)
    if query.sort:
        narrow = _sorted(exchange, query, narrow)
    elif descending:
        narrow = narrow.reverse()
    return len(narrow), frame[narrow[_PLACE].slice(query.offset, query.limit)]


def _sorted(exchange: Exchange, query: Query, frame: pl.DataFrame) -> pl.DataFrame:
    """Stable, so that equal keys keep the frame's order; nulls as PostgreSQL puts them."""
    names = [name for name, _ in query.sort]
    directions = [descends for _, descends in query.sort]
    nulls = exchange.assume("cdr.sort-nulls")
    last = [not descends if nulls == "postgresql" else nulls == "last" for descends in directions]
    return frame.sort(names, descending=directions, nulls_last=last, maintain_order=True)
