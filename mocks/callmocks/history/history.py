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

from callmocks.errors import TooManyRows
from callmocks.history import ids
from callmocks.history.columns import Day
from callmocks.history.generated_days import Drawn, View
from callmocks.history.pins import Pins
from callmocks.history.truth import truth
from callmocks.history.walltime import DAY_MS, DAYS, day_of, day_start

if TYPE_CHECKING:
    pass

ROW_BUDGET = 2_000_000
"""Legs an open-ended query may look at before its page must be full."""
_ONE_BY_ONE = 2
"""Newest days that are drawn by themselves when a query walks back."""


@dataclass(frozen=True, slots=True)
class Part:
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

    def rows(self) -> pl.DataFrame:
        """The matching rows."""
        return self.frame.slice(self.first, self.last - self.first)


@dataclass(frozen=True, slots=True)
class Record:
    """What a record id leads to: the talk of one leg."""

    leg_id: int
    session_id: int
    communication_id: int
    talk_ms: int
    """Length of the talk, and of its audio."""
    released: int
    """Wall time at which that leg was released: the workplace shows it from then on."""
    end: int
    """Wall time at which the whole call ended: the Data API shows it from then on."""


class History:
    """The calls of one tenant."""

    def __init__(self, drawn: Drawn, first_day: int = 0) -> None:
        self.drawn = drawn
        self.key = drawn.key
        self.world = drawn.world
        self.cast = drawn.cast
        self.first_day = first_day
        self.last_day = DAYS - 1
        self.pins = Pins(drawn.key, drawn.cast, drawn.lookups, drawn.world)

    def leg_parts(self, from_ms: int, till_ms: int, now_ms: int) -> list[Part]:
        """CDR legs that start in a window (both seconds included) of calls ended at ``now_ms``.

        One part a day, oldest first; pinned legs are a part of their own at the end.
        """
        before = (till_ms // 1000 + 1) * 1000
        parts = self._parts("legs", from_ms, before, now_ms, "_call_end")
        if self.pins:
            parts.append(_pinned(self.pins.legs, from_ms, before, now_ms, "_call_end"))
        return [part for part in parts if part.last > part.first]

    def days_of(self, from_ms: int, before_ms: int, now_ms: int) -> list[int]:
        """Days with drawn calls that a window [from, before) touches and that have begun."""
        return self._days(from_ms, before_ms, now_ms)

    def require_budget(self, from_ms: int, till_ms: int, now_ms: int) -> None:
        """``TooManyRows`` when the days of a window hold more than ``ROW_BUDGET`` legs.

        Nothing is drawn to tell: a call has a little more than two legs.
        """
        first, last = self._clip_low(from_ms), min(self._clip(till_ms), day_of(now_ms))
        if first <= last and 2 * self.drawn.calls_on(first, last - first + 1) > ROW_BUDGET:
            raise TooManyRows(ROW_BUDGET)

    def legs(self, from_ms: int, till_ms: int, now_ms: int) -> pl.DataFrame:
        """The legs of ``leg_parts`` as one frame, by exact start, then id."""
        return self.join(self.leg_parts(from_ms, till_ms, now_ms))

    def join(self, parts: list[Part]) -> pl.DataFrame:
        """Parts of legs as one frame, by exact start, then id."""
        frame = _together([part.rows() for part in parts])
        frame = self.no_legs if frame is None else frame
        return frame.sort("_start", "id") if self.pins else frame

    def session_parts(self, from_ms: int, till_ms: int, now_ms: int) -> list[Part]:
        """CDR sessions, by the rules of ``leg_parts``."""
        before = (till_ms // 1000 + 1) * 1000
        parts = self._parts("sessions", from_ms, before, now_ms, "_call_end")
        if self.pins:
            parts.append(_pinned(self.pins.sessions, from_ms, before, now_ms, "_call_end"))
        return [part for part in parts if part.last > part.first]

    def sessions(self, from_ms: int, till_ms: int, now_ms: int) -> pl.DataFrame:
        """The sessions of ``session_parts`` as one frame, by exact start, then id."""
        frame = _together([p.rows() for p in self.session_parts(from_ms, till_ms, now_ms)])
        frame = self.no_sessions if frame is None else frame
        return frame.sort("_start", "id") if self.pins else frame

    def legs_of_session(self, session_id: int, now_ms: int) -> pl.DataFrame:
        """The legs of an ended call, by start; no row when there is no such call."""
        found = self._session_place(ids.session_address(session_id))
        if found is None:
            return self.no_legs
        day, row = found
        if row >= ids.PINNED_SESSION:
            legs = self.pins.legs
            return legs.filter(
                (pl.col("call_session_id") == session_id) & (pl.col("_call_end") <= now_ms)
            )
        places = self._leg_places(day, row, now_ms)
        return self.no_legs if places is None else self.drawn.legs(day).frame[places]

    def leg_places(self, session_id: int, now_ms: int) -> tuple[int, list[int]] | None:
        """Day and places (in that day's legs frame) of an ended call's legs, by start.

        None when there is no such call, and for a pinned one, which is in no drawn day.
        """
        found = self._session_place(ids.session_address(session_id))
        if found is None or found[1] >= ids.PINNED_SESSION:
            return None
        places = self._leg_places(*found, now_ms)
        return None if places is None else (found[0], places)

    def _leg_places(self, day: int, row: int, now_ms: int) -> list[int] | None:
        calls, view = self.drawn.day(day).calls, self.drawn.legs(day)
        if view.position is None or day_start(day) + int(calls.end[row]) > now_ms:
            return None
        first = int(calls.first_leg[row])
        places: list[int] = view.position[first : first + int(calls.legs[row])].tolist()
        return sorted(places)

    def session(self, session_id: int, now_ms: int) -> pl.DataFrame:
        """The ended session of that id: one row, or none."""
        found = self._session_place(ids.session_address(session_id))
        if found is None:
            return self.no_sessions
        day, row = found
        if row >= ids.PINNED_SESSION:
            frame = self.pins.sessions.filter(pl.col("id") == session_id)
        else:
            frame = self.drawn.sessions(day).frame.slice(row, 1)
        return frame.filter(pl.col("_call_end") <= now_ms)

    def arm_parts(self, operator: str, newest_ms: int, oldest_ms: int) -> Iterator[Part]:
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
        oldest, newest = self._clip_low(oldest_ms), self._clip(newest_ms)
        for day, count in self._downwards(oldest, newest, pinned_days):
            if count == 1:
                frame = self._operator_day(day, index, pinned if day in pinned_days else None)
            else:
                frame = self.drawn.arm_rows_of(day, count, index)
            first, last = 0, len(frame)
            if newest_ms < day_start(day + count) or oldest_ms > day_start(day):
                ascending = frame["_start"].to_numpy()[::-1]
                first = last - int(np.searchsorted(ascending, newest_ms, side="right"))
                last -= int(np.searchsorted(ascending, oldest_ms))
            if first < last:
                yield Part(frame, first, last, None if day in pinned_days else day, count)

    def _downwards(self, oldest: int, newest: int, apart: set[int]) -> Iterator[tuple[int, int]]:
        """Stretches of days with calls, newest first; days in ``apart`` have some and stand alone.

        The newest days go one by one, for a page is soon full; so do those at the budget's end.
        """
        looked = 0
        for first, count in self._stretches_back(oldest, newest):
            days = range(first, first + count)
            rows = 2 * self.drawn.calls_on(first, count)
            if count > 1 and looked + rows <= ROW_BUDGET and apart.isdisjoint(days):
                looked += rows
                if rows:
                    yield first, count
                continue
            for day in reversed(days):
                here = rows if count == 1 else 2 * self.drawn.calls_on(day)
                if here or day in apart:
                    if looked > ROW_BUDGET:
                        raise TooManyRows(ROW_BUDGET)
                    looked += here
                    yield day, 1

    def _stretches_back(self, oldest: int, newest: int) -> Iterator[tuple[int, int]]:
        split = max(newest - _ONE_BY_ONE + 1, oldest)
        yield from ((day, 1) for day in range(newest, split - 1, -1))
        last, most = split - 1, self.drawn.together
        while last >= oldest:
            first = max(last - last % most, oldest)
            yield first, last - first + 1
            last = first - 1

    def arm_days(self, operator: str, newest_ms: int, oldest_ms: int) -> Iterator[pl.DataFrame]:
        """The rows of ``arm_parts``: a frame a day, or of some days in a row."""
        for part in self.arm_parts(operator, newest_ms, oldest_ms):
            yield part.rows()

    def service_calls(self, from_ms: int, till_ms: int, now_ms: int) -> pl.DataFrame:
        """1C calls that start in a window (end not included) and have ended at ``now_ms``."""
        parts = self.service_call_parts(from_ms, till_ms, now_ms)
        frame = _together([part.rows() for part in parts])
        frame = self.drawn.nothing("onec") if frame is None else frame
        return frame.sort("_start", "_session_id") if self.pins else frame

    def service_call_parts(self, from_ms: int, till_ms: int, now_ms: int) -> list[Part]:
        """The rows of ``service_calls``, day by day; pinned ones are a part at the end."""
        parts = self._parts("onec", from_ms, till_ms, now_ms, "_end")
        if self.pins:
            parts.append(_pinned(self.pins.service_calls, from_ms, till_ms, now_ms, "_end"))
        return [part for part in parts if part.last > part.first]

    def service_call(self, call_id: str, now_ms: int) -> pl.DataFrame:
        """The ended 1C call of that CallID: one row, or none."""
        found = self._session_place(ids.call_uuid_address(self.key, call_id))
        nothing = self.drawn.nothing("onec")
        if found is None:
            return nothing
        day, row = found
        pinned = row >= ids.PINNED_SESSION
        frame = self.pins.service_calls if pinned else self.drawn.service_calls(day).frame
        return frame.filter((pl.col("CallID") == call_id.lower()) & (pl.col("_end") <= now_ms))

    def truth(self, from_ms: int, till_ms: int, now_ms: int) -> list[dict[str, object]]:
        """Calls that start in a window (end not included), with their ids in each view."""
        days = [self.drawn.day(day) for day in self._days(from_ms, till_ms, now_ms)]
        days += self.pins.days
        return truth(self, days, from_ms, till_ms, now_ms)

    def record(self, record_id: str) -> Record | None:
        """The talk a record id leads to; None when this history has no such record."""
        leg = ids.record_leg(self.key, record_id.lower())
        found = None if leg is None else self._day_of_leg(ids.leg_address(leg))
        if leg is None or found is None:
            return None
        day, place = found
        call = int(day.legs.call[place])
        talk = int(day.legs.end[place] - day.legs.connect[place])
        made = ids.record_ids(self.key, np.array([leg]), np.array([talk]))[0]
        if made != record_id.lower() or not day.calls.recorded[call]:
            return None
        row = day.calls.row[call : call + 1]
        return Record(
            leg,
            int(ids.session_id(day.day, row)[0]),
            int(ids.communication_id(day.day, row)[0]),
            talk,
            day_start(day.day) + int(day.legs.end[place]),
            day_start(day.day) + int(day.calls.end[call]),
        )

    def operator_index(self, number: str) -> int:
        """Index of the operator with that internal number; -1 when there is none."""
        numbers = [person.number for person in self.cast.operators]
        return numbers.index(number) if number in numbers else -1

    @property
    def no_legs(self) -> pl.DataFrame:
        """A legs frame without rows."""
        return self.drawn.nothing("legs")

    @property
    def no_sessions(self) -> pl.DataFrame:
        """A sessions frame without rows."""
        return self.drawn.nothing("sessions")

    def _parts(self, what: str, from_ms: int, before_ms: int, now_ms: int, end: str) -> list[Part]:
        days = self._days(from_ms, before_ms, now_ms)
        return [
            _part(view, day, from_ms, before_ms, now_ms, end)
            for day, view in zip(days, self.drawn.views(what, days), strict=True)
        ]

    def _operator_day(self, day: int, index: int, pinned: pl.DataFrame | None) -> pl.DataFrame:
        """Rows of one operator and day, newest first."""
        drawn = self.drawn.arm_rows(day).get(index)
        if pinned is None:
            return self.pins.no_arm_rows if drawn is None else drawn
        here = pl.col("_start").is_between(day_start(day), day_start(day + 1) - 1)
        frames = [pinned.filter(here)] if drawn is None else [drawn, pinned.filter(here)]
        return pl.concat(frames).sort("_start", "_leg_id", descending=True)

    def _days(self, from_ms: int, before_ms: int, now_ms: int) -> list[int]:
        """Days with drawn calls that a window [from, before) touches and that have begun."""
        last = min(self._clip(before_ms - 1), day_of(now_ms))
        return self.drawn.days_with_calls(self._clip_low(from_ms), last)

    def _clip(self, ms: int) -> int:
        return min(day_of(ms), self.last_day)

    def _clip_low(self, ms: int) -> int:
        return max(day_of(ms), self.first_day)

    def _session_place(self, address: tuple[int, int] | None) -> tuple[int, int] | None:
        """Day and row of a call that this history may have: drawn on that day, or pinned."""
        if address is None or not self.first_day <= address[0] <= self.last_day:
            return None
        day, row = address
        return address if row >= ids.PINNED_SESSION or row < self.drawn.calls_on(day) else None

    def _day_of_leg(self, address: tuple[int, int] | None) -> tuple[Day, int] | None:
        """The calls among which a leg is, and its place among their legs."""
        if address is None or not self.first_day <= address[0] <= self.last_day:
            return None
        day, row = address
        if row >= ids.PINNED_LEG:
            pinned = self.pins.of_leg(day, row)
            return None if pinned is None else (pinned, row - int(pinned.legs.row[0]))
        drawn = self.drawn.day(day)
        return (drawn, row) if row < len(drawn.legs.row) else None


def _part(view: View, day: int, from_ms: int, before_ms: int, now_ms: int, end: str) -> Part:
    first, last = 0, len(view.starts)
    begins = day_start(day)
    if from_ms > begins:
        first = int(view.starts.searchsorted(from_ms))
    if before_ms < begins + DAY_MS:
        last = int(view.starts.searchsorted(before_ms))
    if view.last_end <= now_ms:
        return Part(view.frame, first, last, day)
    ended = view.frame.slice(first, max(last - first, 0)).filter(pl.col(end) <= now_ms)
    return Part(ended, 0, len(ended))


def _pinned(frame: pl.DataFrame, from_ms: int, before_ms: int, now_ms: int, end: str) -> Part:
    here = (pl.col("_start") >= from_ms) & (pl.col("_start") < before_ms) & (pl.col(end) <= now_ms)
    rows = frame.filter(here)
    return Part(rows, 0, len(rows))


def _together(frames: list[pl.DataFrame]) -> pl.DataFrame | None:
    if not frames:
        return None
    return frames[0] if len(frames) == 1 else pl.concat(frames, rechunk=False)
