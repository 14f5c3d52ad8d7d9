"""How values are written for people: times, durations, counts."""

import re
from datetime import date, datetime, timedelta

from markupsafe import Markup, escape

from callmocks.control.dashboard.texts import mark_text


def format_moment(value: datetime | str) -> str:
    when = datetime.fromisoformat(value) if isinstance(value, str) else value
    return when.isoformat(" ", "seconds")


_WEEKDAYS = [
    mark_text("Monday"),
    mark_text("Tuesday"),
    mark_text("Wednesday"),
    mark_text("Thursday"),
    mark_text("Friday"),
    mark_text("Saturday"),
    mark_text("Sunday"),
]


def format_weekday(value: date) -> str:
    return _WEEKDAYS[value.weekday()]


def format_duration(seconds: float | int | timedelta | None) -> str:
    """``1:02:03``, ``2:03``, of an hour or less without hours; a dash for none."""
    if seconds is None:
        return "–"
    whole = int(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    minutes, rest = divmod(abs(whole), 60)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if whole < 0 else ""
    return f"{sign}{hours}:{minutes:02}:{rest:02}" if hours else f"{sign}{minutes}:{rest:02}"


def format_amount(number: int) -> str:
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def render_code(text: str) -> Markup:
    """A docstring's sentence as HTML: what stands between double backticks is code."""
    return Markup(re.sub(r"``(.+?)``", r"<code>\1</code>", str(escape(text))))


def add_line_breaks(name: str) -> Markup:
    """May be broken behind ``_`` and where a word of ``CamelCase`` begins, nowhere else."""
    return Markup(re.sub(r"_|[a-z](?=[A-Z][a-z])", r"\g<0><wbr>", str(escape(name))))


def add_path_breaks(path: str) -> Markup:
    return Markup(escape(path).replace("/", Markup("/<wbr>")))


def keep_whole(moment: str) -> Markup:
    return Markup("<time>{}</time>").format(moment)


def isolate_text(text: str) -> Markup:
    """A user's text inside a sentence, whose direction it does not turn."""
    return Markup('<bdi translate="no">{}</bdi>').format(text)


def format_parameter(value: object) -> str:
    """A value as a form's field takes it; empty for null, lists and objects without members."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value in (None, [], {}) else str(value)


FILTERS = {
    "moment": format_moment,
    "weekday": format_weekday,
    "duration": format_duration,
    "amount": format_amount,
    "parameter": format_parameter,
    "coded": render_code,
    "breakable": add_line_breaks,
    "pathed": add_path_breaks,
    "timed": keep_whole,
    "isolated": isolate_text,
}
