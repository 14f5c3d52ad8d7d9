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
from callmocks.history.columns import DayColumns
from callmocks.history.day_generator import DayGenerator, make_empty_day
from callmocks.history.directory import Directory
from callmocks.history.views import arm, cdr, onec
from callmocks.history.views.lookups import Lookups
from callmocks.history.walltime import day_start
from callmocks.history.world import World

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DayView:
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


_END_COLUMNS = {"legs": "_call_end", "sessions": "_call_end", "onec": "_end"}
"""The views, and which column of each is the end of a row's call."""


class GeneratedDays:
    """The days of one history key; what was drawn is kept in the shared cache."""

    def __init__(self, key: bytes, world: World, directory: Directory, cache: DayCache) -> None:
        self.key = key
        self.world = world
        self.directory = directory
        self.lookups = Lookups(directory)
        self._day_generator = DayGenerator(key, world, directory)
        self._cache = cache
        self._empty_frames: dict[str, pl.DataFrame] = {}
        self._batch_of: dict[tuple[str, int], tuple[str, int]] = {}
        """By view and day: under which name, and with which day first, it was made with others."""

    @property
    def days_per_batch(self) -> int:
        """How many days in a row can be drawn together."""
        return self._day_generator.days_per_batch

    def count_calls(self, day: int, days: int = 1) -> int:
        """How many calls a day has, or some days in a row, without drawing them."""
        return self._day_generator.count_calls(day, days)

    def days_with_calls(self, first: int, last: int) -> list[int]:
        """Days from first to last (included) that have any call, without drawing them."""
        counts = self._day_generator.calls_by_day[first : max(last + 1, first)]
        days: list[int] = (np.flatnonzero(counts) + first).tolist()
        return days

    def get_day(self, day: int) -> DayColumns:
        """The calls and legs of a day as columns."""
        return self.get_or_create(
            "day", day, lambda: self._day_generator.generate(day), lambda made: made.nbytes
        )

    def get_days(self, first: int, count: int) -> DayColumns:
        """The calls and legs of some days in a row (see ``stretches``) as columns."""
        if count == 1:
            return self.get_day(first)
        name = f"{count} days"
        return self.get_or_create(
            name,
            first,
            lambda: self._day_generator.generate(first, count),
            lambda made: made.nbytes,
        )

    def split_into_batches(self, days: Iterable[int]) -> list[tuple[int, int]]:
        """Ascending days as stretches that can be drawn together: the first day, and how many.

        They end at the same days whoever asks, so that the next query finds them again.
        """
        most, found = self.days_per_batch, [(0, 0)]
        for day in days:
            first, count = found[-1]
            if day == first + count and day % most:
                found[-1] = (first, count + 1)
            else:
                found.append((day, 1))
        return found[1:]

    def legs_view(self, day: int) -> DayView:
        """CDR legs of a day."""
        return self._get_view("legs", day)

    def sessions_view(self, day: int) -> DayView:
        """CDR sessions of a day; a call's row is its place."""
        return self._get_view("sessions", day)

    def service_calls_view(self, day: int) -> DayView:
        """1C calls of a day."""
        return self._get_view("onec", day)

    def get_views(self, view_name: str, days: Sequence[int]) -> list[DayView]:
        """The view ``legs``, ``sessions`` or ``onec`` of some days, ascending."""
        found = {day: self._peek_view(view_name, day) for day in days}
        cold = [day for day, view in found.items() if view is None]
        for first, count in self.split_into_batches(cold):
            made = self._create_views(view_name, first, count)
            found.update(zip(range(first, first + count), made, strict=True))
        return [view for view in found.values() if view is not None]

    def _get_view(self, view_name: str, day: int) -> DayView:
        return self._peek_view(view_name, day) or self._create_views(view_name, day, 1)[0]

    def _peek_view(self, view_name: str, day: int) -> DayView | None:
        """A view that was made for a day, alone or with others."""
        alone: list[DayView] | None = self.peek(view_name, day)
        if alone is not None:
            return alone[0]
        name, first = self._batch_of.get((view_name, day), ("", 0))
        made: list[DayView] | None = self.peek(name, first) if name else None
        return None if made is None else made[day - first]

    def _create_views(self, view_name: str, first: int, count: int) -> list[DayView]:
        name = view_name if count == 1 else f"{view_name} of {count}"

        def make() -> list[DayView]:
            whole = self._build_frame(view_name, self.get_days(first, count))
            return split_by_day(
                whole, first, count, _END_COLUMNS[view_name], by_leg=view_name == "legs"
            )

        if count > 1:
            made = dict.fromkeys(
                ((view_name, first + later) for later in range(count)), (name, first)
            )
            self._batch_of |= made
        return self.get_or_create(name, first, make, _count_view_bytes)

    def empty_frame(self, view_name: str) -> pl.DataFrame:
        """A frame of the view ``legs``, ``sessions`` or ``onec`` without rows."""
        if view_name not in self._empty_frames:
            self._empty_frames[view_name] = self._build_frame(
                view_name, make_empty_day(self.world, self.directory)
            )
        return self._empty_frames[view_name]

    def _build_frame(self, view_name: str, day: DayColumns) -> pl.DataFrame:
        if view_name == "legs":
            return cdr.build_legs(self.key, day, self.lookups)
        if view_name == "sessions":
            return cdr.build_sessions(self.key, day, self.lookups)
        return onec.build_service_calls(self.key, day, self.lookups)

    def arm_rows_by_operator(self, day: int) -> dict[int, pl.DataFrame]:
        """ARM rows of a day by operator's index, newest first."""
        return self.get_or_create(
            "arm",
            day,
            lambda: split_by_operator(
                arm.build_arm_rows(self.key, self.get_day(day), self.lookups)
            ),
            lambda made: sum(int(frame.estimated_size()) for frame in made.values()),
        )

    def arm_rows_of_operator(self, first: int, count: int, operator: int) -> pl.DataFrame:
        """ARM rows of an operator, by index, on some days in a row (see ``stretches``)."""
        return self.get_or_create(
            f"arm of {count}, {operator}",
            first,
            lambda: arm.build_arm_rows(
                self.key, self.get_days(first, count), self.lookups, operator
            ),
            lambda made: int(made.estimated_size()),
        )

    def get_or_create(
        self, name: Hashable, day: int, create: Callable[[], T], size_of: Callable[[T], int]
    ) -> T:
        """Something made from a day alone, kept as long as memory allows.

        Providers keep their rendered rows here, under a name of their own.
        """
        return self._cache.get_or_create((self.key, name, day), create, size_of)

    def peek(self, name: Hashable, day: int) -> Any | None:
        """What was kept under a name for a day, None when it is not at hand."""
        return self._cache.peek((self.key, name, day))


