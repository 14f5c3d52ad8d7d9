"""The attributes of ``filters`` as a query, the paging tag among them.

The names are the XSD's. What they mean is assumed, by analogy with the vendor's console command
(contract, "Paging and filters").
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from callmocks.arm import tag
from callmocks.arm.rows import TIME_FORMAT
from callmocks.errors import CallmocksError
from callmocks.history.walltime import DAY_MS, datetime_to_ms

# `Exchange.use_assumption`.
AssumptionLookup = Callable[[str], str]

FILTERS_PATH = "/in/request/filters"
# All values together: the tag carries them, and a tag has at most 4 KiB.
MAX_FILTER_BYTES = 2048

_DATE = re.compile(r"\d{4}/\d{2}/\d{2}( \d{2}:\d{2}:\d{2})?", re.ASCII)
# A longer number is out of every range, and slow to parse.
_MAX_DIGITS = 12

# Filters on a party: what of it is compared, and whether of the caller (a) or the called one (b).
PARTY_FILTERS = {
    "number": ("number", ""),
    "from_number": ("number", "a"),
    "to_number": ("number", "b"),
    "cc_agent_group": ("group", ""),
    "cc_agent_a_group": ("group", "a"),
    "cc_agent_b_group": ("group", "b"),
    "cc_agent_id": ("agent", ""),
    "cc_agent_a_id": ("agent", "a"),
    "cc_agent_b_id": ("agent", "b"),
    "display_name": ("name", ""),
    "display_name_a": ("name", "a"),
    "display_name_b": ("name", "b"),
}
# Filters that a tag carries, besides `skip_incomplete`.
TAG_FILTERS = ("from_date", "to_date", "direction", *PARTY_FILTERS)
_TAG_FILTER_NAMES = frozenset(TAG_FILTERS)


class FilterValueError(CallmocksError):
    """An attribute whose value the schema allows and the service does not."""

    def __init__(self, attribute: str, expected: str, got: str) -> None:
        self.where, self.expected, self.got = f"{FILTERS_PATH}/@{attribute}", expected, got
        super().__init__(f"{self.where}: expected {expected}, got {got}")


class CallHistoryQuery(NamedTuple):
    """What a page holds. Times are wall milliseconds.

    Calls start at ``from_ms`` or later and are released (or start) before ``before_ms``.
    ``filters`` are what the next tag carries. ``cursor``: the tag behind which the page begins.
    """

    offset: int
    limit: int
    skip_incomplete: bool
    from_ms: int | None = None
    before_ms: int | None = None
    before_column: str = "_release"
    cursor: tag.PagingTag | None = None
    filters: tuple[tuple[str, str], ...] = ()
    exact_names: bool = False
    wildcards: bool = False


def parse_filters(attributes: Mapping[str, str], assumption: AssumptionLookup) -> CallHistoryQuery:
    """``FilterValueError`` names the attribute that is wrong."""
    limit = _parse_number(attributes, "limit", 1, int(assumption("arm.limit-most")))
    offset = _parse_number(attributes, "offset", 0, None)
    cursor = _decode_cursor(attributes.get("tag", ""))
    given = {name: text for name, text in attributes.items() if name in _TAG_FILTER_NAMES}
    if "" in given.values() and assumption("arm.empty-filter") == "absent":
        given = {name: value for name, value in given.items() if value}
    skip_incomplete = attributes.get("skip_incomplete", "true").strip() in ("true", "1")
    if cursor is not None:
        skip_incomplete = cursor.skip_incomplete
        if assumption("arm.tag-filters") == "tag":
            given |= dict(cursor.filters)
        else:
            given = dict(cursor.filters) | given
    if not given:
        return CallHistoryQuery(offset, limit, skip_incomplete, cursor=cursor)
    filters = tuple((name, given[name]) for name in TAG_FILTERS if name in given)
    _check_size(filters)
    kinds = {PARTY_FILTERS[name][0] for name, _ in filters if name in PARTY_FILTERS}
    exact_names = "name" in kinds and assumption("arm.display-name") == "equal"
    wildcards = bool(kinds - {"name"}) and assumption("arm.party-filters") == "wildcards"
    column = "_release"
    if "to_date" in given:
        column = {"release": "_release", "start": "_start"}[assumption("arm.to-date")]
    return CallHistoryQuery(
        offset,
        limit,
        skip_incomplete,
        _parse_date(given, "from_date", assumption, end=False),
        _parse_date(given, "to_date", assumption, end=True),
        column,
        cursor,
        filters,
        exact_names,
        wildcards,
    )


def _parse_number(values: Mapping[str, str], name: str, minimum: int, maximum: int | None) -> int:
    """An xs:integer within limits; absent is 0, which only ``offset`` may be."""
    text = values.get(name, "0").strip()
    try:
        value = int(text) if len(text) <= _MAX_DIGITS else None
    except ValueError:  # of a replay, which validates nothing
        value = None
    if value is None or value < minimum or (maximum is not None and value > maximum):
        limits = f"{minimum} or more" if maximum is None else f"{minimum} to {maximum}"
        raise FilterValueError(name, f"a number, {limits}", text[: 2 * _MAX_DIGITS])
    return value


def _decode_cursor(text: str) -> tag.PagingTag | None:
    if not text:
        return None
    try:
        cursor = tag.decode(text)
        unknown = [name for name, _ in cursor.filters if name not in TAG_FILTERS]
        if unknown:
            raise tag.TagError(f"filter {unknown[0]!r} is not understood")
    except tag.TagError as error:
        raise FilterValueError("tag", "a tag of an earlier answer", str(error)) from None
    return cursor


def _check_size(filters: tuple[tuple[str, str], ...]) -> None:
    sizes = {name: len(value.encode("utf-8")) for name, value in filters}
    if sum(sizes.values()) > MAX_FILTER_BYTES:
        longest = max(sizes, key=lambda name: sizes[name])
        expected = f"filters of {MAX_FILTER_BYTES} bytes at most together"
        raise FilterValueError(longest, expected, f"{sizes[longest]} bytes here")


def _parse_date(
    filters: Mapping[str, str], name: str, assumption: AssumptionLookup, *, end: bool
) -> int | None:
    """The wall time of a date; with ``end``, that of the end of its second or day."""
    text = filters.get(name)
    if text is None:
        return None
    match = _DATE.fullmatch(text)
    whole_day = match is not None and match[1] is None
    if match is None or (whole_day and assumption("arm.date-without-time") != "day"):
        raise FilterValueError(name, "YYYY/MM/DD HH:MM:SS", repr(text[:40]))
    try:
        start = datetime.strptime(text, TIME_FORMAT[:8] if whole_day else TIME_FORMAT)
    except ValueError:
        raise FilterValueError(name, "a date that exists", repr(text)) from None
    length_ms = DAY_MS if whole_day else 1000
    return datetime_to_ms(start) + (length_ms if end else 0)
