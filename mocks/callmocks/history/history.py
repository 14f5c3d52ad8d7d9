"""One tenant's history: generated days and the tenant's pins, as they appear at some instant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from callmocks.contract.truth import Call
from callmocks.errors import TooManyRows
from callmocks.history import ids
from callmocks.history.arrivals import Arrivals
from callmocks.history.columns import DayColumns, LegRole
from callmocks.history.directory import Directory
from callmocks.history.generated_days import DayView, GeneratedDays
from callmocks.history.lags import NO_LAGS, Lag
from callmocks.history.pins import Pins
from callmocks.history.slices import FrameSlice, LegSlice
from callmocks.history.truth import iter_truth
from callmocks.history.views.arm import (
    LegsByOperator,
    OperatorLegs,
    concat_legs,
    sort_newest_first,
)
from callmocks.history.views.call_views import CALL_VIEWS
from callmocks.history.walk_index import WalkIndex, WalkStep
from callmocks.history.walltime import DAY_MS, DAYS, day_of, day_start

if TYPE_CHECKING:
    from callmocks.history.episodes import DayPlan
    from callmocks.history.roster import Roster

# Rows that a query may look at: in a window of CDR or 1C all legs, in ARM those of the operator.
ROW_BUDGET = 2_000_000
LONG_DAY_CALLS = 5000
MANY_PINS = 2000
# Legs that are generated to find an operator's; the default history has some 4 million by 2026.
GENERATION_BUDGET = 10_000_000
_STEP_BYTES = 300  # of the index of a walk
_SINGLE_DAYS = 2  # a walk back begins with days one by one: its page is often full by then


def require_row_budget(call_count: int) -> None:
    """``TooManyRows`` when a window's days hold more than ``ROW_BUDGET`` legs."""
    # A call has a little more than two legs.
    if 2 * call_count > ROW_BUDGET:
        raise TooManyRows(ROW_BUDGET)


class TalkRecord(msgspec.Struct, frozen=True):
    """The talk of one leg, and its audio, which ARM and CDR have from two instants on.

    The conversation is all of the call, from its first talk to the end of its last.
    """

    leg_id: int
    session_id: int
    communication_id: int
    talk_ms: int
    conversation_ms: int
    arm_from: int
    cdr_from: int


