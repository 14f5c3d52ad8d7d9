"""The truth behind the views: each call as it happened, and the ids it has in each provider."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from callmocks.history import ids, reasons
from callmocks.history.columns import Day, Kind, Role
from callmocks.history.views import arm, onec
from callmocks.history.walltime import day_start, from_ms

if TYPE_CHECKING:
    from callmocks.history.history import History

_DIRECTIONS = {
    Kind.INCOMING: "in",
    Kind.OUTGOING: "out",
    Kind.AUTO: "auto",
    Kind.INTERNAL: "internal",
}


def truth(
    history: History, days: Iterable[Day], begin: int, before: int, now: int
) -> list[dict[str, object]]:
    """Calls that start in [begin, before), by start, with their ids even where not yet shown."""
    calls: list[tuple[int, dict[str, object]]] = []
    for day in days:
        starts = day_start(day.day) + day.calls.start.astype(np.int64)
        chosen = np.flatnonzero((starts >= begin) & (starts < before) & (starts <= now))
        if len(chosen):
            shown = _Shown(history, day)
            calls += [(int(starts[call]), shown.call(int(call), now)) for call in chosen]
    return [call for _, call in sorted(calls, key=lambda pair: pair[0])]


class _Shown:
    """Rows of the views of one day, by call."""

    def __init__(self, history: History, day: Day) -> None:
        self._history = history
        self._day = day
        look, key = history.drawn.lookups, history.key
        rows = arm.rows_frame(key, day, look).select("digits", "call_ref", "_leg_id")
        self._arm = {leg: (digits, ref) for digits, ref, leg in rows.iter_rows()}
        service = onec.rows_frame(key, day, look).filter(pl.col("_session_id").is_not_null())
        self._onec = {
            session: (call_id, vendor)
            for call_id, vendor, session in service.select(
                "CallID", "_vendor", "_session_id"
            ).iter_rows()
        }
        self._leg_ids = ids.leg_id(day.of_legs, day.legs.row)
        self._sessions = ids.session_id(day.of_calls, day.calls.row)
        self._communications = ids.communication_id(day.of_calls, day.calls.row)

    def call(self, call: int, now: int) -> dict[str, object]:
        """One call, by its position in the day."""
        day, cast = self._day, self._history.cast
        calls = day.calls
        session = int(self._sessions[call])
        first = int(calls.first_leg[call])
        legs = range(first, first + int(calls.legs[call]))
        begins, end = day_start(day.day), day_start(day.day) + int(calls.end[call])
        kind = Kind(int(calls.kind[call]))
        user = int(calls.user[call])
        service = self._onec.get(session)
        return {
            "start": _text(begins + int(calls.start[call])),
            "answered": _maybe(begins, int(calls.answered[call])),
            "end": _text(end),
            "finished": end <= now,
            "direction": _DIRECTIONS[kind],
            "client_phone": str(calls.phone[call]) if calls.phone[call] else None,
            "client": cast.users[user].full_name if user >= 0 else None,
            "user_id": cast.users[user].user_id if user >= 0 else None,
            "line": None
            if kind == Kind.INTERNAL
            else cast.lines[int(calls.line[call])].virtual_phone_number,
            "finish_reason": reasons.NAMES[int(calls.reason[call])],
            "talk_seconds": int(calls.talk[call]) // 1000,
            "recorded": bool(calls.recorded[call]),
            "legs": [self._leg(leg) for leg in legs],
            "arm": [
                {"operator": self._arm[leg][0], "call_ref": self._arm[leg][1]}
                for leg in (int(self._leg_ids[leg]) for leg in legs)
                if leg in self._arm
            ],
            "cdr": {
                "call_session_id": session,
                "communication_id": int(self._communications[call]),
                "leg_ids": [int(self._leg_ids[leg]) for leg in legs],
            },
            "onec": None
            if service is None
            else {"CallID": service[0], "vendor_scheme": bool(service[1])},
        }

    def _leg(self, leg: int) -> dict[str, object]:
        legs, begins = self._day.legs, day_start(self._day.day)
        operator = int(legs.operator[leg])
        return {
            "leg_id": int(self._leg_ids[leg]),
            "role": Role(int(legs.role[leg])).name.lower(),
            "operator": self._history.cast.operators[operator].number if operator >= 0 else None,
            "start": _text(begins + int(legs.start[leg])),
            "answered": _maybe(begins, int(legs.connect[leg])),
            "end": _text(begins + int(legs.end[leg])),
            "finish_reason": reasons.NAMES[int(legs.reason[leg])],
            "rang": bool(legs.rang[leg]),
        }


def _text(ms: int) -> str:
    return from_ms(ms).isoformat(timespec="milliseconds")


def _maybe(begins: int, ms: int) -> str | None:
    return None if ms < 0 else _text(begins + ms)
