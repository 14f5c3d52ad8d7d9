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
from callmocks.history.columns import Day, Kind, Role, together
from callmocks.history.day_generator import no_calls
from callmocks.history.directory import Cast
from callmocks.history.generated_days import by_operator
from callmocks.history.generator import Generator
from callmocks.history.pin_resolution import Asked
from callmocks.history.timeline import (
    ANSWER,
    ATTEMPT,
    ATTEMPTS,
    COACH,
    FAR,
    FIRST,
    TRANSFER,
    Choices,
    Plan,
    lay_out,
)
from callmocks.history.views import arm, cdr, onec
from callmocks.history.views.lookups import Lookups
from callmocks.history.walltime import day_of, day_start
from callmocks.history.world import World

_STREAM = 5
_Frame = Callable[[bytes, Day, Lookups], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Pin:
    """A pinned call in its place: ``id`` is its CDR session id."""

    id: int
    asked: dict[str, Any]
    day: Day
    at: int
    """How many were pinned before it."""
    talks: list[tuple[int, int, int]]
    """Operator's index, begin and end in wall ms of each talk that is nobody's listening in."""


class Places(msgspec.Struct, frozen=True):
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

    def __init__(self, key: bytes, cast: Cast, look: Lookups, world: World) -> None:
        self._key, self._cast, self._look, self._world = key, cast, look, world
        self._generator = Generator(key)
        self._pins: dict[int, Pin] = {}
        self._rows: dict[int, int] = {}
        self._leg_rows: dict[int, int] = {}
        self._added = 0

    def copy(self) -> Pins:
        """The same pins, to be changed without these."""
        other = Pins(self._key, self._cast, self._look, self._world)
        other._pins = dict(self._pins)
        other.places = self.places
        return other

    @property
    def places(self) -> Places:
        """Where the next pins go."""
        return Places(self._added, dict(self._rows), dict(self._leg_rows))

    @places.setter
    def places(self, places: Places) -> None:
        self._added = places.added
        self._rows, self._leg_rows = dict(places.rows), dict(places.leg_rows)

    def __bool__(self) -> bool:
        return bool(self._pins)

    def __len__(self) -> int:
        return len(self._pins)

    def add(self, call: dict[str, Any]) -> Pin:
        """Pin one call; ``Contradiction`` says what cannot be."""
        return self.add_all([call])[0]

    def add_all(self, calls: Sequence[dict[str, Any]]) -> list[Pin]:
        """Pin many calls, all or none; ``Contradiction.field`` begins with ``[index].``."""
        places = self.places
        made: list[Pin] = []
        near: dict[int, list[Pin]] = defaultdict(list)
        for pin in self._pins.values():
            near[pin.day.day].append(pin)
        for index, raw in enumerate(calls):
            try:
                pin = self._make(pin_resolution.parse(raw))
                for day in range(pin.day.day - 1, pin.day.day + 2):
                    self._check_against(pin, near.get(day, ()))
            except Contradiction as error:
                self.places = places
                if len(calls) == 1:
                    raise
                raise Contradiction(f"[{index}].{error.field}", error.reason) from None
            made.append(pin)
            near[pin.day.day].append(pin)
        self._pins |= {pin.id: pin for pin in made}
        self._forget()
        return made

    def put(self, asked: dict[str, Any], at: int, row: int, leg_row: int) -> Pin:
        """A pin that another replica made, in the place and rows it has there."""
        resolved = pin_resolution.resolve(pin_resolution.parse(asked), self._cast)
        pin = self._lay(resolved, at, row, leg_row)
        self._pins[pin.id] = pin
        self._forget()
        return pin

    def remove(self, session_id: int) -> bool:
        """Unpin a call by its CDR session id; True when it was pinned."""
        there = self._pins.pop(session_id, None) is not None
        self._forget()
        return there

    def clear(self) -> None:
        """Unpin everything; rows begin anew."""
        self._pins.clear()
        self.places = Places()
        self._forget()

    def list(self) -> list[Pin]:
        """All pins, in the order they were added."""
        return [*self._pins.values()]

    @property
    def days(self) -> Iterable[Day]:
        """The pinned calls as columns, a call each."""
        return [pin.day for pin in self._pins.values()]

    def of_leg(self, day: int, row: int) -> Day | None:
        """The pinned call one of whose legs has that row."""
        for pin in self._pins.values():
            if pin.day.day == day and row in pin.day.legs.row:
                return pin.day
        return None

    @cached_property
    def legs(self) -> pl.DataFrame:
        """CDR legs of all pins, by start."""
        return self._all(cdr.legs_frame, "id")

    @cached_property
    def sessions(self) -> pl.DataFrame:
        """CDR sessions of all pins, by start."""
        return self._all(cdr.sessions_frame, "id")

    @cached_property
    def service_calls(self) -> pl.DataFrame:
        """1C calls of all pins, by start."""
        return self._all(onec.rows_frame, "_session_id")

    @cached_property
    def arm_rows(self) -> dict[int, pl.DataFrame]:
        """ARM rows of all pins by operator's index, newest first."""
        return by_operator(self._all(arm.rows_frame, "_leg_id").reverse())

    @cached_property
    def no_arm_rows(self) -> pl.DataFrame:
        """An ARM frame without rows."""
        return arm.rows_frame(self._key, no_calls(self._world, self._cast), self._look)

    def _all(self, frame: _Frame, then: str) -> pl.DataFrame:
        return frame(self._key, self._calls, self._look).sort("_start", then)

    @cached_property
    def _calls(self) -> Day:
        """All calls together: a frame of a thousand takes no longer than one of a single call."""
        return together(list(self.days)) if self._pins else no_calls(self._world, self._cast)

    def _forget(self) -> None:
        for name in ("legs", "sessions", "service_calls", "arm_rows", "_calls"):
            self.__dict__.pop(name, None)

    def _make(self, call: pin_resolution.PinnedCall) -> Pin:
        asked = pin_resolution.resolve(call, self._cast)
        day = day_of(asked.at)
        row = self._rows.get(day, ids.PINNED_SESSION)
        leg_row = self._leg_rows.get(day, ids.PINNED_LEG)
        if row >= ids.SESSION_SLOTS:
            raise Contradiction("start", "the day holds no more pinned calls")
        pin = self._lay(asked, self._added, row, leg_row)
        self._added += 1
        self._rows[day] = row + 1
        self._leg_rows[day] = leg_row + len(pin.day.legs.row)
        return pin

    def _lay(self, asked: Asked, at: int, row: int, leg_row: int) -> Pin:
        day = day_of(asked.at)
        plan = Plan.blank(1)
        plan.kind[0] = asked.kind
        for slot, reason in asked.slots.items():
            plan.reasons[0, slot] = reason
        raw = self._generator.raw(_STREAM, (day << 20) | row, traffic.COLUMNS).reshape(1, -1)
        start = np.array([asked.at - day_start(day)])
        choices = traffic.choices(raw, plan, start, row, self._world, self._cast)
        choices.row, choices.leg_row = np.array([row]), leg_row
        _choose(choices, asked, plan, self._cast)
        made = lay_out(day, plan, choices)
        session = int(ids.session_id(day, made.calls.row)[0])
        return Pin(session, msgspec.to_builtins(asked.call), made, at, _talks(made))

    def _check_against(self, pin: Pin, others: Iterable[Pin]) -> None:
        """Nobody speaks in two pinned calls at once."""
        for other in others:
            for operator, begin, end in other.talks:
                for who, start, stop in pin.talks:
                    if who == operator and start < end and begin < stop:
                        number = self._cast.operators[who].number
                        raise Contradiction(
                            "operator",
                            f"{number} speaks in the pinned call {other.id} at that time",
                        )


def _talks(day: Day) -> list[tuple[int, int, int]]:
    legs, begins = day.legs, day_start(day.day)
    spoken = np.flatnonzero((legs.operator >= 0) & (legs.connect >= 0) & (legs.role != Role.COACH))
    return [
        (int(legs.operator[i]), begins + int(legs.connect[i]), begins + int(legs.end[i]))
        for i in spoken
    ]


def _choose(choices: Choices, asked: Asked, plan: Plan, cast: Cast) -> None:
    """What the author fixed, over what was drawn."""
    call = asked.call
    _choose_people(choices, asked, cast)
    if asked.line >= 0:
        choices.line[0] = asked.line
    if call.talk_seconds is not None:
        choices.talk[0] = round(call.talk_seconds * 1000)
    if call.transfer_talk_seconds is not None:
        choices.transfer_talk[0] = round(call.transfer_talk_seconds * 1000)
    if call.wait_seconds is not None:
        _wait(choices, asked, plan, round(call.wait_seconds * 1000))
    if call.recorded is not None:
        choices.recorded[0] = call.recorded
    if call.rating is not None:
        choices.rating[0] = call.rating
    choices.system[0] = False


def _choose_people(choices: Choices, asked: Asked, cast: Cast) -> None:
    table = choices.operators[0]
    if asked.operator >= 0:
        slots = (FIRST, ANSWER) if asked.answered or asked.kind != Kind.INCOMING else (ATTEMPT,)
        for slot in slots:
            table[slot] = asked.operator
    named = {asked.operator, asked.to_operator, asked.transfer_to, asked.coach}
    spare = [index for index in range(len(cast.operators)) if index not in named]
    for slot, wanted in (
        (FAR, asked.to_operator),
        (TRANSFER, asked.transfer_to),
        (COACH, asked.coach),
    ):
        if wanted >= 0:
            table[slot] = wanted
        elif table[slot] in named or table[slot] == table[FIRST]:
            others = [index for index in spare if index != table[FIRST]]
            table[slot] = others[0] if others else table[slot]
    choices.vendor[0] = max(int(choices.vendor[0]), 0) if asked.call.vendor else -1
    if asked.call.anonymous or asked.call.vendor or asked.kind == Kind.INTERNAL:
        choices.user[0] = -1
    elif asked.user >= 0 or asked.phone >= 0:
        choices.user[0] = asked.user
    if asked.phone >= 0:
        choices.phone[0] = asked.phone
    elif not asked.call.vendor and asked.kind != Kind.INTERNAL:
        _known_caller(choices, cast)


def _known_caller(choices: Choices, cast: Cast) -> None:
    """Nobody was named: a known user, so that the call is in all three views."""
    if choices.user[0] < 0:
        choices.user[0] = int(choices.phone[0]) % len(cast.users)
    choices.phone[0] = int(cast.users[int(choices.user[0])].phone)


def _wait(choices: Choices, asked: Asked, plan: Plan, wait: int) -> None:
    """Share the waiting among the scenario, the attempts and the ring that was answered."""
    if asked.kind in (Kind.OUTGOING, Kind.INTERNAL):
        choices.ivr[0], choices.ring[0] = 0, wait
        return
    attempts = int((plan.reasons[0, ATTEMPT : ATTEMPT + ATTEMPTS] >= 0).sum())
    parts = attempts + (2 if asked.answered else 1)
    choices.ivr[0] = wait // parts
    choices.attempt[0, :] = wait // parts
    last = wait - (parts - 1) * (wait // parts)
    if asked.answered:
        choices.ring[0] = last
    elif attempts:
        choices.attempt[0, 0] = last
    else:
        choices.attempt[0, 0] = wait
