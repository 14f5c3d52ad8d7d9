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
    """
    found = matches(exchange, query, frame)
    if found is None:
        return len(frame), frame.slice(query.offset, query.limit)
    return len(found), frame[found.slice(query.offset, query.limit)]


def matches(exchange: Exchange, query: Query, frame: pl.DataFrame) -> pl.Series | None:
    """Where in the frame all matches are, in the wanted order; None: all of it, as it is.

    Only the columns that the filter and the sort read are touched.
    """
    descending = not query.sort and exchange.assume("cdr.default-order") == "descending"
    expression = query.filter.expression
    if expression is None and not query.sort and not descending:
        return None
    if expression is None:
        found = pl.int_range(len(frame), dtype=pl.UInt32, eager=True)
    else:
        found = frame.select(expression).to_series().arg_true()
    if query.sort:
        return _sorted(exchange, query, frame, found)
    return found.reverse() if descending else found


def _sorted(exchange: Exchange, query: Query, frame: pl.DataFrame, found: pl.Series) -> pl.Series:
    """Stable, so that equal keys keep the frame's order; nulls as PostgreSQL puts them."""
    names = [name for name, _ in query.sort]
    directions = [descends for _, descends in query.sort]
    nulls = exchange.assume("cdr.sort-nulls")
    last = [not descends if nulls == "postgresql" else nulls == "last" for descends in directions]
    every = len(found) == len(frame)
    keys = [frame.get_column(name) for name in names]
    narrow = pl.DataFrame(
        [*(key if every else key.gather(found) for key in keys), found.alias(_PLACE)]
    )
    ordered = narrow.sort(names, descending=directions, nulls_last=last, maintain_order=True)
    return ordered.get_column(_PLACE)
