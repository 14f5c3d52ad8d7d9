"""Charts of what was measured, as SVG without scripts, drawn by pygal."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pygal
from pygal.style import Style

from benchmarks.growth import Chart

FOLDER = Path("docs/growth")
_COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#57606a")
_CASES = ("CDR, 1 row", "CDR, 100 rows", "1C, 1 row", "1C, 100 rows", "ARM, 50 rows")
_STYLE = Style(
    background="#ffffff",
    plot_background="#ffffff",
    foreground="#24292f",
    foreground_strong="#24292f",
    foreground_subtle="#d0d7de",
    colors=_COLOURS,
    font_family="sans-serif",
    label_font_size=11,
    major_label_font_size=11,
    legend_font_size=12,
    title_font_size=15,
    guide_stroke_color="#d0d7de",
    guide_stroke_dasharray="2,3",
    major_guide_stroke_color="#d0d7de",
    major_guide_stroke_dasharray="2,3",
)


def draw_charts(charts: Iterable[Chart]) -> list[Path]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    drawn = []
    for chart in charts:
        file = FOLDER / f"{chart.name}.svg"
        made = _draw_bars(chart) if chart.name == "journal" else _draw_lines(chart)
        made.uuid = chart.name  # a random one would make every drawing another file
        file.write_bytes(made.render(disable_xml_declaration=True).encode() + b"\n")
        drawn.append(file)
    return drawn


def _chart_options(chart: Chart) -> dict[str, Any]:
    return {
        "title": chart.title,
        "x_title": chart.x,
        "y_title": chart.y,
        "style": _STYLE,
        "js": [],
        "width": 760,
        "height": 420,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": 2,
        "dots_size": 3,
        "show_x_guides": False,
    }


def _draw_lines(chart: Chart) -> Any:
    """Cost on a logarithmic scale over what grows, which is on one too when it spans much."""
    xs = sorted({x for points in chart.series.values() for x, _ in points})
    spread = len(xs) > 1 and max(xs) / max(min(x for x in xs if x > 0), 1) >= 100
    options = _chart_options(chart) | {"logarithmic": True, "y_labels": _logarithmic_ticks(chart)}
    if not spread:
        made = pygal.XY(**options)
        for name, points in chart.series.items():
            made.add(name, points)
        return made
    made = pygal.Line(**options)
    made.x_labels = [_abbreviate(x) for x in xs]
    for name, points in chart.series.items():
        by_x = dict(points)
        made.add(name, [by_x.get(x) for x in xs])
    return made


def _draw_bars(chart: Chart) -> Any:
    made = pygal.Bar(**_chart_options(chart))
    made.x_labels = _CASES
    for name, points in chart.series.items():
        made.add(name, [cost for _, cost in points])
    return made


def _logarithmic_ticks(chart: Chart) -> list[float]:
    """1, 2, 5, 10 … around all costs."""
    costs = [cost for points in chart.series.values() for _, cost in points]
    ticks = [digit * 10.0**power for power in range(-4, 7) for digit in (1, 2, 5)]
    low = max((tick for tick in ticks if tick <= min(costs)), default=ticks[0])
    high = min((tick for tick in ticks if tick >= max(costs)), default=ticks[-1])
    return [tick for tick in ticks if low <= tick <= high]


def _abbreviate(number: float) -> str:
    for unit, size in (("M", 10**6), ("k", 10**3)):
        if number >= size:
            return (
                f"{number / size:g}{unit}" if number % size == 0 else f"{number / size:.0f}{unit}"
            )
    return f"{number:g}"
