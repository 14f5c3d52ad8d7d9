"""Calls that a tenant pinned over its generated history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import polars as pl

from callmocks.contract.cached_property import cached_property
from callmocks.contract.garbage import empty_dict
from callmocks.errors import Contradiction
from callmocks.history import ids
from callmocks.history.columns import DayColumns, concat_days
from callmocks.history.generated_days import GeneratedDays
from callmocks.history.generator import Generator
from callmocks.history.pin_resolution import PinnedCall, ResolvedPin, parse_pin, resolve_pin
from callmocks.history.pin_talks import ClientCalls, OpenTimes, OperatorTalks, Talk, list_talks
from callmocks.history.views import arm
from callmocks.history.views.call_views import CALL_VIEWS
from callmocks.history.walltime import (
    DAYS,
    LAST_DATE,
    date_of_day,
    day_of,
    day_start,
    ms_to_datetime,
)


class Pin(msgspec.Struct, frozen=True, gc=False):
    """A pinned call and its columns; ``id`` is its session id.

    ``request`` has its number too, and what was chosen otherwise than drawn, so that it gives the
    same call whatever other calls are pinned.
    """

    id: int
    number: int
    request: dict[str, Any]
    day: DayColumns
    sequence: int  # how many were pinned before it
    talks: tuple[Talk, ...]
    client_call: tuple[int, int, int]  # the number, 0 where none shows; start, end in wall ms

    @property
    def covered_ids(self) -> range:
        """Its own, and those of the numbers whose legs it takes too."""
        return range(self.id, self.id + _count_numbers(len(self.day.legs.row)))


def _count_numbers(leg_count: int) -> int:
    return -(-leg_count // ids.LEGS_PER_PIN)


def _describe_full_day(number: int, last_number: int) -> str:
    taken = f"number {number}" if number == last_number else f"numbers {number} to {last_number}"
    room = f"a day has {ids.PINS_PER_DAY}, each for {ids.LEGS_PER_PIN} legs"
    return f"it would be pinned call {taken} of its day; {room}"


_FULL_TENANT = (
    f"a tenant has at most {ids.PINS_PER_TENANT} pinned calls, each for {ids.LEGS_PER_PIN} legs; "
    "unpin some"
)


def _get_sequence(pin: Pin) -> int:
    return pin.sequence


class NumberedPin(NamedTuple):
    """A call whose number, and so its ids, are taken, but which is not built yet."""

    resolved: ResolvedPin
    sequence: int
    covered_ids: range


class PinCounters(msgspec.Struct, frozen=True):
    """Last numbers by day: none is given twice before all pins are cleared."""

    added: int = 0
    numbers: dict[int, int] = {}


class Pins:
    """The pinned calls of one tenant.

    Its number among the pinned calls of its day decides a call's ids and what its request leaves
    open. A request without one gets the next, so that the same requests in the same order give
    the same calls.
    """

    def __init__(self, generated: GeneratedDays, first_day: int = 0) -> None:
        self._generated = generated
        self._first_day = first_day
        self._generator = Generator(generated.key)
        self._pins: dict[int, Pin] = {}
        self._covered: set[int] = set()  # ids of which the legs are another pin's
        self._reserved: set[int] = set()  # ids of those that are not built yet
        self._talks = OperatorTalks()
        self._client_calls = ClientCalls()
        self._frames: _PinFrames | None = None
        self._added_count = 0
        self._last_numbers: dict[int, int] = {}
        self.revision = 0  # how often it was changed

    def copy(self) -> Pins:
        other = Pins(self._generated, self._first_day)
        other._pins, other._covered = dict(self._pins), set(self._covered)
        other._talks, other._client_calls = self._talks.copy(), self._client_calls.copy()
        other.counters, other.revision, other._frames = self.counters, self.revision, self._frames
        return other

    def __del__(self) -> None:
        empty_dict(self._pins)

    def __len__(self) -> int:
        return len(self._pins)

    @property
    def counters(self) -> PinCounters:
        return PinCounters(self._added_count, dict(self._last_numbers))

    @counters.setter
    def counters(self, counters: PinCounters) -> None:
        self._added_count, self._last_numbers = counters.added, dict(counters.numbers)

    def add(self, request: dict[str, Any]) -> Pin:
        return self.add_many([request])[0]

    def add_many(self, requests: Sequence[dict[str, Any]]) -> list[Pin]:
        """All or none; ``Contradiction.field`` of several begins with ``[index].``."""
        counters = self.counters
        numbered: list[NumberedPin] = []
        added: list[Pin] = []
        try:
            # All before one is built, which takes ten times as long.
            for request in requests:
                numbered.append(self.give_number(request))
            for each in numbered:
                added.append(self.add_numbered(each))
        except Contradiction as error:
            index = len(added if len(numbered) == len(requests) else numbered)
            self.counters = counters
            self._reserved.clear()
            for pin in added:
                self._discard(self._pins.pop(pin.id))
            if len(requests) == 1:
                raise
            raise Contradiction(f"[{index}].{error.field}", error.reason) from None
        return added

    def restore(
        self, request: dict[str, Any], sequence: int, known: Mapping[int, Pin] | None = None
    ) -> Pin:
        """``known`` are pins of an equal history, by their sequence: to build one takes long."""
        found = None if known is None else known.get(sequence)
        if found is not None and found.request == request:
            pin = found
        else:
            resolved = resolve_pin(parse_pin(request), self._generated.directory)
            pin = self._build_pin(resolved, sequence)
        self._insert(pin)
        self._mark_changed()
        return pin

    def sort_by_sequence(self) -> None:
        self._pins = {pin.id: pin for pin in sorted(self._pins.values(), key=_get_sequence)}

    def remove(self, session_id: int) -> bool:
        pin = self._pins.pop(session_id, None)
        if pin is not None:
            self._discard(pin)
        self._mark_changed()
        return pin is not None

    def clear(self) -> None:
        empty_dict(self._pins)
        self._talks.clear()
        self._client_calls.clear()
        self._covered.clear()
        self.counters = PinCounters()
        self._mark_changed()

    def _mark_changed(self) -> None:
        self._frames = None
        self.revision += 1

    def find_common(self, others: Iterable[Pins]) -> dict[int, Pin]:
        """Pins of others that have the same generated history, by their sequence."""
        equal = (other for other in others if other._generated is self._generated)
        return {pin.sequence: pin for other in equal for pin in other.list_all()}

    def list_all(self) -> list[Pin]:
        return [*self._pins.values()]

    @property
    def days(self) -> Iterable[DayColumns]:
        """By id: what is shown does not depend on the order in which calls were pinned."""
        return [pin.day for _, pin in sorted(self._pins.copy().items())]

    def find_by_leg(self, day: int, row: int) -> DayColumns | None:
        number = (row - ids.PINNED_LEG) // ids.LEGS_PER_PIN
        id = ids.BASE + day * ids.DAY_SLOTS + ids.PINNED_SESSION + number
        while id in self._covered:
            id -= 1
        pin = self._pins.get(id)
        return pin.day if pin is not None and row in pin.day.legs.row else None

    def slice_batch(self, from_ms: int, before_ms: int) -> DayColumns:
        """Those that start in a window, by start."""
        day = self._get_frames().day
        return day.slice_calls(*day.call_starts.searchsorted([from_ms, before_ms]).tolist())

    def view_frame(self, view_name: str) -> pl.DataFrame:
        return self._get_frames().build_view(view_name)

    @property
    def operator_legs(self) -> arm.LegsByOperator:
        return self._get_frames().operator_legs

    def _get_frames(self) -> _PinFrames:
        # A call may be pinned while a thread makes the frames of those before.
        frames, revision = self._frames, self.revision
        if frames is None or frames.revision != revision:
            frames = self._frames = _PinFrames(self._generated, [*self.days], revision)
        return frames

    def give_number(self, request: dict[str, Any]) -> NumberedPin:
        """All that can be told of a call without building it; ``Contradiction``."""
        resolved = resolve_pin(parse_pin(request), self._generated.directory)
        day = day_of(resolved.start_ms)
        if day < self._first_day:
            first = date_of_day(self._first_day)
            raise Contradiction("start", f"the history of this tenant begins on {first}")
        last = self._last_numbers.get(day, 0)
        number = resolved.call.number or last + 1
        count = _count_numbers(max(len(resolved.legs), 1))
        taken = len(self._pins) + len(self._covered) + len(self._reserved)
        if taken + count > ids.PINS_PER_TENANT:
            raise Contradiction("start", _FULL_TENANT)
        last_number = number + count - 1
        if last_number > ids.PINS_PER_DAY:
            field = "start" if resolved.call.number is None else "number"
            raise Contradiction(field, _describe_full_day(number, last_number))
        resolved.call = msgspec.structs.replace(resolved.call, number=number)
        first_id = ids.BASE + day * ids.DAY_SLOTS + ids.PINNED_SESSION + number - 1
        covered = range(first_id, first_id + count)
        for id in covered:
            if id in self._pins or id in self._covered or id in self._reserved:
                raise Contradiction("number", f"the pinned call {id} has it already")
        self._reserved.update(covered)
        self._last_numbers[day] = max(last, last_number)
        self._added_count += 1
        return NumberedPin(resolved, self._added_count - 1, covered)

    def add_numbered(self, numbered: NumberedPin) -> Pin:
        pin = self._build_pin(numbered.resolved, numbered.sequence)
        if self._has_overlap(pin):
            pin = self._avoid_overlaps(pin, numbered)
        if pin.client_call[0] and self._client_calls.is_busy(*pin.client_call):
            pin = self._choose_client(pin, numbered.resolved)
        end_ms = pin.client_call[2]
        if day_of(end_ms) >= DAYS:
            reason = f"the call ends at {ms_to_datetime(end_ms)}, after the last day, {LAST_DATE}"
            raise Contradiction("start", reason)
        self._reserved.difference_update(numbered.covered_ids)
        self._insert(pin)
        self._mark_changed()
        return pin

    def _build_pin(self, resolved: ResolvedPin, sequence: int) -> Pin:
        from callmocks.history.pin_timeline import build_pinned_call

        number = resolved.call.number
        assert number is not None
        row = ids.PINNED_SESSION + number - 1
        leg_row = ids.PINNED_LEG + (number - 1) * ids.LEGS_PER_PIN
        day = build_pinned_call(self._generator, resolved, row, leg_row, self._generated)
        assert resolved.legs or len(day.legs.row) <= ids.LEGS_PER_PIN
        session_id = int(ids.session_id(day.first_day, day.calls.row)[0])
        request = msgspec.to_builtins(resolved.call)
        # What was recorded, leg by leg, is not compared with other calls.
        talks = () if resolved.legs else list_talks(day)
        calls, midnight = day.calls, day_start(day.first_day)
        times = midnight + int(calls.start[0]), midnight + int(calls.end[0])
        client_call = int(calls.phone[0]), *times
        return Pin(session_id, number, request, day, sequence, talks, client_call)

    def _avoid_overlaps(self, pin: Pin, numbered: NumberedPin) -> Pin:
        """The pin with other operators, or else other times, where its request leaves them open."""
        resolved, talks = numbered.resolved, pin.talks
        call = resolved.call
        candidates = [self._list_candidates(resolved, talk) for talk in talks]
        chosen = self._talks.choose_operators(talks, candidates) or self._talks.choose_times(
            talks, candidates, self._list_open_times(resolved, talks[0].start)
        )
        if chosen is not None:
            resolved.name_choice(talks, chosen, self._generated.directory)
            found = self._build_pin(resolved, pin.sequence)
            # In the last minutes of the last day other times may have got longer by this.
            if not self._has_overlap(found):
                return found
        raise self._describe_overlap(call, talks, candidates)

    def _choose_client(self, pin: Pin, resolved: ResolvedPin) -> Pin:
        """Another user who is in no call then, where the request leaves the client open."""
        call, users = resolved.call, self._generated.directory.users
        if resolved.legs or resolved.phone >= 0 or call.vendor:
            return pin
        drawn, (_, *times) = int(pin.day.calls.user[0]), pin.client_call
        for user in [*range(drawn + 1, len(users)), *range(drawn)]:
            if not self._client_calls.is_busy(int(users[user].phone), *times):
                resolved.call = msgspec.structs.replace(call, user=users[user].user_id)
                resolved.user, resolved.phone = user, int(users[user].phone)
                return self._build_pin(resolved, pin.sequence)
        return pin

    def _has_overlap(self, pin: Pin) -> bool:
        return any(self._talks.find_overlap(talk) for talk in pin.talks)

    def _list_open_times(self, resolved: ResolvedPin, answered: int) -> OpenTimes:
        call, waiting = resolved.call, self._generated.world.waiting
        earliest = latest = answered
        if call.wait_seconds is None:
            # As long as others wait that are drawn.
            longest = waiting.answer_ms[-1] + (0 if resolved.is_direct else waiting.menu_ms[-1])
            earliest, latest = resolved.start_ms, max(answered, resolved.start_ms + longest)
        transfer_talk = call.transfer_talk_seconds is None
        return OpenTimes(earliest, latest, call.talk_seconds is None, transfer_talk)

    def _list_candidates(self, resolved: ResolvedPin, talk: Talk) -> list[int]:
        if getattr(resolved.call, talk.field) is not None:
            return [talk.operator]
        colleagues = self._generated.list_colleagues(day_of(resolved.start_ms), talk.operator)
        return [each for each in colleagues if each not in resolved.named_operators]

    def _describe_overlap(
        self, call: PinnedCall, talks: Sequence[Talk], candidates: Sequence[Sequence[int]]
    ) -> Contradiction:
        for talk in talks:
            other = self._talks.find_overlap(talk)
            if other and getattr(call, talk.field) is not None:
                number = self._generated.directory.operators[talk.operator].number
                until = ms_to_datetime(other[1]).isoformat(" ", "seconds")
                reason = (
                    f"{number} speaks in the pinned call {other[2]} at that time, until {until}"
                )
                return Contradiction(talk.field, reason)
        time = ms_to_datetime(talks[0].start).isoformat(" ", "seconds")
        count = max(map(len, candidates))
        reason = f"all {count} operators who could take it speak in pinned calls at {time}"
        return Contradiction("start", reason)

    def _insert(self, pin: Pin) -> None:
        self._pins[pin.id] = pin
        self._covered.update(pin.covered_ids[1:])
        self._talks.add(pin.id, pin.talks)
        self._client_calls.add(*pin.client_call)

    def _discard(self, pin: Pin) -> None:
        self._covered.difference_update(pin.covered_ids[1:])
        self._talks.remove(pin.id, pin.talks)
        self._client_calls.remove(*pin.client_call)


class _PinFrames:
    """All pins together: a frame of a thousand calls takes no longer than one of a single call."""

    def __init__(self, generated: GeneratedDays, days: list[DayColumns], revision: int) -> None:
        self.revision = revision
        self._key, self._lookups = generated.key, generated.lookups
        self.day = concat_days(days) if days else generated.empty_day
        self._views: dict[str, pl.DataFrame] = {}

    def build_view(self, name: str) -> pl.DataFrame:
        if name not in self._views:
            self._views[name] = CALL_VIEWS[name].build(self._key, self.day, self._lookups)
        return self._views[name]

    @cached_property
    def operator_legs(self) -> arm.LegsByOperator:
        return arm.LegsByOperator(arm.select_operator_legs(self.day))
