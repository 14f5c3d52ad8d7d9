"""A history as it is generated, day by day and view by view: no tenant, no pins, no clock.

The days that a query needs and the cache does not have are generated in batches: a small day
costs a few milliseconds whatever its size, sixteen of them little more.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.contract.cached_property import cached_property
from callmocks.history import ids
from callmocks.history.cache import DayCache
from callmocks.history.columns import BoolColumn, DayColumns
from callmocks.history.directory import Directory
from callmocks.history.views import arm
from callmocks.history.views.call_views import CALL_VIEWS
from callmocks.history.views.lookups import Lookups
from callmocks.history.walltime import day_start
from callmocks.history.world import World

if TYPE_CHECKING:
    from callmocks.history.day_generator import DayGenerator
    from callmocks.history.episodes import DayPlan
    from callmocks.history.roster import Roster

SEARCH_CALLS = 10_000

T = TypeVar("T")


class LegIndex(NamedTuple):
    """``position`` in the frame is by a leg's row on its day, ``first_leg`` by a call's row."""

    position: memoryview
    first_leg: memoryview  # one more than calls

    def find_call(self, row: int) -> list[int]:
        """Positions of a call's legs, by start."""
        return sorted(self.position[self.first_leg[row] : self.first_leg[row + 1]])


class DayView(msgspec.Struct, frozen=True):
    """One day in one view, ascending by exact start; times are wall times in milliseconds."""

    frame: pl.DataFrame
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]  # of the rows' calls
    last_end: int
    legs: LegIndex | None = None

    @property
    def nbytes(self) -> int:
        index = sum(column.nbytes for column in self.legs or ())
        return int(self.frame.estimated_size()) + index


