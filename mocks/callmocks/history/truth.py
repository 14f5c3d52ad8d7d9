"""The truth behind the views: each call as it happened, and the ids it has in each provider."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from callmocks.contract.truth import ArmRow, Call, CdrIds, Leg, OnecId
from callmocks.history import ids, reasons
from callmocks.history.columns import (
    CALL_DIRECTIONS,
    ROLE_NAMES,
    CallColumns,
    CallKind,
    DayColumns,
)
from callmocks.history.views import arm, onec, session_reasons
from callmocks.history.walltime import day_start, ms_to_datetime

if TYPE_CHECKING:
    from callmocks.history.history import History

_PIECE_CALLS = 500
_DIRECTIONS = {kind: direction for direction, kind in CALL_DIRECTIONS.items()}


def iter_truth(
    history: History, days: Iterable[DayColumns], from_ms: int, before_ms: int, now_ms: int
) -> Iterator[list[Call]]:
    """Calls that start in [from_ms, before_ms) by start, with ids that no view shows yet.

    In pieces, between which others may be served.
    """
    # A generated call's reason depends on those before it, which a piece does not have.
    days = [replace(day, calls=_with_session_reasons(day)) for day in days]
    times = np.sort(np.concatenate([[], *(day.call_starts for day in days)]))
    times = times[slice(*times.searchsorted([from_ms, min(before_ms, now_ms + 1)]))]
    bounds = np.unique([from_ms, *times[_PIECE_CALLS::_PIECE_CALLS], before_ms]).tolist()
    for begin, end in pairwise(bounds):
        yield _describe_calls(history, days, int(begin), int(end), now_ms)


def _with_session_reasons(day: DayColumns) -> CallColumns:
    return replace(day.calls, session_reason=session_reasons.find_session_reasons(day))


def _describe_calls(
    history: History, days: Sequence[DayColumns], from_ms: int, before_ms: int, now_ms: int
) -> list[Call]:
    calls: list[tuple[int, Call]] = []
    for day in days:
        starts = day.call_starts
        first, last = starts.searchsorted([from_ms, min(before_ms, now_ms + 1)]).tolist()
        if first < last:
            describe = _ProviderIds(history, day.slice_calls(first, last)).describe_call
            found = (describe(call, now_ms) for call in range(last - first))
            calls += zip(starts[first:last].tolist(), found, strict=True)
    return [call for _, call in sorted(calls, key=itemgetter(0))]


class _ProviderIds:
    """Rows of the views of one day, by call."""

    def __init__(self, history: History, day: DayColumns) -> None:
        self._history = history
        self._day = day
        self._leg_ids = ids.leg_id(day.leg_days, day.legs.row)
        self._sessions = ids.session_id(day.call_days, day.calls.row)
        self._arm = dict(self._iter_arm_rows())
        self._onec = dict(self._iter_onec_ids())
        self._session_reasons = session_reasons.find_session_reasons(day)
        self._communications = ids.communication_id(day.call_days, day.calls.row)

    def _iter_arm_rows(self) -> Iterator[tuple[int, ArmRow]]:
        """By leg id."""
        history, legs = self._history, arm.select_operator_legs(self._day)
        refs = ids.call_refs(history.key, *ids.leg_addresses(legs.leg_id), legs.outgoing)
        shown, complete = map(_show_times, history.arrivals.find_arm_times(legs))
        operators = [self._history.directory.operators[each] for each in legs.operator.tolist()]
        recorded = (legs.record_leg >= 0).tolist()
        columns = legs.leg_id.tolist(), operators, refs.tolist(), shown, recorded, complete
        for leg_id, operator, ref, shown_at, is_recorded, complete_at in zip(*columns, strict=True):
            records_at = complete_at if is_recorded else None
            yield leg_id, ArmRow(operator.number, str(ref), shown_at, records_at)

    def _iter_onec_ids(self) -> Iterator[tuple[int, OnecId]]:
        """By session id."""
        history, day, calls = self._history, self._day, self._day.calls
        listed = onec.find_listed_calls(day)
        call_ids = ids.call_uuids(history.key, day.days_of_calls(listed), calls.row[listed])
        sessions = self._sessions[listed]
        ends = day_start(day.first_day) + calls.end[listed].astype(np.int64)
        shown = _show_times(history.arrivals.add_lags("onec", ends, sessions))
        of_vendor = (calls.vendor[listed] >= 0).tolist()
        columns = sessions.tolist(), call_ids.tolist(), of_vendor, shown
        for session, call_id, vendor, shown_at in zip(*columns, strict=True):
            yield session, OnecId(call_id.decode(), vendor, shown_at)

    def describe_call(self, call: int, now: int) -> Call:
        calls, directory = self._day.calls, self._history.directory
        midnight = day_start(self._day.first_day)
        end = midnight + int(calls.end[call])
        first = int(calls.first_leg[call])
        legs = range(first, first + int(calls.leg_count[call]))
        leg_ids = tuple(int(self._leg_ids[leg]) for leg in legs)
        kind = int(calls.kind[call])
        user = None if calls.user[call] < 0 else directory.users[int(calls.user[call])]
        line = None if kind == CallKind.INTERNAL else directory.lines[int(calls.line[call])]
        session = int(self._sessions[call])
        shown, complete = self._history.arrivals.find_session_times(end, session)
        recorded = bool(calls.recorded[call])
        return Call(
            start=ms_to_datetime(midnight + int(calls.start[call])),
            answered=_optional_time(midnight, int(calls.answered[call])),
            end=ms_to_datetime(end),
            finished=end <= now,
            direction=_DIRECTIONS[kind],
            client_phone=str(calls.phone[call]) if calls.phone[call] else None,
            client=user.full_name if user else None,
            user_id=user.user_id if user else None,
            line=line.virtual_phone_number if line else None,
            finish_reason=reasons.NAMES[int(calls.reason[call])],
            talk_seconds=int(calls.talk[call]) // 1000,
            recorded=recorded,
            legs=tuple(self._describe_leg(leg) for leg in legs),
            arm=tuple(self._arm[leg_id] for leg_id in leg_ids if leg_id in self._arm),
            cdr=CdrIds(
                session,
                int(self._communications[call]),
                leg_ids,
                session_reasons.NAMES[int(self._session_reasons[call])],
                ms_to_datetime(shown),
                ms_to_datetime(complete) if recorded else None,
            ),
            onec=self._onec.get(session),
        )

    def _describe_leg(self, leg: int) -> Leg:
        legs, midnight = self._day.legs, day_start(self._day.first_day)
        operator = int(legs.operator[leg])
        return Leg(
            leg_id=int(self._leg_ids[leg]),
            role=ROLE_NAMES[legs.role[leg]],
            operator=self._history.directory.operators[operator].number if operator >= 0 else None,
            start=ms_to_datetime(midnight + int(legs.start[leg])),
            answered=_optional_time(midnight, int(legs.connect[leg])),
            end=ms_to_datetime(midnight + int(legs.end[leg])),
            finish_reason=reasons.NAMES[int(legs.reason[leg])],
            rang=bool(legs.rang[leg]),
        )


def _show_times(times: NDArray[np.int64]) -> list[datetime]:
    return list(map(ms_to_datetime, times.tolist()))


def _optional_time(midnight: int, ms: int) -> datetime | None:
    return None if ms < 0 else ms_to_datetime(midnight + ms)
