"""Times as tests write them, and as the admin API has them."""

from __future__ import annotations

from datetime import date, datetime, timedelta

# A wall time of the tenant's, without a zone; text is ISO, such as `2026-03-02T12:00:00`.
TimeInput = datetime | date | str


def format_time(time: TimeInput) -> str:
    return time if isinstance(time, str) else time.isoformat()


def to_seconds(span: timedelta | float) -> float:
    return span.total_seconds() if isinstance(span, timedelta) else span


def parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text)
