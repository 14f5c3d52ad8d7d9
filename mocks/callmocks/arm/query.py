"""What a client asks for: the attributes of ``filters``, and the tag among them.

The names are the XSD's. What they mean is assumed, by analogy with the vendor's console command
(contract, "Paging and filters").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import reduce
from operator import and_, or_
from typing import NamedTuple

import polars as pl

from callmocks.arm import tag
from callmocks.arm.rows import TIME
from callmocks.errors import CallmocksError
from callmocks.history.walltime import to_ms

Assume = Callable[[str], str]
"""Says what holds for an assumption of the ledger, and notes that it was asked for."""

PLACE = "/in/request/filters"
MOST_FILTER_BYTES = 2048
"""All values together: the tag carries them, and a tag has at most 4 KiB."""

_DATE = re.compile(r"\d{4}/\d{2}/\d{2}( \d{2}:\d{2}:\d{2})?", re.ASCII)
_DIGITS = 12
"""A longer number is out of every range; Python would still parse it slowly."""

_COLUMNS = {
    "number": ("_a_number", "_b_number"),
    "from_number": ("_a_number",),
    "to_number": ("_b_number",),
    "cc_agent_group": ("_a_group", "_b_group"),
    "cc_agent_a_group": ("_a_group",),
    "cc_agent_b_group": ("_b_group",),
    "cc_agent_id": ("_a_agent", "_b_agent"),
    "cc_agent_a_id": ("_a_agent",),
    "cc_agent_b_id": ("_b_agent",),
    "direction": ("direction",),
    "display_name": ("_a_name", "_b_name"),
    "display_name_a": ("_a_name",),
    "display_name_b": ("_b_name",),
}
FROZEN = ("from_date", "to_date", *_COLUMNS)
"""Filters that a tag carries on, besides ``skip_incomplete``."""


class FilterError(CallmocksError):
    """An attribute whose value the schema allows and the service does not."""

    def __init__(self, attribute: str, expected: str, got: str) -> None:
        self.where, self.expected, self.got = f"{PLACE}/@{attribute}", expected, got
        super().__init__(f"{self.where}: expected {expected}, got {got}")


class Query(NamedTuple):
    """A page to make. Times are wall milliseconds.

    ``from_ms``: starts then or later. ``before_ms``: released (or started) before then. ``match``:
    a condition on the columns of the ARM view, which follows from ``filters`` (what the next tag
    freezes) and ``exact_names``. ``cursor``: the tag the page goes on from.
    """

    offset: int
    limit: int
    skip_incomplete: bool
    from_ms: int | None
    before_ms: int | None
    before_column: str
    match: pl.Expr | None
    cursor: tag.Tag | None
    filters: tuple[tuple[str, str], ...]
    exact_names: bool

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for queries that ask for the same."""
        return (*self[:6], *self[7:])


def read(attributes: Mapping[str, str], assume: Assume) -> Query:
    """The query that valid ``filters`` stand for; ``FilterError`` names the attribute at fault."""
    limit_most = int(assume("arm.limit-most"))
    limit = _number(attributes, "limit", 1, limit_most)
    offset = _number(attributes, "offset", 0, None)
    cursor = _cursor(attributes.get("tag", ""))
    given = _given(attributes, assume)
    skip_incomplete = attributes.get("skip_incomplete", "true").strip() in ("true", "1")
    if cursor is not None:
        skip_incomplete = cursor.skip_incomplete
        if assume("arm.tag-filters") == "tag":
            given |= dict(cursor.filters)
        else:
            given = dict(cursor.filters) | given
    filters = tuple((name, given[name]) for name in FROZEN if name in given)
    _check_size(filters)
    named = any(name.startswith("display_name") for name, _ in filters)
    exact_names = named and assume("arm.display-name") == "equal"
    column = "_release"
    if "to_date" in given:
        column = {"release": "_release", "start": "_start"}[assume("arm.to-date")]
    return Query(
        offset,
        limit,
        skip_incomplete,
        _moment(given, "from_date", assume, after=False),
        _moment(given, "to_date", assume, after=True),
        column,
        _condition(filters, exact_names, assume),
        cursor,
        filters,
        exact_names,
    )


def _given(attributes: Mapping[str, str], assume: Assume) -> dict[str, str]:
    given = {name: attributes[name] for name in FROZEN if name in attributes}
    if "" in given.values() and assume("arm.empty-filter") == "absent":
        given = {name: value for name, value in given.items() if value}
    return given


def _number(attributes: Mapping[str, str], name: str, least: int, most: int | None) -> int:
    """An xs:integer within bounds; absent is 0, which only ``offset`` may be."""
    text = attributes.get(name, "0").strip()
    value = int(text) if len(text) <= _DIGITS else None
    if value is None or value < least or (most is not None and value > most):
        wanted = f"{least} or more" if most is None else f"{least} to {most}"
        raise FilterError(name, f"a number, {wanted}", text[: 2 * _DIGITS])
    return value


def _cursor(text: str) -> tag.Tag | None:
    if not text:
        return None
    try:
        cursor = tag.decode(text)
        unknown = [name for name, _ in cursor.filters if name not in FROZEN]
        if unknown:
            raise tag.TagError(f"filter {unknown[0]!r} is not understood")
    except tag.TagError as error:
        raise FilterError("tag", "a tag of an earlier answer", str(error)) from None
    return cursor


def _check_size(filters: tuple[tuple[str, str], ...]) -> None:
    sizes = {name: len(value.encode("utf-8")) for name, value in filters}
    if sum(sizes.values()) > MOST_FILTER_BYTES:
        longest = max(sizes, key=lambda name: sizes[name])
        wanted = f"filters of {MOST_FILTER_BYTES} bytes at most together"
        raise FilterError(longest, wanted, f"{sizes[longest]} bytes here")


def _moment(given: Mapping[str, str], name: str, assume: Assume, *, after: bool) -> int | None:
    """The wall time of a date; ``after``: the end of the second or of the day it names."""
    text = given.get(name)
    if text is None:
        return None
    match = _DATE.fullmatch(text)
    whole_day = match is not None and match[1] is None
    if match is None or (whole_day and assume("arm.date-without-time") != "day"):
        raise FilterError(name, "YYYY/MM/DD HH:MM:SS", repr(text[:40]))
    try:
        moment = datetime.strptime(text, TIME[:8] if whole_day else TIME)
    except ValueError:
        raise FilterError(name, "a date that exists", repr(text)) from None
    length = timedelta(days=1) if whole_day else timedelta(seconds=1)
    return to_ms(moment) + (length // timedelta(milliseconds=1) if after else 0)


def _condition(
    filters: tuple[tuple[str, str], ...], exact_names: bool, assume: Assume
) -> pl.Expr | None:
    """What a row must fulfil besides its times; None when nothing was asked."""
    parts = []
    for name, value in filters:
        if name not in _COLUMNS:
            continue
        columns = [pl.col(column).cast(pl.String) for column in _COLUMNS[name]]
        if name.startswith("display_name"):
            hits = [_named(column, value, exact_names) for column in columns]
        else:
            assume("arm.party-filters")
            hits = [column == value for column in columns]
        parts.append(reduce(or_, hits))
    return reduce(and_, parts) if parts else None


def _named(column: pl.Expr, name: str, exact: bool) -> pl.Expr:
    if exact:
        return column == name
    return column.str.to_lowercase().str.contains(name.lower(), literal=True)
