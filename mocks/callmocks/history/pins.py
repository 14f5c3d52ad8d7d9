"""Calls that a tenant pinned over its drawn history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import polars as pl

from callmocks.errors import Contradiction
from callmocks.history import ids, pin_resolution, traffic
from callmocks.history.columns import CallKind, DayColumns, LegRole, concat_days
from callmocks.history.day_generator import make_empty_day
from callmocks.history.directory import Directory
from callmocks.history.generated_days import split_by_operator
from callmocks.history.generator import Generator
from callmocks.history.pin_resolution import ResolvedPin
from callmocks.history.timeline import (
    ANSWER,
    ATTEMPT,
    COACH,
    FIRST,
    MAX_ATTEMPTS,
    REMOTE,
    TRANSFER,
    CallOutcomes,
    CallParameters,
    build_timeline,
)
from callmocks.history.views import arm, cdr, onec
from callmocks.history.views.lookups import Lookups
from callmocks.history.walltime import day_of, day_start
from callmocks.history.world import World

_STREAM = 5
_BuildFrame = Callable[[bytes, DayColumns, Lookups], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Pin:
    """A pinned call in its place: ``id`` is its CDR session id."""

    id: int
    request: dict[str, Any]
    day: DayColumns
    sequence: int
    """How many were pinned before it."""
    talks: list[tuple[int, int, int]]
    """Operator's index, begin and end in wall ms of each talk that is nobody's listening in."""


class PinCounters(msgspec.Struct, frozen=True):
    """Where the next pins of a tenant go: rows are not given twice before all pins are cleared."""

    added: int = 0
    rows: dict[int, int] = {}
    """Next row of a session by day."""
    leg_rows: dict[int, int] = {}


class Pins:
    """The pinned calls of one tenant, in all views.

    A pin takes the next row of its day's reserved range, so that adding the same pins in the
    same order gives the same ids. What a pin leaves open is drawn from the history's key and
    that row.
    """

    def __init__(self, key: bytes, directory: Directory, lookups: Lookups, world: World) -> None:
        self._key, self._directory, self._lookups, self._world = key, directory, lookups, world
        self._generator = Generator(key)
        self._pins: dict[int, Pin] = {}
        self._rows: dict[int, int] = {}
        self._leg_rows: dict[int, int] = {}
        self._added = 0

    def copy(self) -> Pins:
        """The same pins, to be changed without these."""
        other = Pins(self._key, self._directory, self._lookups, self._world)
        other._pins = dict(self._pins)
        other.counters = self.counters
        return other

    @property
    def counters(self) -> PinCounters:
        """Where the next pins go."""
        return PinCounters(self._added, dict(self._rows), dict(self._leg_rows))

    @counters.setter
    def counters(self, places: PinCounters) -> None:
        self._added = places.added
        self._rows, self._leg_rows = dict(places.rows), dict(places.leg_rows)

    def __bool__(self) -> bool:
        return bool(self._pins)

    def __len__(self) -> int:
        return len(self._pins)

    def add(self, call: dict[str, Any]) -> Pin:
        """Pin one call; ``Contradiction`` says what cannot be."""
        return self.add_many([call])[0]

    def add_many(self, calls: Sequence[dict[str, Any]]) -> list[Pin]:
        """Pin many calls, all or none; ``Contradiction.field`` begins with ``[index].``."""
        places = self.counters
        made: list[Pin] = []
        near: dict[int, list[Pin]] = defaultdict(list)
        for pin in self._pins.values():
            near[pin.day.first_day].append(pin)
        for index, raw in enumerate(calls):
            try:
                pin = self._make_pin(pin_resolution.parse_pin(raw))
                for day in range(pin.day.first_day - 1, pin.day.first_day + 2):
                    self._check_overlap(pin, near.get(day, ()))
            except Contradiction as error:
                self.counters = places
                if len(calls) == 1:
                    raise
                raise Contradiction(f"[{index}].{error.field}", error.reason) from None
            made.append(pin)
            near[pin.day.first_day].append(pin)
        self._pins |= {pin.id: pin for pin in made}
        self._drop_frames()
        return made

    def restore(self, request: dict[str, Any], sequence: int, row: int, leg_row: int) -> Pin:
        """A pin that another replica made, in the place and rows it has there."""
        resolved = pin_resolution.resolve_pin(pin_resolution.parse_pin(request), self._directory)
        pin = self._build_pin(resolved, sequence, row, leg_row)
        self._pins[pin.id] = pin
        self._drop_frames()
        return pin

    def remove(self, session_id: int) -> bool:
        """Unpin a call by its CDR session id; True when it was pinned."""
        there = self._pins.pop(session_id, None) is not None
        self._drop_frames()
        return there

    def clear(self) -> None:
        """Unpin everything; rows begin anew."""
        self._pins.clear()
        self.counters = PinCounters()
        self._drop_frames()

    def list_all(self) -> list[Pin]:
        """All pins, in the order they were added."""
        return [*self._pins.values()]

    @property
    def days(self) -> Iterable[DayColumns]:
        """The pinned calls as columns, a call each."""
        return [pin.day for pin in self._pins.values()]

    def find_by_leg(self, day: int, row: int) -> DayColumns | None:
        """The pinned call one of whose legs has that row."""
        for pin in self._pins.values():
            if pin.day.first_day == day and row in pin.day.legs.row:
                return pin.day
        return None

    @cached_property
    def legs(self) -> pl.DataFrame:
        """CDR legs of all pins, by start."""
        return self._build_frame(cdr.build_legs, "id")

    @cached_property
    def sessions(self) -> pl.DataFrame:
        """CDR sessions of all pins, by start."""
        return self._build_frame(cdr.build_sessions, "id")

    @cached_property
    def service_calls(self) -> pl.DataFrame:
        """1C calls of all pins, by start."""
        return self._build_frame(onec.build_service_calls, "_session_id")

    @cached_property
    def arm_rows(self) -> dict[int, pl.DataFrame]:
        """ARM rows of all pins by operator's index, newest first."""
        return split_by_operator(self._build_frame(arm.build_arm_rows, "_leg_id").reverse())

    @cached_property
    def no_arm_rows(self) -> pl.DataFrame:
        """An ARM frame without rows."""
        return arm.build_arm_rows(
            self._key, make_empty_day(self._world, self._directory), self._lookups
        )

    def _build_frame(self, frame: _BuildFrame, then: str) -> pl.DataFrame:
        return frame(self._key, self._columns, self._lookups).sort("_start", then)

    @cached_property
    def _columns(self) -> DayColumns:
        """All calls together: a frame of a thousand takes no longer than one of a single call."""
        return (
            concat_days(list(self.days))
            if self._pins
            else make_empty_day(self._world, self._directory)
        )

    def _drop_frames(self) -> None:
        for name in ("legs", "sessions", "service_calls", "arm_rows", "_calls"):
            self.__dict__.pop(name, None)

    def _make_pin(self, call: pin_resolution.PinnedCall) -> Pin:
        asked = pin_resolution.resolve_pin(call, self._directory)
        day = day_of(asked.start_ms)
        row = self._rows.get(day, ids.PINNED_SESSION)
        leg_row = self._leg_rows.get(day, ids.PINNED_LEG)
        if row >= ids.SESSION_SLOTS:
            raise Contradiction("start", "the day holds no more pinned calls")
        pin = self._build_pin(asked, self._added, row, leg_row)
        self._added += 1
        self._rows[day] = row + 1
        self._leg_rows[day] = leg_row + len(pin.day.legs.row)
        return pin

    def _build_pin(self, resolved: ResolvedPin, sequence: int, row: int, leg_row: int) -> Pin:
        day = day_of(resolved.start_ms)
        plan = CallOutcomes.without_legs(1)
        plan.kind[0] = resolved.kind
        for slot, reason in resolved.slots.items():
            plan.reasons[0, slot] = reason
        raw = self._generator.draw_raw(_STREAM, (day << 20) | row, traffic.RAW_COLUMNS).reshape(
            1, -1
        )
        start = np.array([resolved.start_ms - day_start(day)])
        choices = traffic.draw_parameters(raw, plan, start, row, self._world, self._directory)
        choices.row, choices.first_leg_row = np.array([row]), leg_row
        _apply_fixed_values(choices, resolved, plan, self._directory)
        made = build_timeline(day, plan, choices)
        session = int(ids.session_id(day, made.calls.row)[0])
        return Pin(session, msgspec.to_builtins(resolved.call), made, sequence, _list_talks(made))

    def _check_overlap(self, pin: Pin, others: Iterable[Pin]) -> None:
        """Nobody speaks in two pinned calls at once."""
        for other in others:
            for operator, begin, end in other.talks:
                for who, start, stop in pin.talks:
                    if who == operator and start < end and begin < stop:
                        number = self._directory.operators[who].number
                        raise Contradiction(
                            "operator",
                            f"{number} speaks in the pinned call {other.id} at that time",
                        )


