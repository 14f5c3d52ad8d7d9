"""The frames of a view, day by day, to print or to write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callmocks.errors import SettingsError
from callmocks.history.views.lists import LISTS
from callmocks.history.walltime import DAY_MS, day_of, day_start

if TYPE_CHECKING:
    import polars as pl

    from callmocks.history.history import History


@dataclass(frozen=True, slots=True)
class ExportWindow:
    """Calls that start from ``from_ms`` to before ``till_ms``, as they are at ``now_ms``."""

    from_ms: int
    till_ms: int
    now_ms: int

    def iter_days(self, history: History) -> Iterator[tuple[int, int]]:
        """From and till of each day of the window, within the history."""
        first = max(day_of(self.from_ms), history.first_day)
        last = min(day_of(self.till_ms - 1), history.last_day, day_of(self.now_ms))
        for day in range(first, last + 1):
            start = day_start(day)
            yield max(self.from_ms, start), min(self.till_ms, start + DAY_MS)


def check_operator(history: History, view: str, operator: str | None) -> str:
    """The operator of the view ``arm``; ``SettingsError`` when the view needs another."""
    numbers = [each.number for each in history.directory.operators]
    if not LISTS[view].by_operator:
        if operator is not None:
            raise SettingsError(f"--operator: the view {view} is not one operator's")
        return ""
    if operator is None:
        raise SettingsError(f"--operator: the view {view} needs one, {numbers[0]} for example")
    if operator not in numbers:
        raise SettingsError(f"--operator: {operator!r} is none of {numbers[0]} … {numbers[-1]}")
    return operator


def read_frames(
    history: History, view: str, operator: str, window: ExportWindow
) -> Iterator[pl.DataFrame]:
    """The frames of days that have rows, else one without rows, for its columns."""
    read, empty = LISTS[view].read, True
    for from_ms, till_ms in window.iter_days(history):
        frame = read(history, operator, from_ms, till_ms, window.now_ms)
        if frame.height:
            empty = False
            yield _select_visible(frame)
    if empty:
        start = window.from_ms
        yield _select_visible(read(history, operator, start, start, start))


def _select_visible(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(name for name in frame.columns if not name.startswith("_"))
