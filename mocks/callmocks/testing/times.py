"""Times as users write them, and as the admin API and the providers do."""

from __future__ import annotations

from datetime import date, datetime, timedelta

Moment = datetime | date | str
"""A wall time of the tenant's, without a zone; text is ISO, such as ``2026-03-02T12:00:00``."""


def iso(moment: Moment) -> str:
    """A moment as the admin API wants it."""
    return moment if isinstance(moment, str) else moment.isoformat()


def seconds(span: timedelta | float) -> float:
    """A span in seconds."""
    return span.total_seconds() if isinstance(span, timedelta) else span


def read(text: str) -> datetime:
    """A wall time of the admin API."""
    return datetime.fromisoformat(text)


def read_or_none(text: str | None) -> datetime | None:
    """A wall time that need not be there."""
    return None if text is None else datetime.fromisoformat(text)
