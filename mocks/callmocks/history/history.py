"""One tenant's history: what was drawn, plus what the tenant pinned, seen up to some instant.

All times are wall times in milliseconds (see ``wall``); frames have the columns of ``views``.
Every query costs the days it touches and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from callmocks.contract.truth import Call
from callmocks.errors import TooManyRows
from callmocks.history import ids
from callmocks.history.columns import DayColumns
from callmocks.history.generated_days import DayView, GeneratedDays
from callmocks.history.pins import Pins
from callmocks.history.truth import collect_truth
from callmocks.history.walltime import DAY_MS, DAYS, day_of, day_start

if TYPE_CHECKING:
    pass

ROW_BUDGET = 2_000_000
"""Legs an open-ended query may look at before its page must be full."""
_SINGLE_DAYS = 2
"""Newest days that are drawn by themselves when a query walks back."""


@dataclass(frozen=True, slots=True)
class FrameSlice:
    """The matching rows of one day, or of ``days`` in a row from ``day`` on.

    ``frame`` is the day's (the days') own frame when ``day`` is a number: rows ``first`` to
    ``last`` (not included) match, and work done on it once can be kept. Without ``day`` the frame
    was made for this query.
    """

    frame: pl.DataFrame
    first: int
    last: int
    day: int | None = None
    days: int = 1

    def to_frame(self) -> pl.DataFrame:
        """The matching rows."""
        return self.frame.slice(self.first, self.last - self.first)


@dataclass(frozen=True, slots=True)
class TalkRecord:
    """What a record id leads to: the talk of one leg."""

    leg_id: int
    session_id: int
    communication_id: int
    talk_ms: int
    """Length of the talk, and of its audio."""
    leg_end: int
    """Wall time at which that leg was released: the workplace shows it from then on."""
    call_end: int
    """Wall time at which the whole call ended: the Data API shows it from then on."""


class History:
    """The calls of one tenant."""

    def __init__(self, generated: GeneratedDays, first_day: int = 0) -> None:
        self.generated = generated
        self.key = generated.key
        self.world = generated.world
        self.directory = generated.directory
        self.first_day = first_day
        self.last_day = DAYS - 1
        self.pins = Pins(generated.key, generated.directory, generated.lookups, generated.world)

    def slice_legs(self, from_ms: int, till_ms: int, now_ms: int) -> list[FrameSlice]:
        """CDR legs that start in a window (both seconds included) of calls ended at ``now_ms``.

        One part a day, oldest first; pinned legs are a part of their own at the end.
        """
        before = (till_ms // 1000 + 1) * 1000
        parts = self._slice_days("legs", from_ms, before, now_ms, "_call_end")
        if self.pins:
            parts.append(_slice_pins(self.pins.legs, from_ms, before, now_ms, "_call_end"))
        return [part for part in parts if part.last > part.first]

    def days_in_window(self, from_ms: int, before_ms: int, now_ms: int) -> list[int]:
        """Days with drawn calls that a window [from, before) touches and that have begun."""
        return self._days(from_ms, before_ms, now_ms)

    def require_row_budget(self, from_ms: int, till_ms: int, now_ms: int) -> None:
        """``TooManyRows`` when the days of a window hold more than ``ROW_BUDGET`` legs.

        Nothing is drawn to tell: a call has a little more than two legs.
        """
        first, last = (
            self._clip_to_first_day(from_ms),
            min(self._clip_to_last_day(till_ms), day_of(now_ms)),
        )
        if first <= last and 2 * self.generated.count_calls(first, last - first + 1) > ROW_BUDGET:
            raise TooManyRows(ROW_BUDGET)

    def legs_between(self, from_ms: int, till_ms: int, now_ms: int) -> pl.DataFrame:
        """The legs of ``leg_parts`` as one frame, by exact start, then id."""
        return self.join_legs(self.slice_legs(from_ms, till_ms, now_ms))

    def join_legs(self, slices: list[FrameSlice]) -> pl.DataFrame:
        """Parts of legs as one frame, by exact start, then id."""
        frame = _concat_frames([part.to_frame() for part in slices])
        frame = self.empty_legs if frame is None else frame
        return frame.sort("_start", "id") if self.pins else frame

    def slice_sessions(self, from_ms: int, till_ms: int, now_ms: int) -> list[FrameSlice]:
        """CDR sessions, by the rules of ``leg_parts``."""
        before = (till_ms // 1000 + 1) * 1000
        parts = self._slice_days("sessions", from_ms, before, now_ms, "_call_end")
        if self.pins:
            parts.append(_slice_pins(self.pins.sessions, from_ms, before, now_ms, "_call_end"))
        return [part for part in parts if part.last > part.first]

    def sessions_between(self, from_ms: int, till_ms: int, now_ms: int) -> pl.DataFrame:
        """The sessions of ``session_parts`` as one frame, by exact start, then id."""
        frame = _concat_frames(
            [p.to_frame() for p in self.slice_sessions(from_ms, till_ms, now_ms)]
        )
        frame = self.empty_sessions if frame is None else frame
        return frame.sort("_start", "id") if self.pins else frame

    def legs_of_session(self, session_id: int, now_ms: int) -> pl.DataFrame:
        """The legs of an ended call, by start; no row when there is no such call."""
        found = self._check_session_address(ids.session_address(session_id))
        if found is None:
            return self.empty_legs
        day, row = found
        if row >= ids.PINNED_SESSION:
            legs = self.pins.legs
            return legs.filter(
                (pl.col("call_session_id") == session_id) & (pl.col("_call_end") <= now_ms)
            )
        places = self._leg_positions_in_day(day, row, now_ms)
        return self.empty_legs if places is None else self.generated.legs_view(day).frame[places]

    def leg_positions(self, session_id: int, now_ms: int) -> tuple[int, list[int]] | None:
        """Day and places (in that day's legs frame) of an ended call's legs, by start.

        None when there is no such call, and for a pinned one, which is in no drawn day.
        """
        found = self._check_session_address(ids.session_address(session_id))
        if found is None or found[1] >= ids.PINNED_SESSION:
            return None
        places = self._leg_positions_in_day(*found, now_ms)
        return None if places is None else (found[0], places)

    def _leg_positions_in_day(self, day: int, row: int, now_ms: int) -> list[int] | None:
        calls, view = self.generated.get_day(day).calls, self.generated.legs_view(day)
        if view.position is None or day_start(day) + int(calls.end[row]) > now_ms:
            return None
        first = int(calls.first_leg[row])
        places: list[int] = view.position[first : first + int(calls.leg_count[row])].tolist()
        return sorted(places)

    def find_session(self, session_id: int, now_ms: int) -> pl.DataFrame:
        """The ended session of that id: one row, or none."""
        found = self._check_session_address(ids.session_address(session_id))
        if found is None:
            return self.empty_sessions
        day, row = found
        if row >= ids.PINNED_SESSION:
            frame = self.pins.sessions.filter(pl.col("id") == session_id)
        else:
            frame = self.generated.sessions_view(day).frame.slice(row, 1)
        return frame.filter(pl.col("_call_end") <= now_ms)

    def slice_arm_rows(self, operator: str, newest_ms: int, oldest_ms: int) -> Iterator[FrameSlice]:
        """Rows of an operator (by number) that start in a window, newest day and row first.

        A part is a day, or several when the window goes on behind the newest ones; a day that has
        pinned rows too is made for the query. Unfinished calls are included, by ``_release``.
        ``TooManyRows`` when more than ``ROW_BUDGET`` legs were looked at.
        """
        index = self.operator_index(operator)
        if index < 0:
            return
        pinned = self.pins.arm_rows.get(index) if self.pins else None
        pinned_days = set() if pinned is None else {day_of(ms) for ms in pinned["_start"].to_list()}
        oldest, newest = self._clip_to_first_day(oldest_ms), self._clip_to_last_day(newest_ms)
        for day, count in self._batches_newest_first(oldest, newest, pinned_days):
            if count == 1:
                frame = self._arm_rows_of_day(day, index, pinned if day in pinned_days else None)
            else:
                frame = self.generated.arm_rows_of_operator(day, count, index)
            first, last = 0, len(frame)
            if newest_ms < day_start(day + count) or oldest_ms > day_start(day):
                ascending = frame["_start"].to_numpy()[::-1]
                first = last - int(np.searchsorted(ascending, newest_ms, side="right"))
                last -= int(np.searchsorted(ascending, oldest_ms))
            if first < last:
                yield FrameSlice(frame, first, last, None if day in pinned_days else day, count)

    def _batches_newest_first(
        self, oldest: int, newest: int, single_days: set[int]
    ) -> Iterator[tuple[int, int]]:
        """Stretches of days with calls, newest first; days in ``apart`` have some and stand alone.

        The newest days go one by one, for a page is soon full; so do those at the budget's end.
        """
        looked = 0
        for first, count in self._split_backwards(oldest, newest):
            days = range(first, first + count)
            rows = 2 * self.generated.count_calls(first, count)
            if count > 1 and looked + rows <= ROW_BUDGET and single_days.isdisjoint(days):
                looked += rows
                if rows:
                    yield first, count
                continue
            for day in reversed(days):
                here = rows if count == 1 else 2 * self.generated.count_calls(day)
                if here or day in single_days:
                    if looked > ROW_BUDGET:
                        raise TooManyRows(ROW_BUDGET)
                    looked += here
                    yield day, 1

    def _split_backwards(self, oldest: int, newest: int) -> Iterator[tuple[int, int]]:
        split = max(newest - _SINGLE_DAYS + 1, oldest)
        yield from ((day, 1) for day in range(newest, split - 1, -1))
        last, most = split - 1, self.generated.days_per_batch
        while last >= oldest:
            first = max(last - last % most, oldest)
            yield first, last - first + 1
            last = first - 1

    def arm_frames(self, operator: str, newest_ms: int, oldest_ms: int) -> Iterator[pl.DataFrame]:
        """The rows of ``arm_parts``: a frame a day, or of some days in a row."""
        for part in self.slice_arm_rows(operator, newest_ms, oldest_ms):
            yield part.to_frame()

    def service_calls_between(self, from_ms: int, till_ms: int, now_ms: int) -> pl.DataFrame:
        """1C calls that start in a window (end not included) and have ended at ``now_ms``."""
        parts = self.slice_service_calls(from_ms, till_ms, now_ms)
        frame = _concat_frames([part.to_frame() for part in parts])
        frame = self.generated.empty_frame("onec") if frame is None else frame
        return frame.sort("_start", "_session_id") if self.pins else frame

    def slice_service_calls(self, from_ms: int, till_ms: int, now_ms: int) -> list[FrameSlice]:
        """The rows of ``service_calls``, day by day; pinned ones are a part at the end."""
        parts = self._slice_days("onec", from_ms, till_ms, now_ms, "_end")
        if self.pins:
            parts.append(_slice_pins(self.pins.service_calls, from_ms, till_ms, now_ms, "_end"))
        return [part for part in parts if part.last > part.first]

    def find_service_call(self, call_id: str, now_ms: int) -> pl.DataFrame:
        """The ended 1C call of that CallID: one row, or none."""
        found = self._check_session_address(ids.call_uuid_address(self.key, call_id))
        nothing = self.generated.empty_frame("onec")
        if found is None:
            return nothing
        day, row = found
        pinned = row >= ids.PINNED_SESSION
        frame = self.pins.service_calls if pinned else self.generated.service_calls_view(day).frame
        return frame.filter((pl.col("CallID") == call_id.lower()) & (pl.col("_end") <= now_ms))

    def truth_between(self, from_ms: int, till_ms: int, now_ms: int) -> list[Call]:
        """Calls that start in a window (end not included), with their ids in each view."""
        days = [self.generated.get_day(day) for day in self._days(from_ms, till_ms, now_ms)]
        days += self.pins.days
        return collect_truth(self, days, from_ms, till_ms, now_ms)

    def find_record(self, record_id: str) -> TalkRecord | None:
        """The talk a record id leads to; None when this history has no such record."""
        leg = ids.record_leg(self.key, record_id.lower())
        found = None if leg is None else self._find_leg(ids.leg_address(leg))
        if leg is None or found is None:
            return None
        day, place = found
        call = int(day.legs.call[place])
        talk = int(day.legs.end[place] - day.legs.connect[place])
        made = ids.record_ids(self.key, np.array([leg]), np.array([talk]))[0]
        if made != record_id.lower() or not day.calls.recorded[call]:
            return None
        row = day.calls.row[call : call + 1]
        return TalkRecord(
            leg,
            int(ids.session_id(day.first_day, row)[0]),
            int(ids.communication_id(day.first_day, row)[0]),
            talk,
            day_start(day.first_day) + int(day.legs.end[place]),
            day_start(day.first_day) + int(day.calls.end[call]),
        )

    def operator_index(self, number: str) -> int:
        """Index of the operator with that internal number; -1 when there is none."""
        numbers = [person.number for person in self.directory.operators]
        return numbers.index(number) if number in numbers else -1

    @property
    def empty_legs(self) -> pl.DataFrame:
        """A legs frame without rows."""
        return self.generated.empty_frame("legs")

    @property
    def empty_sessions(self) -> pl.DataFrame:
        """A sessions frame without rows."""
        return self.generated.empty_frame("sessions")

    def _slice_days(
        self, view_name: str, from_ms: int, before_ms: int, now_ms: int, end_column: str
    ) -> list[FrameSlice]:
        days = self._days(from_ms, before_ms, now_ms)
        return [
            _slice_view(view, day, from_ms, before_ms, now_ms, end_column)
            for day, view in zip(days, self.generated.get_views(view_name, days), strict=True)
        ]

    def _arm_rows_of_day(self, day: int, index: int, pinned: pl.DataFrame | None) -> pl.DataFrame:
        """Rows of one operator and day, newest first."""
        drawn = self.generated.arm_rows_by_operator(day).get(index)
        if pinned is None:
            return self.pins.no_arm_rows if drawn is None else drawn
        here = pl.col("_start").is_between(day_start(day), day_start(day + 1) - 1)
        frames = [pinned.filter(here)] if drawn is None else [drawn, pinned.filter(here)]
        return pl.concat(frames).sort("_start", "_leg_id", descending=True)

    def _days(self, from_ms: int, before_ms: int, now_ms: int) -> list[int]:
        """Days with drawn calls that a window [from, before) touches and that have begun."""
        last = min(self._clip_to_last_day(before_ms - 1), day_of(now_ms))
        return self.generated.days_with_calls(self._clip_to_first_day(from_ms), last)

    def _clip_to_last_day(self, ms: int) -> int:
        return min(day_of(ms), self.last_day)

    def _clip_to_first_day(self, ms: int) -> int:
        return max(day_of(ms), self.first_day)

    def _check_session_address(self, address: tuple[int, int] | None) -> tuple[int, int] | None:
        """Day and row of a call that this history may have: drawn on that day, or pinned."""
        if address is None or not self.first_day <= address[0] <= self.last_day:
            return None
        day, row = address
        return (
            address if row >= ids.PINNED_SESSION or row < self.generated.count_calls(day) else None
        )

    def _find_leg(self, address: tuple[int, int] | None) -> tuple[DayColumns, int] | None:
        """The calls among which a leg is, and its place among their legs."""
        if address is None or not self.first_day <= address[0] <= self.last_day:
            return None
        day, row = address
        if row >= ids.PINNED_LEG:
            pinned = self.pins.find_by_leg(day, row)
            return None if pinned is None else (pinned, row - int(pinned.legs.row[0]))
        drawn = self.generated.get_day(day)
        return (drawn, row) if row < len(drawn.legs.row) else None


def _slice_view(
    view: DayView, day: int, from_ms: int, before_ms: int, now_ms: int, end_column: str
) -> FrameSlice:
    first, last = 0, len(view.starts)
    begins = day_start(day)
    if from_ms > begins:
        first = int(view.starts.searchsorted(from_ms))
    if before_ms < begins + DAY_MS:
        last = int(view.starts.searchsorted(before_ms))
    if view.last_end <= now_ms:
        return FrameSlice(view.frame, first, last, day)
    ended = view.frame.slice(first, max(last - first, 0)).filter(pl.col(end_column) <= now_ms)
    return FrameSlice(ended, 0, len(ended))


def _slice_pins(
    frame: pl.DataFrame, from_ms: int, before_ms: int, now_ms: int, end_column: str
) -> FrameSlice:
    here = (
        (pl.col("_start") >= from_ms)
        & (pl.col("_start") < before_ms)
        & (pl.col(end_column) <= now_ms)
    )
    rows = frame.filter(here)
    return FrameSlice(rows, 0, len(rows))


def _concat_frames(frames: list[pl.DataFrame]) -> pl.DataFrame | None:
    if not frames:
        return None
    return frames[0] if len(frames) == 1 else pl.concat(frames, rechunk=False)
