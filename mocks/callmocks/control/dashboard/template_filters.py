"""How values are written for people: times, durations, counts."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from markupsafe import Markup, escape

_KIB = 1024


def format_moment(value: datetime | str) -> str:
    """``2026-03-02 12:00:00``, to the second."""
    when = datetime.fromisoformat(value) if isinstance(value, str) else value
    return when.isoformat(" ", "seconds")


def format_day(value: date) -> str:
    """``Mon 2 March 2026``."""
    return f"{value:%a} {value.day} {value:%B %Y}"


def format_duration(seconds: float | int | timedelta | None) -> str:
    """``1:02:03``, ``2:03``, of an hour or less without hours; a dash for none."""
    if seconds is None:
        return "–"
    whole = int(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    minutes, rest = divmod(abs(whole), 60)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if whole < 0 else ""
    return f"{sign}{hours}:{minutes:02}:{rest:02}" if hours else f"{sign}{minutes}:{rest:02}"


def format_count(number: int, one: str, many: str = "") -> str:
    """``1 call``, ``1 200 calls``."""
    return f"{format_amount(number)} {one if number == 1 else many or one + 's'}"


def format_amount(number: int) -> str:
    """A number with narrow spaces between the thousands."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def render_code(text: str) -> Markup:
    """A docstring's sentence as HTML: what stands between double backticks is code."""
    return Markup(re.sub(r"``(.+?)``", r"<code>\1</code>", str(escape(text))))


def add_line_breaks(name: str) -> Markup:
    """A field's name that may be broken behind its underscores."""
    return Markup(escape(name).replace("_", Markup("_<wbr>")))


def format_size(number: int) -> str:
    """``640 B``, ``12.3 KiB``."""
    if number < _KIB:
        return f"{number} B"
    return f"{number / _KIB:.1f} KiB" if number < _KIB * _KIB else f"{number / _KIB / _KIB:.1f} MiB"
