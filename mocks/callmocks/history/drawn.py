"""A history as it is drawn, day by day and view by view: no tenant, no pins, no clock."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.history import ids
from callmocks.history.cache import DayCache
from callmocks.history.cast import Cast
from callmocks.history.columns import Day
from callmocks.history.draw import Drawer
from callmocks.history.views import arm, cdr, onec
from callmocks.history.views.lookups import Lookups
from callmocks.history.world import World

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class View:
    """One day in one view, ascending by exact start.

    ``starts`` are the rows' exact starts and ``last_end`` the latest end (wall ms); ``position``
    leads from a leg's row to its place in the frame.
    """

    frame: pl.DataFrame
    starts: NDArray[np.int64]
    last_end: int
    position: NDArray[np.int64] | None = None

    @property
    def nbytes(self) -> int:
        """Memory of the frame and its indexes."""
        return int(self.frame.estimated_size()) + 2 * self.starts.nbytes


class Drawn:
    """The days of one history key; what was drawn is kept in the shared cache."""

    def __init__(self, key: bytes, world: World, cast: Cast, cache: DayCache) -> None:
        self.key = key
        self.world = world
        self.cast = cast
        self.lookups = Lookups(cast)
        self._drawer = Drawer(key, world, cast)
        self._cache = cache

    def calls_on(self, day: int) -> int:
        """How many calls a day has, without drawing it."""
        return int(self._drawer.counts[day])

    def days_with_calls(self, first: int, last: int) -> list[int]:
        """Days from first to last (included) that have any call, without drawing them."""
        counts = self._drawer.counts[first : max(last + 1, first)]
        days: list[int] = (np.flatnonzero(counts) + first).tolist()
        return days

    def day(self, day: int) -> Day:
        """The calls and legs of a day as columns."""
        return self.kept("day", day, lambda: self._drawer.draw(day), lambda made: made.nbytes)

    def legs(self, day: int) -> View:
        """CDR legs of a day."""
        return self.kept(
            "legs", day, lambda: legs_view(self.key, self.day(day), self.lookups), _view_bytes
        )

    def sessions(self, day: int) -> View:
        """CDR sessions of a day; a call's row is its place."""
        return self.kept(
            "sessions",
            day,
            lambda: make_view(
                cdr.sessions_frame(self.key, self.day(day), self.lookups), "_call_end"
            ),
            _view_bytes,
        )

    def service_calls(self, day: int) -> View:
        """1C calls of a day."""
        return self.kept(
            "onec",
            day,
            lambda: make_view(onec.rows_frame(self.key, self.day(day), self.lookups), "_end"),
            _view_bytes,
        )

    def arm_rows(self, day: int) -> dict[int, pl.DataFrame]:
        """ARM rows of a day by operator's index, newest first."""
        return self.kept(
            "arm",
            day,
            lambda: by_operator(arm.rows_frame(self.key, self.day(day), self.lookups)),
            lambda made: sum(int(frame.estimated_size()) for frame in made.values()),
        )

    def kept(self, what: str, day: int, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Something made from a day alone, kept as long as memory allows.

        Providers keep their rendered rows here, under a name of their own.
        """
        return self._cache.get((self.key, what, day), make, size)

    def look(self, what: str, day: int) -> Any | None:
        """What was kept under a name for a day, None when it is not at hand."""
        return self._cache.look((self.key, what, day))


def make_view(frame: pl.DataFrame, end: str, position: NDArray[np.int64] | None = None) -> View:
    """A frame with what its queries need."""
    last = frame[end].max()
    return View(
        frame,
        frame["_start"].to_numpy(),
        last if isinstance(last, int) else 0,
        position,
    )


def legs_view(key: bytes, day: Day, look: Lookups) -> View:
    """The legs of a day, with the way from a leg's row to its place."""
    frame = cdr.legs_frame(key, day, look)
    first_row = int(day.legs.row[0]) if len(day.legs.row) else 0
    position = np.empty(len(frame), np.int64)
    rows = frame["id"].to_numpy() - int(ids.leg_id(day.day, np.array([first_row]))[0])
    position[rows] = np.arange(len(frame))
    return make_view(frame, "_call_end", position)


def by_operator(rows: pl.DataFrame) -> dict[int, pl.DataFrame]:
    """Rows of each operator, in their order."""
    parts = rows.partition_by("_operator", as_dict=True, maintain_order=True)
    return {int(operator): part for (operator,), part in parts.items()}


def _view_bytes(view: View) -> int:
    return view.nbytes
