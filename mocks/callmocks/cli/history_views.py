"""The frames of a view, day by day, to print or to write."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import polars as pl

from callmocks.errors import SettingsError
from callmocks.history.history import History
from callmocks.history.views.lists import LISTS, CallList
from callmocks.history.walltime import DAY_MS, day_of, day_start


@dataclass(frozen=True, slots=True)
class ViewReader:
    """Calls that start from ``from_ms`` to before ``till_ms``, as they are at ``now_ms``."""

    history: History
    view: CallList
    operator: str
    from_ms: int
    till_ms: int
    now_ms: int

    @property
    def days(self) -> range:
        history = self.history
        last = min(day_of(self.till_ms - 1), history.last_day, day_of(self.now_ms))
        return range(max(day_of(self.from_ms), history.first_day), last + 1)

    def read_frames(self) -> Iterator[pl.DataFrame]:
        """The frames of days that have rows, else one without rows, for its columns."""
        empty = True
        for day in self.days:
            start = day_start(day)
            frame = self._read(max(self.from_ms, start), min(self.till_ms, start + DAY_MS))
            if frame.height:
                empty = False
                yield frame
        if empty:
            yield self._read(self.from_ms, self.from_ms)

    def _read(self, from_ms: int, till_ms: int) -> pl.DataFrame:
        frame = self.view.read(self.history, self.operator, from_ms, till_ms, self.now_ms)
        return frame.select(name for name in frame.columns if not name.startswith("_"))


def check_operator(history: History, view: str, operator: str | None, today: date) -> str:
    """The operator of the view ``arm``; ``SettingsError`` when the view needs another."""
    numbers = [each.number for each in history.directory.operators]
    if not LISTS[view].by_operator:
        if operator is not None:
            raise SettingsError(f"--operator: the view {view} is not one operator's")
        return ""
    if operator is None:
        raise SettingsError(f"--operator: the view {view} needs one, {numbers[0]} for example")
    if operator not in numbers:
        left = [
            f"{each.number} left on {each.last_day}"
            for each in history.directory.operators
            if each.has_left(today)
        ]
        known = f"{numbers[0]} … {numbers[-1]}" + (f" ({', '.join(left)})" if left else "")
        raise SettingsError(f"--operator: {operator!r} is none of {known}")
    return operator
