"""The truth behind the views: each call as it happened, and the ids it has in each provider."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from callmocks.history import ids, reasons
from callmocks.history.columns import CallKind, DayColumns, LegRole
from callmocks.history.views import arm, onec
from callmocks.history.walltime import day_start, ms_to_datetime

if TYPE_CHECKING:
    from callmocks.history.history import History

_DIRECTIONS = {
    CallKind.INCOMING: "in",
    CallKind.OUTGOING: "out",
    CallKind.AUTO: "auto",
    CallKind.INTERNAL: "internal",
}


def collect_truth(
    history: History, days: Iterable[DayColumns], from_ms: int, before_ms: int, now_ms: int
) -> list[dict[str, object]]:
    """Calls that start in [begin, before), by start, with their ids even where not yet shown."""
    calls: list[tuple[int, dict[str, object]]] = []
    for day in days:
        starts = day_start(day.first_day) + day.calls.start.astype(np.int64)
        chosen = np.flatnonzero((starts >= from_ms) & (starts < before_ms) & (starts <= now_ms))
        if len(chosen):
            shown = _ProviderIds(history, day)
            calls += [
                (int(starts[call]), shown.describe_call(int(call), now_ms)) for call in chosen
            ]
    return [call for _, call in sorted(calls, key=lambda pair: pair[0])]


class _ProviderIds:
    """Rows of the views of one day, by call."""

    def __init__(self, history: History, day: DayColumns) -> None:
        self._history = history
        self._day = day
        look, key = history.generated.lookups, history.key
        rows = arm.build_arm_rows(key, day, look).select("digits", "call_ref", "_leg_id")
        self._arm = {leg: (digits, ref) for digits, ref, leg in rows.iter_rows()}
        service = onec.build_service_calls(key, day, look).filter(
            pl.col("_session_id").is_not_null()
        )
        self._onec = {
            session: (call_id, vendor)
            for call_id, vendor, session in service.select(
                "CallID", "_vendor", "_session_id"
            ).iter_rows()
        }
        self._leg_ids = ids.leg_id(day.leg_days, day.legs.row)
        self._sessions = ids.session_id(day.call_days, day.calls.row)
        self._communications = ids.communication_id(day.call_days, day.calls.row)

    def describe_call(self, call: int, now: int) -> dict[str, object]:
        """One call, by its position in the day."""
        day, cast = self._day, self._history.directory
        calls = day.calls
        session = int(self._sessions[call])
        first = int(calls.first_leg[call])
        legs = range(first, first + int(calls.leg_count[call]))
        begins, end = day_start(day.first_day), day_start(day.first_day) + int(calls.end[call])
        kind = CallKind(int(calls.kind[call]))
        user = int(calls.user[call])
        service = self._onec.get(session)
        return {
            "start": _format_ms(begins + int(calls.start[call])),
            "answered": _format_optional(begins, int(calls.answered[call])),
            "end": _format_ms(end),
            "finished": end <= now,
            "direction": _DIRECTIONS[kind],
            "client_phone": str(calls.phone[call]) if calls.phone[call] else None,
            "client": cast.users[user].full_name if user >= 0 else None,
            "user_id": cast.users[user].user_id if user >= 0 else None,
            "line": None
            if kind == CallKind.INTERNAL
            else cast.lines[int(calls.line[call])].virtual_phone_number,
            "finish_reason": reasons.NAMES[int(calls.reason[call])],
            "talk_seconds": int(calls.talk[call]) // 1000,
            "recorded": bool(calls.recorded[call]),
            "legs": [self._describe_leg(leg) for leg in legs],
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

    def _describe_leg(self, leg: int) -> dict[str, object]:
        legs, begins = self._day.legs, day_start(self._day.first_day)
        operator = int(legs.operator[leg])
        return {
            "leg_id": int(self._leg_ids[leg]),
            "role": LegRole(int(legs.role[leg])).name.lower(),
            "operator": self._history.directory.operators[operator].number
            if operator >= 0
            else None,
            "start": _format_ms(begins + int(legs.start[leg])),
            "answered": _format_optional(begins, int(legs.connect[leg])),
            "end": _format_ms(begins + int(legs.end[leg])),
            "finish_reason": reasons.NAMES[int(legs.reason[leg])],
            "rang": bool(legs.rang[leg]),
        }


def _format_ms(ms: int) -> str:
    return ms_to_datetime(ms).isoformat(timespec="milliseconds")


def _format_optional(begins: int, ms: int) -> str | None:
    return None if ms < 0 else _format_ms(begins + ms)
