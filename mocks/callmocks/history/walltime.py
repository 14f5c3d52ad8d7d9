"""A wall time, without a zone, is an int: milliseconds since 1970-01-01 00:00 by the same clock.

A day is an int: days since 2015-01-01, the first day that a history can hold.
"""

from datetime import date, datetime, timedelta

from callmocks.errors import SettingsError

DAY_MS = 86_400_000
FIRST_DATE = date(2015, 1, 1)
LAST_DATE = date(2034, 12, 31)
DAYS = (LAST_DATE - FIRST_DATE).days + 1

_EPOCH = datetime(1970, 1, 1)
_MILLISECOND = timedelta(milliseconds=1)
_FIRST_MS = (datetime.combine(FIRST_DATE, datetime.min.time()) - _EPOCH) // _MILLISECOND
# The last calls have ended by then, and their lags are over.
END_OF_HISTORY = _FIRST_MS + (DAYS + 16) * DAY_MS


def datetime_to_ms(wall_time: datetime) -> int:
    return (wall_time - _EPOCH) // _MILLISECOND


def ms_to_datetime(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


def day_of(ms: int) -> int:
    """Outside 0 … DAYS-1 when the history has no such day."""
    return (ms - _FIRST_MS) // DAY_MS


def day_start(day: int) -> int:
    return _FIRST_MS + day * DAY_MS


def date_of_day(day: int) -> date:
    return FIRST_DATE + timedelta(days=day)


def day_of_date(calendar_date: date) -> int:
    return (calendar_date - FIRST_DATE).days


def parse_first_date(text: str) -> date:
    try:
        first = date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{text!r} is not a date such as 2025-01-01") from None
    if not FIRST_DATE <= first <= LAST_DATE:
        raise SettingsError(f"{text!r} is not in {FIRST_DATE} … {LAST_DATE}")
    return first
