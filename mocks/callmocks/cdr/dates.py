"""Times of the Data API: ``YYYY-MM-DD hh:mm:ss`` in the account's zone, and the 3-month cap."""

import calendar
import re
from datetime import datetime, timedelta

_EXACT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_LENIENT = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?", re.ASCII)

MAX_MONTHS = 3
_MAX_DAYS = timedelta(days=92)  # the longest three months
_SHORTEST_MAX = timedelta(days=89)  # February, March and April: no three months are shorter


def parse(text: str, *, lenient: bool = False) -> datetime | None:
    """None when it is no time; ``lenient`` also takes a date alone, a ``T`` and fractions."""
    if not (_LENIENT if lenient else _EXACT).fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def add_months(time: datetime, months: int) -> datetime:
    """As PostgreSQL's intervals count: 30 November plus 3 months is 28 (29) February."""
    year, month = divmod(time.year * 12 + time.month - 1 + months, 12)
    if year > datetime.max.year:
        return datetime.max
    day = min(time.day, calendar.monthrange(year, month + 1)[1])
    return time.replace(year=year, month=month + 1, day=day)


def may_be_too_long(start: datetime, end: datetime) -> bool:
    return end - start > _SHORTEST_MAX


def is_too_long(start: datetime, end: datetime, *, in_days: bool = False) -> bool:
    if in_days:
        return end - start > _MAX_DAYS
    return end > add_months(start, MAX_MONTHS)