def _list_talks(day: DayColumns) -> list[tuple[int, int, int]]:
    legs, begins = day.legs, day_start(day.first_day)
    spoken = np.flatnonzero(
        (legs.operator >= 0) & (legs.connect >= 0) & (legs.role != LegRole.COACH)
    )
    return [
        (int(legs.operator[i]), begins + int(legs.connect[i]), begins + int(legs.end[i]))
        for i in spoken
    ]


def _apply_fixed_values(
    parameters: CallParameters, resolved: ResolvedPin, outcomes: CallOutcomes, directory: Directory
) -> None:
    """What the author fixed, over what was drawn."""
    call = resolved.call
    _apply_participants(parameters, resolved, directory)
    if resolved.line >= 0:
        parameters.line[0] = resolved.line
    if call.talk_seconds is not None:
        parameters.talk_ms[0] = round(call.talk_seconds * 1000)
    if call.transfer_talk_seconds is not None:
        parameters.transfer_talk_ms[0] = round(call.transfer_talk_seconds * 1000)
    if call.wait_seconds is not None:
        _distribute_wait(parameters, resolved, outcomes, round(call.wait_seconds * 1000))
    if call.recorded is not None:
        parameters.recorded[0] = call.recorded
    if call.rating is not None:
        parameters.rating[0] = call.rating
    parameters.released_by_platform[0] = False