def split_by_day(
    whole: pl.DataFrame, first: int, count: int, end_column: str, *, by_leg: bool
) -> list[DayView]:
    """A frame of some days in a row as a view of each; they share its memory."""
    starts = whole["_start"].to_numpy()
    edges = np.searchsorted(starts, [day_start(first + later) for later in range(count + 1)])
    views = []
    for day, (begin, stop) in enumerate(pairwise(edges.tolist()), first):
        frame = whole.slice(begin, stop - begin)
        views.append(make_view(frame, end_column, _leg_positions(frame, day) if by_leg else None))
    return views


def _leg_positions(frame: pl.DataFrame, day: int) -> NDArray[np.int64]:
    """By a leg's row on its day: its place in the day's frame."""
    rows = frame["id"].to_numpy() - int(ids.leg_id(day, np.array([0]))[0])
    position = np.empty(len(rows), np.int64)
    position[rows] = np.arange(len(rows))
    return position


def make_view(
    frame: pl.DataFrame, end_column: str, position: NDArray[np.int64] | None = None
) -> DayView:
    """A frame with what its queries need."""
    last = frame[end_column].max()
    return DayView(
        frame,
        frame["_start"].to_numpy(),
        last if isinstance(last, int) else 0,
        position,
    )


def split_by_operator(rows: pl.DataFrame) -> dict[int, pl.DataFrame]:
    """Rows of each operator, in their order."""
    parts = rows.partition_by("_operator", as_dict=True, maintain_order=True)
    return {int(operator): part for (operator,), part in parts.items()}


def _count_view_bytes(views: list[DayView]) -> int:
    return sum(view.nbytes for view in views)
