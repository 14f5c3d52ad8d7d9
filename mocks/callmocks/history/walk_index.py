"""How far a walk back through an operator's days has come behind each batch of them."""

from bisect import bisect_right
from threading import Lock
from typing import NamedTuple


class WalkStep(NamedTuple):
    """Behind the batch that begins at ``day``: rows of the operator, legs of all that were read."""

    day: int
    rows: int
    legs: int


class WalkIndex:
    """The steps of all walks from one day, as far as any of them has come.

    ``releases``: ascending, of the operator's calls of that day and of the one before.
    """

    def __init__(self, releases: list[int]) -> None:
        self._releases = releases
        self._steps: list[WalkStep] = []
        self._rows: list[int] = []
        self._lock = Lock()  # long walks are made in other threads

    def add(self, step: WalkStep) -> None:
        with self._lock:
            if not self._steps or step.day < self._steps[-1].day:
                self._steps.append(step)
                self._rows.append(step.rows)

    def count_unreleased(self, now_ms: int) -> int:
        """Calls that have not ended at an instant of the day, or have not begun."""
        return len(self._releases) - bisect_right(self._releases, now_ms)

    def find_step(self, row: int) -> WalkStep | None:
        """The last one that has come no further than to that row, counted from the newest, 0."""
        number = bisect_right(self._rows, row)
        return self._steps[number - 1] if number else None
