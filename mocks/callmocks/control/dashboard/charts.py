"""Charts: drawn by pygal, without its styles and scripts; colours come from the style sheet.

Each chart comes twice, for a wide and for a narrow screen, so that its text keeps its size; the
style sheet shows one of them. A table says the same to those who do not see it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import polars as pl
from markupsafe import Markup

from callmocks.control.dashboard.window import DayWindow
from callmocks.history.walltime import DAY_MS, date_of_day

if TYPE_CHECKING:
    from types import ModuleType

    from callmocks.history.history import History

_HOUR_MS = 3_600_000
_REASONS = 12
"""Finish reasons that get a bar of their own."""
_WIDE, _NARROW = 880, 350
OUTCOMES = ("answered", "lost", "outgoing and internal")
"""What calls over time are told apart by."""


@dataclass(frozen=True, slots=True)
class BarChart:
    """A chart and the same as a table."""

    title: str
    says: str
    """What it shows, in a sentence."""
    series: tuple[str, ...]
    rows: list[tuple[str, tuple[int, ...]]]
    """Label and one number for each series."""
    wide: Markup
    narrow: Markup


def calls_over_time(sessions: pl.DataFrame, window: DayWindow) -> BarChart:
    """Ended calls by the hour they began in, or by the day when the window has several."""
    by_hour = window.first == window.last
    step = _HOUR_MS if by_hour else DAY_MS
    begin = window.from_ms
    labels = (
        [f"{hour:02}:00" for hour in range(24)]
        if by_hour
        else [_day_label(window, index) for index in range(window.last - window.first + 1)]
    )
    place = ((pl.col("_start") - begin) // step).alias("place")
    outcome = (
        pl.when(pl.col("direction").cast(pl.String) != "in")
        .then(2)
        .when(pl.col("is_lost"))
        .then(1)
        .otherwise(0)
        .alias("outcome")
    )
    numbers = [[0] * len(OUTCOMES) for _ in labels]
    for at, which, calls in (
        sessions.select(place, outcome).group_by("place", "outcome").len().iter_rows()
    ):
        numbers[at][which] = calls
    title = "Calls by hour" if by_hour else "Calls by day"
    rows = [(label, tuple(row)) for label, row in zip(labels, numbers, strict=True)]
    return BarChart(
        title,
        _summarize_rows(rows, len(sessions)),
        OUTCOMES,
        rows,
        _stacked(rows, OUTCOMES, _WIDE, 2 if by_hour else max(1, len(rows) // 10)),
        _stacked(rows, OUTCOMES, _NARROW, 6 if by_hour else max(1, len(rows) // 4)),
    )


def calls_by_reason(sessions: pl.DataFrame) -> BarChart:
    """Ended calls by finish reason, the commonest first."""
    counted = (
        sessions.select(pl.col("finish_reason").cast(pl.String))
        .group_by("finish_reason")
        .len()
        .sort("len", "finish_reason", descending=[True, False])
    )
    rows: list[tuple[str, tuple[int, ...]]] = [
        (reason, (calls,)) for reason, calls in counted.iter_rows()
    ]
    shown, rest = rows[:_REASONS], rows[_REASONS:]
    if rest:
        others = sum(calls for _, (calls,) in rest)
        shown = [*shown, (f"{len(rest)} other reasons", (others,))]
    most = f"; most often {rows[0][0]}, {rows[0][1][0]}" if rows else ""
    return BarChart(
        "Calls by finish reason",
        f"{len(sessions)} calls, {len(rows)} reasons{most}",
        ("calls",),
        rows,
        _horizontal(shown, _WIDE),
        _horizontal(shown, _NARROW),
    )


def ended_sessions(history: History, window: DayWindow) -> pl.DataFrame:
    """Sessions that began in the window and have ended."""
    return history.sessions_between(window.from_ms, window.before_ms - 1000, window.now_ms)


def _day_label(window: DayWindow, index: int) -> str:
    when = date_of_day(window.first) + timedelta(days=index)
    return f"{when:%a} {when.day}" if window.span <= 7 else f"{when.day} {when:%b}"


def _summarize_rows(rows: Sequence[tuple[str, tuple[int, ...]]], total: int) -> str:
    if not total:
        return "no call has ended"
    label, parts = max(rows, key=lambda row: sum(row[1]))
    return f"{total} calls, most of them at {label}: {sum(parts)}"


def _stacked(
    rows: Sequence[tuple[str, tuple[int, ...]]], series: Sequence[str], width: int, every: int
) -> Markup:
    chart = _pygal().StackedBar(
        width=width,
        height=200,
        x_labels=[label for label, _ in rows],
        x_labels_major_every=every,
        show_minor_x_labels=False,
        y_labels_major_count=3,
        spacing=6,
        **_PLAIN,
    )
    for index, name in enumerate(series):
        chart.add(name, [parts[index] for _, parts in rows])
    return _svg(chart)


def _horizontal(rows: Sequence[tuple[str, tuple[int, ...]]], width: int) -> Markup:
    chart = _pygal().HorizontalBar(
        width=width,
        height=12 + 20 * max(1, len(rows)),
        x_labels=[f"{label}  {calls}" for label, (calls,) in reversed(rows)],
        show_x_labels=False,
        show_x_guides=False,
        show_y_guides=False,
        spacing=4,
        style=_style(9 if width == _NARROW else 11),
        **_PLAIN,
    )
    chart.add("calls", [parts[0] for _, parts in reversed(rows)])
    return _svg(chart)


_PLAIN: dict[str, Any] = {
    "css": (),
    "js": (),
    "no_prefix": True,
    "explicit_size": False,
    "show_legend": False,
    "margin": 4,
    "truncate_label": -1,
    "no_data_text": "",
    "min_scale": 2,
    "max_scale": 5,
    "formatter": lambda value: f"{value:.0f}" if float(value).is_integer() else "",
}


@cache
def _style(font_size: int) -> Any:
    """How much room labels need; how they look is for the style sheet to say."""
    return _pygal().style.Style(label_font_size=font_size, major_label_font_size=font_size)


@cache
def _pygal() -> ModuleType:
    """pygal, imported when the first chart is drawn.

    It puts a finder for its map plugins on ``sys.meta_path``. That finder speaks a protocol which
    Python 3.12 has dropped and 3.11 warns of at every import that fails, so it is taken off again.
    """
    import pygal
    import pygal.style

    sys.meta_path[:] = [each for each in sys.meta_path if type(each).__module__ != "pygal"]
    module: ModuleType = pygal
    return module


_SERIES = "{http://www.w3.org/2000/svg}g"


def _svg(chart: Any) -> Markup:
    """The chart as SVG to stand in a page: no style, no script, no comment, no place for tooltips.

    What pygal keeps for its script (value and label of each bar) becomes the bar's title, which
    browsers show by themselves.
    """
    from lxml import etree

    root = etree.fromstring(chart.render())
    for node in list(root.iter()):
        parent = node.getparent()
        if parent is not None and _superfluous(node):
            parent.remove(node)
    for bar in root.iter(_SERIES):
        if bar.get("class") == "bar":
            _name_bar(bar)
    root.attrib.pop("id", "")
    root.set("aria-hidden", "true")
    root.set("focusable", "false")
    etree.cleanup_namespaces(root)
    return Markup(etree.tostring(root, encoding="unicode"))


def _superfluous(node: Any) -> bool:
    """Whether only pygal's own styles and script need the node."""
    from lxml import etree

    if node.tag is etree.Comment:
        return True
    kind = node.get("class", "")
    hidden = "overlay" in kind or kind in ("titles", "background")
    return hidden or etree.QName(node).localname in ("defs", "title")


def _name_bar(bar: Any) -> None:
    from lxml import etree

    texts = {node.get("class"): node.text or "" for node in bar if node.tag.endswith("}desc")}
    for node in [node for node in bar if node.tag.endswith("}desc")]:
        bar.remove(node)
    title = etree.SubElement(bar, f"{{{etree.QName(bar).namespace}}}title")
    title.text = f"{texts.get('x_label', '')}: {texts.get('value', '')}"