class History:
    """Times are wall times in milliseconds; frames have the columns of ``views``.

    Windows of CDR include both seconds; those of 1C and of the truth exclude their end. CDR and 1C
    show a call once it has ended and its lag is over. Slices come day by day, oldest first, pins in
    one of their own.
    """

    def __init__(
        self, generated: GeneratedDays, first_day: int = 0, lags: Mapping[str, Lag] = NO_LAGS
    ) -> None:
        self.generated = generated
        self.key = generated.key
        self.world = generated.world
        self.first_day = first_day
        self.last_day = DAYS - 1
        self.pins = Pins(generated, first_day)
        self.arrivals = Arrivals(generated, lags)

    @property
    def directory(self) -> Directory:
        return self.generated.directory

    # Windows

    def days_in_window(self, from_ms: int, before_ms: int, now_ms: int) -> list[int]:
        first, last = self._clip_days(from_ms, before_ms - 1)
        return self.generated.days_with_calls(first, min(last, day_of(now_ms)))

    @property
    def has_long_days(self) -> bool:
        """Whether a day takes so long to generate that it should not be done on the event loop."""
        return self.generated.days_per_batch == 1 and self.world.calls_per_day > LONG_DAY_CALLS

    @property
    def has_many_pins(self) -> bool:
        """Whether their frames, new after each change, take too long for the event loop."""
        return len(self.pins) > MANY_PINS

    def count_window_calls(self, from_ms: int, till_ms: int, now_ms: int) -> int:
        """Of the days that a window touches; none is generated for it."""
        first, last = self._clip_days(from_ms, till_ms)
        days = min(last, day_of(now_ms)) - first + 1
        return self.generated.count_calls(first, days) if days > 0 else 0

    def slice_legs(self, from_ms: int, till_ms: int, now_ms: int) -> list[FrameSlice]:
        return self._slice_view("legs", from_ms, (till_ms // 1000 + 1) * 1000, now_ms)

    def legs_between(self, from_ms: int, till_ms: int, now_ms: int) -> pl.DataFrame:
        return self.join_legs(self.slice_legs(from_ms, till_ms, now_ms))

    def join_legs(self, slices: list[FrameSlice]) -> pl.DataFrame:
        return self._join_slices("legs", slices)

    def slice_sessions(self, from_ms: int, till_ms: int, now_ms: int) -> list[FrameSlice]:
        return self._slice_view("sessions", from_ms, (till_ms // 1000 + 1) * 1000, now_ms)

    def sessions_between(self, from_ms: int, till_ms: int, now_ms: int) -> pl.DataFrame:
        return self._join_slices("sessions", self.slice_sessions(from_ms, till_ms, now_ms))

    def slice_service_calls(self, from_ms: int, before_ms: int, now_ms: int) -> list[FrameSlice]:
        return self._slice_view("onec", from_ms, before_ms, now_ms)

    def service_calls_between(self, from_ms: int, before_ms: int, now_ms: int) -> pl.DataFrame:
        return self._join_slices("onec", self.slice_service_calls(from_ms, before_ms, now_ms))

    def truth_between(self, from_ms: int, before_ms: int, now_ms: int) -> list[Call]:
        return list(chain.from_iterable(self.iter_truth(from_ms, before_ms, now_ms)))

    def iter_truth(self, from_ms: int, before_ms: int, now_ms: int) -> Iterator[list[Call]]:
        """In pieces, between which others may be served; some are empty."""
        first, last = self._clip_days(from_ms, min(before_ms - 1, now_ms))
        for day in range(first, last + 1):
            window = max(from_ms, day_start(day)), min(before_ms, day_start(day + 1))
            days = [self.generated.get_day(day)] if self.generated.count_calls(day) else []
            if len(pinned := self.pins.slice_batch(*window)):
                days.append(pinned)
            yield []
            yield from iter_truth(self, days, *window, now_ms)

    def _slice_view(self, name: str, from_ms: int, before_ms: int, now_ms: int) -> list[FrameSlice]:
        days = self.days_in_window(from_ms, before_ms, now_ms)
        lag_ms = self.arrivals.by_view[name].max_ms
        slices: list[FrameSlice] = []
        for day, view in zip(days, self.generated.get_views(name, days), strict=True):
            first, last = _find_rows(view, day, from_ms, before_ms)
            if view.last_end + lag_ms <= now_ms:
                slices.append(FrameSlice(view.frame, first, last, day))
            else:
                shown = self.arrivals.find_day(name, day)[first:last] <= now_ms
                found = view.frame[first:last].filter(pl.Series(shown))
                slices.append(FrameSlice(found, 0, len(found)))
        if self.pins:
            pinned = self.pins.view_frame(name)
            starts = pinned.get_column("_start").to_numpy()
            first, last = starts.searchsorted([from_ms, max(from_ms, before_ms)]).tolist()
            pinned = self.arrivals.keep_shown(name, pinned.slice(first, last - first), now_ms)
            slices.append(FrameSlice(pinned, 0, len(pinned)))
        return [each for each in slices if each.last > each.first]

    def _join_slices(self, view_name: str, slices: list[FrameSlice]) -> pl.DataFrame:
        frames = [each.to_frame() for each in slices] or [self.generated.empty_frame(view_name)]
        if len(frames) == 1:
            return frames[0]
        frame = pl.concat(frames, rechunk=False)
        return frame.sort("_start", CALL_VIEWS[view_name].id_column) if self.pins else frame

    def _clip_days(self, from_ms: int, till_ms: int) -> tuple[int, int]:
        return max(day_of(from_ms), self.first_day), min(day_of(till_ms), self.last_day)

    def plan_days(self, first: int, days: int) -> tuple[Roster, list[DayPlan]]:
        """Who works, and what fails for a while."""
        return self.generated.plan_days(first, days)

    def find_statuses(self, ms: int) -> list[str] | None:
        """Of each operator, ``employee_status_…``; None where nobody has a shift that day."""
        day = day_of(ms)
        if not self.first_day <= day <= self.last_day:
            return None
        roster: Roster = self.generated.get_or_create(
            "roster", day, lambda: self.plan_days(day, 1)[0], lambda roster: roster.nbytes
        )
        return roster.find_statuses(ms - day_start(day)) if roster.working.any() else None

    # Single calls

    def legs_of_session(self, session_id: int, now_ms: int) -> pl.DataFrame:
        address = self._check_address(ids.session_address(session_id))
        if address is not None and address[1] >= ids.PINNED_SESSION:
            pinned = self.pins.view_frame("legs").filter(pl.col("call_session_id") == session_id)
            return self.arrivals.keep_shown("legs", pinned, now_ms)
        located = self.leg_positions(session_id, now_ms)
        if located is None:
            return self.generated.empty_frame("legs")
        _, view, positions = located
        return view.frame[positions]

    def leg_positions(self, session_id: int, now_ms: int) -> tuple[int, DayView, list[int]] | None:
        """Day of a call that is there, its legs, and positions of the call's, by start.

        None when there is no such call, and for a pinned one, which is in no generated day.
        """
        address = self._check_address(ids.session_address(session_id))
        if address is None or address[1] >= ids.PINNED_SESSION:
            return None
        day, row = address
        view = self.generated.get_view("legs", day)
        assert view.legs is not None
        positions = view.legs.find_call(row)
        if view.last_end + self.arrivals.by_view["legs"].max_ms > now_ms:
            end = int(view.ends[positions[0]])
            if self.arrivals.find_session_times(end, session_id)[0] > now_ms:
                return None
        return day, view, positions

    def find_session(self, session_id: int, now_ms: int) -> pl.DataFrame:
        address = self._check_address(ids.session_address(session_id))
        return self._find_call("sessions", address, pl.col("id") == session_id, now_ms)

    def find_service_call(self, call_id: str, now_ms: int) -> pl.DataFrame:
        address = self._check_address(ids.call_uuid_address(self.key, call_id))
        return self._find_call("onec", address, pl.col("CallID") == call_id.lower(), now_ms)

    def _find_call(
        self, view_name: str, address: tuple[int, int] | None, condition: pl.Expr, now_ms: int
    ) -> pl.DataFrame:
        if address is None:
            return self.generated.empty_frame(view_name)
        day, row = address
        if row >= ids.PINNED_SESSION:
            frame = self.pins.view_frame(view_name)
        else:
            frame = self.generated.get_view(view_name, day).frame
            if view_name == "sessions":  # the only view with a row for every call
                frame = frame.slice(row, 1)
        return self.arrivals.keep_shown(view_name, frame.filter(condition), now_ms)

    def find_record(self, record_id: str) -> TalkRecord | None:
        leg_id = ids.record_leg(self.key, record_id.lower())
        located = None if leg_id is None else self._find_leg(ids.leg_address(leg_id))
        if leg_id is None or located is None:
            return None
        day, leg = located
        call = int(day.legs.call[leg])
        talk = int(day.legs.end[leg] - day.legs.connect[leg])
        expected_id = ids.record_ids(self.key, np.array([leg_id]), np.array([talk]))[0]
        if expected_id != record_id.lower() or not day.calls.recorded[call]:
            return None
        row, midnight = day.calls.row[call : call + 1], day_start(day.first_day)
        session_id = int(ids.session_id(day.first_day, row)[0])
        return TalkRecord(
            leg_id,
            session_id,
            int(ids.communication_id(day.first_day, row)[0]),
            talk,
            _conversation_ms(day, call),
            self.arrivals.find_leg_times(midnight + int(day.legs.end[leg]), session_id)[1],
            self.arrivals.find_session_times(midnight + int(day.calls.end[call]), session_id)[1],
        )

    def _check_address(self, address: tuple[int, int] | None) -> tuple[int, int] | None:
        """None when this history cannot have the call: not generated on that day, nor pinned."""
        if address is None or not self.first_day <= address[0] <= self.last_day:
            return None
        day, row = address
        exists = row >= ids.PINNED_SESSION or row < self.generated.count_calls(day)
        return address if exists else None

    def _find_leg(self, address: tuple[int, int] | None) -> tuple[DayColumns, int] | None:
        if address is None or not self.first_day <= address[0] <= self.last_day:
            return None
        day, row = address
        if row >= ids.PINNED_LEG:
            pinned = self.pins.find_by_leg(day, row)
            return None if pinned is None else (pinned, row - int(pinned.legs.row[0]))
        generated = self.generated.get_day(day)
        return (generated, row) if row < len(generated.legs.row) else None

    # ARM

    def slice_operator_legs(
        self,
        operator: str,
        newest_ms: int,
        oldest_ms: int,
        steps: WalkIndex | None = None,
        behind: WalkStep | None = None,
    ) -> Iterator[LegSlice]:
        """Legs of an operator (by number), newest first, of unfinished calls too; some are empty.

        The steps of the walk are added to ``steps``; it begins ``behind`` one of them.
        ``TooManyRows`` when more than ``ROW_BUDGET`` of them were read, or more than
        ``GENERATION_BUDGET`` legs generated.
        """
        index = self.operator_index(operator)
        if index < 0:
            return
        pinned = self.pins.operator_legs.get(index) if self.pins else None
        pinned_days = set() if pinned is None else set(map(day_of, pinned.start.tolist()))
        oldest, newest = self._clip_days(oldest_ms, newest_ms)
        step = behind or WalkStep(newest + 1, 0, 0)
        rows_read = step.rows
        for day, count, generated in self._batches_newest_first(oldest, newest, pinned_days, step):
            by_operator = self.generated.operator_legs(day, count)
            cached_day = None if day in pinned_days else day
            if pinned is not None and day in pinned_days:
                own = by_operator.get(index, self.generated.no_legs)
                by_operator = LegsByOperator(_merge_pinned(own, pinned, day))
            legs = by_operator.legs
            first, last = by_operator.find_positions(index)
            rows_read += last - first
            if rows_read > ROW_BUDGET:
                raise TooManyRows(ROW_BUDGET)
            if newest_ms < day_start(day + count):
                first = last - legs.count_started_before(first, last, newest_ms + 1)
            if oldest_ms > day_start(day):
                last -= legs.count_started_before(first, last, oldest_ms)
            if steps is not None:
                steps.add(WalkStep(day, rows_read, generated))
            yield LegSlice(
                legs, first, max(first, last), by_operator.last_release, cached_day, count
            )

    def get_walk_index(
        self, operator: str, newest: int, create: Callable[[], WalkIndex]
    ) -> WalkIndex:
        """Of walks without pins, from a day to the first one."""
        steps = (newest - self.first_day) // self.generated.days_per_search + _SINGLE_DAYS
        return self.generated.get_or_create(
            ("arm.walk", operator, self.first_day),
            newest,
            create,
            lambda _: max(steps, 1) * _STEP_BYTES,
        )

    def arm_frames(self, operator: str, newest_ms: int, oldest_ms: int) -> Iterator[pl.DataFrame]:
        """``_release`` is when the row is there as that of a finished call."""
        for part in self.slice_operator_legs(operator, newest_ms, oldest_ms):
            if part.first == part.last:
                continue
            legs = part.legs.take(slice(part.first, part.last))
            frame = self.generated.build_arm_rows(legs)
            yield frame.with_columns(_release=self.arrivals.find_arm_times(legs)[0])

    def _batches_newest_first(
        self, oldest: int, newest: int, pinned_days: set[int], behind: WalkStep
    ) -> Iterator[tuple[int, int, int]]:
        """First day, count, and legs of all batches so far; days with pins come one by one."""
        generated, limit, last = behind.legs, self.generated.days_per_search, behind.day - 1
        while last >= oldest:
            is_single = last > newest - _SINGLE_DAYS
            first = last if is_single else max(last - last % limit, oldest)
            batches = [(first, last - first + 1)]
            if pinned_days and not pinned_days.isdisjoint(range(first, last + 1)):
                batches = [(day, 1) for day in range(last, first - 1, -1)]
            for day, length in batches:
                legs = 2 * self.generated.count_calls(day, length)
                if not legs and day not in pinned_days:
                    continue
                if generated > GENERATION_BUDGET:
                    raise TooManyRows(GENERATION_BUDGET)
                generated += legs
                yield day, length, generated
            last = first - 1

    def operator_index(self, number: str) -> int:
        return self.generated.operator_indexes.get(number, -1)


def _conversation_ms(day: DayColumns, call: int) -> int:
    first = int(day.calls.first_leg[call])
    own = slice(first, first + int(day.calls.leg_count[call]))
    role, connect = day.legs.role[own], day.legs.connect[own]
    talks = (connect >= 0) & (role != LegRole.SUBSCRIBER) & (role != LegRole.COACH)
    return int(day.legs.end[own][talks].max() - connect[talks].min())


def _find_rows(view: DayView, day: int, from_ms: int, before_ms: int) -> tuple[int, int]:
    first, last = 0, len(view.starts)
    midnight = day_start(day)
    if from_ms > midnight:
        first = int(view.starts.searchsorted(from_ms))
    if before_ms < midnight + DAY_MS:
        last = int(view.starts.searchsorted(before_ms))
    return first, max(first, last)


def _merge_pinned(legs: OperatorLegs, pinned: OperatorLegs, day: int) -> OperatorLegs:
    start = pinned.start
    on_day = np.flatnonzero((start >= day_start(day)) & (start < day_start(day + 1)))
    return sort_newest_first(concat_legs([pinned.take(on_day), legs]))