class GeneratedDays:
    """The days of one history key, kept in the shared cache. View names are those of CALL_VIEWS."""

    def __init__(
        self, key: bytes, world: World, get_directory: Callable[[], Directory], cache: DayCache
    ) -> None:
        self.key = key
        self.world = world
        self._get_directory = get_directory
        self._cache = cache
        self._empty_frames: dict[str, pl.DataFrame] = {}
        # By view and day: name and first day of the batch that the view was created in.
        self._batch_of: dict[tuple[str, int], tuple[str, int]] = {}

    @cached_property
    def directory(self) -> Directory:
        return self._get_directory()

    @cached_property
    def lookups(self) -> Lookups:
        return Lookups(self.directory)

    # At the first day that is wanted: it has tables of all days of a history.
    @cached_property
    def _day_generator(self) -> DayGenerator:
        from callmocks.history.day_generator import DayGenerator

        return DayGenerator(self.key, self.world, self.directory)

    def prepare(self) -> None:
        """What is made once and takes long where people are many."""
        _ = self._day_generator
        self.lookups.build_large()

    @cached_property
    def empty_day(self) -> DayColumns:
        from callmocks.history.day_generator import make_empty_day

        return make_empty_day(self.world)

    @cached_property
    def days_per_batch(self) -> int:
        return self._day_generator.days_per_batch

    @cached_property
    def days_per_search(self) -> int:
        # A search generates in pieces between which others are served: of these calls, on average,
        # and of days whose times fit into 32 bits.
        days = SEARCH_CALLS // max(self.world.calls_per_day, 1)
        return min(max(days, 1), 24) if self.days_per_batch > 1 else 1

    def count_calls(self, day: int, days: int = 1) -> int:
        return self._day_generator.count_calls(day, days)

    def days_with_calls(self, first: int, last: int) -> list[int]:
        return self._day_generator.days_with_calls(first, last)

    def plan_days(self, first: int, days: int) -> tuple[Roster, list[DayPlan]]:
        return self._day_generator.centre.plan(first, days)

    def find_employed(self, day: int) -> BoolColumn:
        """By operator; all where nobody is."""
        employed: BoolColumn = self._day_generator.centre.are_employed(day, 1)[0]
        return employed if employed.any() else ~employed

    def list_colleagues(self, day: int, operator: int) -> list[int]:
        """Who is employed then, beginning with an operator and those after him in his group."""
        order: list[int] = self.directory.order_by_group(self.find_employed(day)).tolist()
        first = order.index(operator)
        return order[first:] + order[:first]

    def get_day(self, day: int) -> DayColumns:
        return self.get_days(day, 1)

    def get_days(self, first: int, count: int) -> DayColumns:
        return self.get_or_create(
            f"{count} days",
            first,
            lambda: self._day_generator.generate(first, count),
            lambda day: day.nbytes,
        )

    def split_into_batches(self, days: Iterable[int]) -> list[tuple[int, int]]:
        """First day and count of each batch of ascending days."""
        # Batches of all queries end at the same days: later queries find them in the cache.
        limit, batches = self.days_per_batch, [(0, 0)]
        for day in days:
            first, count = batches[-1]
            if day == first + count and day % limit:
                batches[-1] = (first, count + 1)
            else:
                batches.append((day, 1))
        return batches[1:]

    def get_view(self, view_name: str, day: int) -> DayView:
        return self._peek_view(view_name, day) or self._create_views(view_name, day, 1)[0]

    def get_views(self, view_name: str, days: Sequence[int]) -> list[DayView]:
        views = {day: self._peek_view(view_name, day) for day in days}
        missing = [day for day, view in views.items() if view is None]
        for first, count in self.split_into_batches(missing):
            created = self._create_views(view_name, first, count)
            views.update(zip(range(first, first + count), created, strict=True))
        return [view for view in views.values() if view is not None]

    def _peek_view(self, view_name: str, day: int) -> DayView | None:
        for name, first in ((view_name, day), self._batch_of.get((view_name, day)) or ("", 0)):
            views: list[DayView] | None = self.peek(name, first)
            if views is not None:
                return views[day - first]
        return None

    def _create_views(self, view_name: str, first: int, count: int) -> list[DayView]:
        name = view_name if count == 1 else f"{view_name} of {count}"

        def create() -> list[DayView]:
            frame = CALL_VIEWS[view_name].build(self.key, self.get_days(first, count), self.lookups)
            return _split_by_day(view_name, frame, first, count)

        if count > 1:
            days = range(first, first + count)
            self._batch_of |= {(view_name, day): (name, first) for day in days}
        return self.get_or_create(name, first, create, lambda days: sum(day.nbytes for day in days))

    def build_view(self, view_name: str, first: int, count: int) -> pl.DataFrame:
        """The rows of a batch, of which nothing is kept."""
        days = self._day_generator.generate(first, count)
        return CALL_VIEWS[view_name].build(self.key, days, self.lookups)

    def empty_frame(self, view_name: str) -> pl.DataFrame:
        if view_name not in self._empty_frames:
            build = CALL_VIEWS[view_name].build
            self._empty_frames[view_name] = build(self.key, self.empty_day, self.lookups)
        return self._empty_frames[view_name]

    def operator_legs(self, first: int, count: int = 1) -> arm.LegsByOperator:
        """By operator, of a day or of a batch."""
        return self.get_or_create(
            f"arm of {count}",
            first,
            lambda: self._split_operator_legs(first, count),
            lambda legs: legs.nbytes,
        )

    def _split_operator_legs(self, first: int, count: int) -> arm.LegsByOperator:
        # A search over years goes through batches of which nothing else is wanted: their days are
        # not cached, or they would drop everything else. Where a day is a batch, none of them is.
        cached = count == 1 and self.days_per_search > 1
        days = self.get_days(first, 1) if cached else self.peek(f"{count} days", first)
        days = days or self._day_generator.generate(first, count)
        return arm.LegsByOperator(arm.select_operator_legs(days))

    @cached_property
    def operator_indexes(self) -> dict[str, int]:
        """By number."""
        return {each.number: index for index, each in enumerate(self.directory.operators)}

    @cached_property
    def no_legs(self) -> arm.OperatorLegs:
        return arm.select_operator_legs(self.empty_day)

    def build_arm_rows(self, legs: arm.OperatorLegs) -> pl.DataFrame:
        return arm.build_arm_rows(self.key, legs, self.lookups)

    def get_or_create(
        self, name: Hashable, day: int, create: Callable[[], T], size_of: Callable[[T], int]
    ) -> T:
        """Providers cache their rendered rows of a day, too, under names of their own."""
        return self._cache.get_or_create((self.key, name, day), create, size_of)

    def peek(self, name: Hashable, day: int) -> Any | None:
        return self._cache.peek((self.key, name, day))


def _split_by_day(view_name: str, batch: pl.DataFrame, first: int, count: int) -> list[DayView]:
    starts, ends = batch["_start"].to_numpy(), batch[CALL_VIEWS[view_name].end_column].to_numpy()
    edges = np.searchsorted(starts, [day_start(first + offset) for offset in range(count + 1)])
    views = []
    for day, (begin, end) in enumerate(pairwise(edges.tolist()), first):
        frame = batch.slice(begin, end - begin)
        views.append(
            DayView(
                frame,
                starts[begin:end],
                ends[begin:end],
                int(ends[begin:end].max(initial=0)),
                _index_legs(frame, day) if view_name == "legs" else None,
            )
        )
    return views


def _index_legs(frame: pl.DataFrame, day: int) -> LegIndex:
    """Rows of a day's legs are those of one call after those of another."""
    rows = frame["id"].to_numpy() - ids.BASE - day * ids.DAY_SLOTS - ids.SESSION_SLOTS
    calls = frame["call_session_id"].to_numpy() - ids.BASE - day * ids.DAY_SLOTS
    position = np.empty(len(rows), np.int64)
    position[rows] = np.arange(len(rows))
    return LegIndex(position.data, np.concatenate(([0], np.cumsum(np.bincount(calls)))).data)