def _apply_participants(
    parameters: CallParameters, resolved: ResolvedPin, directory: Directory
) -> None:
    table = parameters.operators[0]
    if resolved.operator >= 0:
        slots = (
            (FIRST, ANSWER)
            if resolved.answered or resolved.kind != CallKind.INCOMING
            else (ATTEMPT,)
        )
        for slot in slots:
            table[slot] = resolved.operator
    named = {resolved.operator, resolved.to_operator, resolved.transfer_to, resolved.coach}
    spare = [index for index in range(len(directory.operators)) if index not in named]
    for slot, wanted in (
        (REMOTE, resolved.to_operator),
        (TRANSFER, resolved.transfer_to),
        (COACH, resolved.coach),
    ):
        if wanted >= 0:
            table[slot] = wanted
        elif table[slot] in named or table[slot] == table[FIRST]:
            others = [index for index in spare if index != table[FIRST]]
            table[slot] = others[0] if others else table[slot]
    parameters.vendor[0] = max(int(parameters.vendor[0]), 0) if resolved.call.vendor else -1
    if resolved.call.anonymous or resolved.call.vendor or resolved.kind == CallKind.INTERNAL:
        parameters.user[0] = -1
    elif resolved.user >= 0 or resolved.phone >= 0:
        parameters.user[0] = resolved.user
    if resolved.phone >= 0:
        parameters.phone[0] = resolved.phone
    elif not resolved.call.vendor and resolved.kind != CallKind.INTERNAL:
        _use_known_caller(parameters, directory)


def _use_known_caller(parameters: CallParameters, directory: Directory) -> None:
    """Nobody was named: a known user, so that the call is in all three views."""
    if parameters.user[0] < 0:
        parameters.user[0] = int(parameters.phone[0]) % len(directory.users)
    parameters.phone[0] = int(directory.users[int(parameters.user[0])].phone)


def _distribute_wait(
    parameters: CallParameters, resolved: ResolvedPin, outcomes: CallOutcomes, wait_ms: int
) -> None:
    """Share the waiting among the scenario, the attempts and the ring that was answered."""
    if resolved.kind in (CallKind.OUTGOING, CallKind.INTERNAL):
        parameters.ivr_ms[0], parameters.ring_ms[0] = 0, wait_ms
        return
    attempts = int((outcomes.reasons[0, ATTEMPT : ATTEMPT + MAX_ATTEMPTS] >= 0).sum())
    parts = attempts + (2 if resolved.answered else 1)
    parameters.ivr_ms[0] = wait_ms // parts
    parameters.attempt_ms[0, :] = wait_ms // parts
    last = wait_ms - (parts - 1) * (wait_ms // parts)
    if resolved.answered:
        parameters.ring_ms[0] = last
    elif attempts:
        parameters.attempt_ms[0, 0] = last
    else:
        parameters.attempt_ms[0, 0] = wait_ms
