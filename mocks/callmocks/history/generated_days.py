"""A history as it is drawn, day by day and view by view: no tenant, no pins, no clock.

What a query needs of several days in a row, and nobody has at hand, is drawn and viewed together:
a small day costs a few milliseconds whatever its size, sixteen of them little more.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.history import ids
from callmocks.history.cache import DayCache
from callmocks.history.columns import Day
from callmocks.history.day_generator import Drawer, no_calls
from callmocks.history.directory import Cast
from callmocks.history.views import arm, cdr, onec
from callmocks.history.views.lookups import Lookups
from callmocks.history.walltime import day_start
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


_ENDS = {"legs": "_call_end", "sessions": "_call_end", "onec": "_end"}
"""The views, and which column of each is the end of a row's call."""


class Drawn:
    """The days of one history key; what was drawn is kept in the shared cache."""

    def __init__(self, key: bytes, world: World, cast: Cast, cache: DayCache) -> None:
        self.key = key
        self.world = world
        self.cast = cast
        self.lookups = Lookups(cast)
        self._drawer = Drawer(key, world, cast)
        self._cache = cache
        self._nothing: dict[str, pl.DataFrame] = {}
        self._together: dict[tuple[str, int], tuple[str, int]] = {}
        """By view and day: under which name, and with which day first, it was made with others."""

    @property
    def together(self) -> int:
        """How many days in a row can be drawn together."""
        return self._drawer.together

    def calls_on(self, day: int, days: int = 1) -> int:
        """How many calls a day has, or some days in a row, without drawing them."""
        return self._drawer.calls(day, days)

    def days_with_calls(self, first: int, last: int) -> list[int]:
        """Days from first to last (included) that have any call, without drawing them."""
        counts = self._drawer.counts[first : max(last + 1, first)]
        days: list[int] = (np.flatnonzero(counts) + first).tolist()
        return days

    def day(self, day: int) -> Day:
        """The calls and legs of a day as columns."""
        return self.kept("day", day, lambda: self._drawer.draw(day), lambda made: made.nbytes)

    def days(self, first: int, count: int) -> Day:
        """The calls and legs of some days in a row (see ``stretches``) as columns."""
        if count == 1:
            return self.day(first)
        name = f"{count} days"
        return self.kept(
            name, first, lambda: self._drawer.draw(first, count), lambda made: made.nbytes
        )

    def stretches(self, days: Iterable[int]) -> list[tuple[int, int]]:
        """Ascending days as stretches that can be drawn together: the first day, and how many.

        They end at the same days whoever asks, so that the next query finds them again.
        """
        most, found = self.together, [(0, 0)]
        for day in days:
            first, count = found[-1]
            if day == first + count and day % most:
                found[-1] = (first, count + 1)
            else:
                found.append((day, 1))
        return found[1:]

    def legs(self, day: int) -> View:
        """CDR legs of a day."""
        return self._view("legs", day)

    def sessions(self, day: int) -> View:
        """CDR sessions of a day; a call's row is its place."""
        return self._view("sessions", day)

    def service_calls(self, day: int) -> View:
        """1C calls of a day."""
        return self._view("onec", day)

    def views(self, what: str, days: Sequence[int]) -> list[View]:
        """The view ``legs``, ``sessions`` or ``onec`` of some days, ascending."""
        found = {day: self._at_hand(what, day) for day in days}
        cold = [day for day, view in found.items() if view is None]
        for first, count in self.stretches(cold):
            made = self._make_views(what, first, count)
            found.update(zip(range(first, first + count), made, strict=True))
        return [view for view in found.values() if view is not None]

    def _view(self, what: str, day: int) -> View:
        return self._at_hand(what, day) or self._make_views(what, day, 1)[0]

    def _at_hand(self, what: str, day: int) -> View | None:
        """A view that was made for a day, alone or with others."""
        alone: list[View] | None = self.look(what, day)
        if alone is not None:
            return alone[0]
        name, first = self._together.get((what, day), ("", 0))
        made: list[View] | None = self.look(name, first) if name else None
        return None if made is None else made[day - first]

    def _make_views(self, what: str, first: int, count: int) -> list[View]:
        name = what if count == 1 else f"{what} of {count}"

        def make() -> list[View]:
            whole = self._frame(what, self.days(first, count))
            return split_by_day(whole, first, count, _ENDS[what], by_leg=what == "legs")

        if count > 1:
            made = dict.fromkeys(((what, first + later) for later in range(count)), (name, first))
            self._together |= made
        return self.kept(name, first, make, _views_bytes)

    def nothing(self, what: str) -> pl.DataFrame:
        """A frame of the view ``legs``, ``sessions`` or ``onec`` without rows."""
        if what not in self._nothing:
            self._nothing[what] = self._frame(what, no_calls(self.world, self.cast))
        return self._nothing[what]

    def _frame(self, what: str, day: Day) -> pl.DataFrame:
        if what == "legs":
            return cdr.legs_frame(self.key, day, self.lookups)
        if what == "sessions":
            return cdr.sessions_frame(self.key, day, self.lookups)
        return onec.rows_frame(self.key, day, self.lookups)

    def arm_rows(self, day: int) -> dict[int, pl.DataFrame]:
        """ARM rows of a day by operator's index, newest first."""
        return self.kept(
            "arm",
            day,
            lambda: by_operator(arm.rows_frame(self.key, self.day(day), self.lookups)),
            lambda made: sum(int(frame.estimated_size()) for frame in made.values()),
        )

    def arm_rows_of(self, first: int, count: int, operator: int) -> pl.DataFrame:
        """ARM rows of an operator, by index, on some days in a row (see ``stretches``)."""
        return self.kept(
            f"arm of {count}, {operator}",
            first,
            lambda: arm.rows_frame(self.key, self.days(first, count), self.lookups, operator),
            lambda made: int(made.estimated_size()),
        )

    def kept(self, what: Hashable, day: int, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Something made from a day alone, kept as long as memory allows.

        Providers keep their rendered rows here, under a name of their own.
        """
        return self._cache.get((self.key, what, day), make, size)

    def look(self, what: Hashable, day: int) -> Any | None:
        """What was kept under a name for a day, None when it is not at hand."""
        return self._cache.look((self.key, what, day))


def split_by_day(
    whole: pl.DataFrame, first: int, count: int, end: str, *, by_leg: bool
) -> list[View]:
    """A frame of some days in a row as a view of each; they share its memory."""
    starts = whole["_start"].to_numpy()
    edges = np.searchsorted(starts, [day_start(first + later) for later in range(count + 1)])
    views = []
    for day, (begin, stop) in enumerate(pairwise(edges.tolist()), first):
        frame = whole.slice(begin, stop - begin)
        views.append(make_view(frame, end, _positions(frame, day) if by_leg else None))
    return views


def _positions(frame: pl.DataFrame, day: int) -> NDArray[np.int64]:
    """By a leg's row on its day: its place in the day's frame."""
    rows = frame["id"].to_numpy() - int(ids.leg_id(day, np.array([0]))[0])
    position = np.empty(len(rows), np.int64)
    position[rows] = np.arange(len(rows))
    return position


def make_view(frame: pl.DataFrame, end: str, position: NDArray[np.int64] | None = None) -> View:
    """A frame with what its queries need."""
    last = frame[end].max()
    return View(
        frame,
        frame["_start"].to_numpy(),
        last if isinstance(last, int) else 0,
        position,
    )


def by_operator(rows: pl.DataFrame) -> dict[int, pl.DataFrame]:
    """Rows of each operator, in their order."""
    parts = rows.partition_by("_operator", as_dict=True, maintain_order=True)
    return {int(operator): part for (operator,), part in parts.items()}


def _views_bytes(views: list[View]) -> int:
    return sum(view.nbytes for view in views)
