"""Which days a page of the history shows, and which of their rows."""

from datetime import date
from typing import NamedTuple
from urllib.parse import urlencode

from callmocks.contract.numerals import parse_natural
from callmocks.control.dashboard.texts import mark_text
from callmocks.control.problems import ProblemError
from callmocks.control.routing import RequestContext
from callmocks.history.history import History
from callmocks.history.walltime import (
    date_of_day,
    datetime_to_ms,
    day_of,
    day_of_date,
    day_start,
)
from callmocks.tenants.tenant import Tenant

SPANS = {1: mark_text("Day"), 7: mark_text("Week"), 30: mark_text("30 days")}
ROWS_PER_PAGE = 50
"""Rows of a page."""
MAX_CALLS = 300_000
"""Calls that a window may hold; a longer one gives up its oldest days."""


class DayWindow(NamedTuple):
    """Whole days from ``first`` to ``last`` (day numbers, both included), seen at ``now_ms``."""

    first: int
    last: int
    span: int
    """How many days were requested."""
    now_ms: int
    oldest: int
    newest: int
    """First and last day of the whole history."""

    @property
    def from_ms(self) -> int:
        return day_start(self.first)

    @property
    def till_ms(self) -> int:
        return day_start(self.last + 1)

    @property
    def day(self) -> date:
        return date_of_day(self.last)

    @property
    def first_day(self) -> date:
        return date_of_day(self.first)

    @property
    def today(self) -> date | None:
        day = day_of(self.now_ms)
        return date_of_day(day) if self.oldest <= day <= self.newest else None

    @property
    def earlier(self) -> date | None:
        return None if self.last - self.span < self.oldest else date_of_day(self.last - self.span)

    @property
    def later(self) -> date | None:
        begun = min(self.newest, day_of(self.now_ms))
        following = min(self.last + self.span, begun)
        return date_of_day(following) if following > self.last else None

    @property
    def bounds(self) -> tuple[date, date]:
        return date_of_day(self.oldest), date_of_day(self.newest)

    @property
    def cut(self) -> bool:
        return self.last - self.first + 1 < min(self.span, self.last - self.oldest + 1)


def read_window(context: RequestContext, tenant: Tenant) -> DayWindow:
    """The window that a page's address names; the day of the tenant's clock, if none."""
    history, now = tenant.history, tenant.clock.now()
    span = read_number(context, "span", 1)
    if span not in SPANS:
        spans = ", ".join(map(str, SPANS))
        raise ProblemError(422, f"span {span} is none of {spans}", where="span")
    oldest, newest = history.first_day, history.last_day
    last = min(max(_read_day(context, now.date()), oldest), newest)
    first = _first_day_within_limit(history, max(oldest, last - span + 1), last)
    return DayWindow(first, last, span, datetime_to_ms(now), oldest, newest)


def _read_day(context: RequestContext, default: date) -> int:
    text = context.request.query.get("day", "")
    try:
        return day_of_date(date.fromisoformat(text) if text else default)
    except ValueError:
        raise ProblemError(422, f"{text!r} is not a day such as 2026-03-02", where="day") from None


def _first_day_within_limit(history: History, first: int, last: int) -> int:
    """The first day from which the window holds no more calls than it may, at least one day."""
    calls = 0
    for day in range(last, first - 1, -1):
        calls += history.generated.count_calls(day)
        if calls > MAX_CALLS and day < last:
            return day + 1
    return first


def read_number(context: RequestContext, name: str, default: int) -> int:
    text = context.request.query.get(name, "")
    if not text:
        return default
    number = parse_natural(text)
    if not number:
        raise ProblemError(422, f"{name} {text!r} is not a whole number from 1", where=name)
    return number


def build_link(context: RequestContext, **changes: object) -> str:
    """The page's address with some of its query changed; None or an empty text removes a name."""
    query: dict[str, object] = {**context.request.query, **changes}
    kept = {name: str(value) for name, value in query.items() if value not in (None, "")}
    return context.request.path + (f"?{urlencode(kept)}" if kept else "")


class Paging(NamedTuple):
    """One page of many rows; ``newer`` and ``older`` are its neighbours' addresses, or empty."""

    page: int
    rows: int
    newer: str
    older: str

    @property
    def first(self) -> int:
        """Offset of the page's first row."""
        return (self.page - 1) * ROWS_PER_PAGE

    @property
    def last(self) -> int:
        """Offset behind the page's last row."""
        return min(self.rows, self.page * ROWS_PER_PAGE)


def read_paging(context: RequestContext, rows: int) -> Paging:
    """The page that the address names; the last one when it names a later one."""
    pages = max(1, -(-rows // ROWS_PER_PAGE))
    page = min(read_number(context, "page", 1), pages)
    return Paging(
        page,
        rows,
        build_link(context, page=page - 1 if page > 2 else None) if page > 1 else "",
        build_link(context, page=page + 1) if page < pages else "",
    )
