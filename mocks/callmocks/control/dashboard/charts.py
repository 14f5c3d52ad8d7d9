"""Bar charts as SVG elements of the page, whose style sheet colours them in both themes.

Each is drawn for a wide and for a narrow screen, so that its text keeps its size, and comes with
the same numbers as a table.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl
from markupsafe import Markup
from simplecharts import BaseRenderer, StackedColumnRenderer

from callmocks.control.dashboard.texts import Texts, mark_text
from callmocks.control.dashboard.window import DayWindow
from callmocks.history.history import History
from callmocks.history.walltime import DAY_MS, END_OF_HISTORY, date_of_day

_HOUR_MS = 3_600_000
_MAX_REASONS = 12
"""Finish reasons that have a bar of their own."""
_WIDE, _NARROW = 880, 350
OUTCOMES = (mark_text("answered"), mark_text("lost"), mark_text("outgoing and internal"))

Rows = Sequence[tuple[str, tuple[int, ...]]]
"""Label and one number for each series."""


def calls_over_time(sessions: pl.DataFrame, window: DayWindow, texts: Texts) -> dict[str, Any]:
    """Ended calls by the hour they began in, or by the day when the window has several days."""
    by_hour = window.first == window.last
    step = _HOUR_MS if by_hour else DAY_MS
    labels = [f"{hour:02}:00" for hour in range(24)]
    if not by_hour:
        labels = [str(date_of_day(day)) for day in range(window.first, window.last + 1)]
    position = ((pl.col("_start") - window.from_ms) // step).alias("position")
    incoming = pl.col("direction").cast(pl.String) == "in"
    outcome = pl.when(incoming).then(pl.col("is_lost").cast(pl.Int8)).otherwise(2).alias("outcome")
    numbers = [[0] * len(OUTCOMES) for _ in labels]
    counted = sessions.select(position, outcome).group_by("position", "outcome").len()
    for row, series, calls in counted.iter_rows():
        numbers[row][series] = calls
    rows = [(label, tuple(row)) for label, row in zip(labels, numbers, strict=True)]
    return {
        "title": texts.gettext("Calls by hour") if by_hour else texts.gettext("Calls by day"),
        "summary": _summarize_rows(rows, len(sessions), texts),
        "series": [texts.gettext(each) for each in OUTCOMES],
        "rows": rows,
        "wide": _Columns(_WIDE, 2 if by_hour else max(1, len(rows) // 10)).draw(rows),
        "narrow": _Columns(_NARROW, 6 if by_hour else max(1, len(rows) // 4)).draw(rows),
    }


def calls_by_reason(sessions: pl.DataFrame, texts: Texts) -> dict[str, Any]:
    counted = (
        sessions.select(pl.col("finish_reason").cast(pl.String))
        .group_by("finish_reason")
        .len()
        .sort("len", "finish_reason", descending=[True, False])
    )
    rows = [(reason, (calls,)) for reason, calls in counted.iter_rows()]
    shown, others = rows[:_MAX_REASONS], rows[_MAX_REASONS:]
    if others:
        rest = sum(calls for _, (calls,) in others)
        label = texts.ngettext("%(num)s other reason", "%(num)s other reasons", len(others))
        shown = [*shown, (label % {"num": len(others)}, (rest,))]
    summary = texts.gettext("no call has ended")
    if rows:
        reason, (calls,) = rows[0]
        summary = texts.gettext("%(calls)d calls; most often %(reason)s: %(number)d")
        summary %= {"calls": len(sessions), "reason": reason, "number": calls}
    return {
        "title": texts.gettext("Calls by finish reason"),
        "summary": summary,
        "series": [texts.gettext("calls")],
        "rows": rows,
        "wide": _Bars(_WIDE, 7).draw(shown),
        "narrow": _Bars(_NARROW, 5).draw(shown),
    }


def ended_sessions(history: History, window: DayWindow) -> pl.DataFrame:
    """Sessions that began in the window and have ended."""
    begun = history.sessions_between(window.from_ms, window.till_ms - 1000, END_OF_HISTORY)
    return begun.filter(pl.col("_call_end") <= window.now_ms)


def _summarize_rows(rows: Rows, total: int, texts: Texts) -> str:
    if not total:
        return texts.gettext("no call has ended")
    label, values = max(rows, key=lambda row: sum(row[1]))
    text = texts.gettext("%(calls)d calls, most of them at %(time)s: %(number)d")
    return text % {"calls": total, "time": label, "number": sum(values)}


class _Columns(StackedColumnRenderer):  # type: ignore[misc]
    """Columns with whole numbers at the axis; ``every``: which of the labels there is room for.

    Of a date the label is month and day.
    """

    def __init__(self, width: int, every: int) -> None:
        super().__init__(
            height=150,
            width=width - 60,
            colors=[f"var(--chart-{index})" for index in range(len(OUTCOMES))],
            ui_color="currentcolor",
        )
        self.every = every
        self.y_legend = 5  # the page has a legend of its own

    def draw(self, rows: Rows) -> Markup:
        labelled = [
            {"label": "" if index % self.every else label[-5:], "name": label, "values": values}
            for index, (label, values) in enumerate(rows)
        ]
        return Markup(self.render({"rows": labelled}))

    def render_style(self) -> str:
        return ""  # the Content-Security-Policy forbids styles inside the page

    def get_title(self, rows: Any, legend: Any, i: int, j: int) -> str:
        return f"{rows[i]['name']}: {rows[i]['values'][j]}"

    def render_axes(self, rows: Any, max_value: float) -> str:
        return str(super().render_axes(rows, _whole_maximum(max_value)))

    def render_rows(self, rows: Any, legend: Any, max_value: float) -> str:
        return str(super().render_rows(rows, legend, _whole_maximum(max_value)))


def _whole_maximum(max_value: float) -> float:
    """The end of the axis; the library halves it and has fractions below 4."""
    return max(4, max_value)


class _Bars(BaseRenderer):  # type: ignore[misc]
    def __init__(self, width: int, char_width: int) -> None:
        super().__init__(colors=["var(--chart-0)"], ui_color="currentcolor")
        self.char_width = char_width
        self.x_labels = 38 * char_width
        self.width = width - self.x_labels - 2 * self.padding
        self.y_labels = self.y_legend = 0

    def draw(self, rows: Rows) -> Markup:
        if not rows:
            return Markup()
        self.height = 20 * len(rows)
        data = [{"label": f"{label}  {sum(values)}", "values": values} for label, values in rows]
        return Markup(self.render({"rows": data}))

    def render_style(self) -> str:
        return ""

    def render_axes(self, rows: Any, max_value: float) -> str:
        anchor = {"dominant-baseline": "middle", "text-anchor": "end"}
        return "".join(
            self.text(row["label"], -self.char_padding, 20 * index + 10, **anchor)
            for index, row in enumerate(rows)
        )

    def render_rows(self, rows: Any, legend: Any, max_value: float) -> str:
        return "".join(
            self.rect(0, 20 * index + 3, width, 14, title=row["label"], fill=self.colors[0])
            for index, row in enumerate(rows)
            for width in (self.width * row["values"][0] / max_value,)
        )
