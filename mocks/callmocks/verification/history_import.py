"""``callmocks history import``: the calls of a CDR recording as pinned calls and a world.

::

    recording ─▶ rows by id ─▶ world (who takes part) ─▶ pins (legs, times to the millisecond)
                                                      └▶ pinned for a test: new ids, contradictions
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from callmocks.errors import CallmocksError, Contradiction, SettingsError
from callmocks.history import ids
from callmocks.history.clock import parse_wall_time
from callmocks.history.factory import HistoryFactory
from callmocks.history.history import History
from callmocks.history.pin_legs import PinnedLeg
from callmocks.history.pin_resolution import PinnedCall
from callmocks.history.views import session_reasons
from callmocks.history.walltime import datetime_to_ms, ms_to_datetime
from callmocks.history.world_file import parse_world
from callmocks.tenants.settings import TenantSettings
from callmocks.verification.call_times import RecordedLeg, RecordedSession, find_times
from callmocks.verification.recorded_calls import LegRow, RecordedCalls, SessionRow
from callmocks.verification.recorded_world import RecordedWorld, build_world

MAX_CALLS = 100_000


class NotImportable(CallmocksError):
    """Why a recorded call cannot be pinned."""


@dataclass(slots=True)
class ImportedHistory:
    """``ids``: recorded and new ids of sessions and legs."""

    world: str
    summary: dict[str, int] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)
    sessions: dict[int, int] = field(default_factory=dict)
    legs: dict[int, int] = field(default_factory=dict)
    strangers: Counter[str] = field(default_factory=Counter)
    skipped: dict[int, str] = field(default_factory=dict)  # why, by session

    def render_map(self) -> str:
        content = {
            "sessions": self.sessions,
            "legs": self.legs,
            "strangers": dict(self.strangers.most_common()),
            "not_imported": self.skipped,
        }
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"

    def render_calls(self) -> bytes:
        return b"".join(msgspec.json.encode(call) + b"\n" for call in self.calls)


def import_calls(recorded: RecordedCalls) -> ImportedHistory:
    """``SettingsError`` when no call can be imported."""
    world = build_world(recorded)
    result = ImportedHistory(world.render())
    result.summary = {name: len(entries) for name, entries in world.tables.items()}
    result.summary["users"] = len(world.users)
    history = _open_history(result.world)
    by_session = recorded.group_legs()
    if len(by_session) > MAX_CALLS:
        raise SettingsError(f"more than {MAX_CALLS} calls; import a part of the recording")
    without_legs = recorded.sessions.keys() - by_session.keys()
    result.skipped = dict.fromkeys(sorted(without_legs), "its legs were not recorded")
    # Else every leg has the direction of its call, and who was called does not show.
    has_own_directions = any(
        len({leg.direction for leg in legs}) > 1 for legs in by_session.values()
    )
    for session_id, legs in sorted(by_session.items(), key=lambda item: item[1][0].start_time):
        try:
            row = recorded.sessions.get(session_id)
            if has_own_directions and legs[0].is_operator and legs[0].direction == "out":
                raise NotImportable("its first leg was not recorded")
            if row is None:
                _require_all_legs(recorded, legs)
            _import_call(result, history, world, legs, row)
        except NotImportable as error:
            result.skipped[session_id] = str(error)
    if not result.calls:
        (session, why), *_ = result.skipped.items()
        raise SettingsError(f"no call can be imported; session {session}: {why}")
    return result


def _open_history(world: str) -> History:
    return HistoryFactory().create(TenantSettings("import"), parse_world(world, "of the recording"))


def _import_call(
    result: ImportedHistory,
    history: History,
    world: RecordedWorld,
    legs: list[LegRow],
    session: SessionRow | None,
) -> None:
    call = _make_pin(world, legs, session or SessionRow(0))
    request = msgspec.to_builtins(call)
    try:
        pin = history.pins.add(request)
    except Contradiction as error:
        raise NotImportable(f"{error.field}: {error.reason}") from None
    result.calls.append(request)
    session_id = legs[0].call_session_id
    result.sessions[session_id] = pin.id
    new_ids = ids.leg_id(pin.day.leg_days, pin.day.legs.row).tolist()
    result.legs |= zip((leg.id for leg in legs), new_ids, strict=True)
    if call.user is None and call.client_phone is not None:
        result.strangers[call.client_phone] += 1


def _require_all_legs(recorded: RecordedCalls, legs: list[LegRow]) -> None:
    """What was recorded of a session would contradict a missing leg."""
    starts = [_parse_seconds(leg.start_time) for leg in legs]
    ends = [start + leg.total_duration for start, leg in zip(starts, legs, strict=True)]
    if not recorded.is_covered(min(starts) * 1000, max(ends) * 1000):
        raise NotImportable("legs may be missing: it lasts beyond the recorded period or page")


def _make_pin(world: RecordedWorld, legs: list[LegRow], session: SessionRow) -> PinnedCall:
    first = legs[0]
    if first.start_time != min(leg.start_time for leg in legs):
        raise NotImportable("its first leg was not recorded")
    internal = first.is_operator and first.virtual_phone_number is None
    if first.direction not in ("in", "out"):
        raise NotImportable(f"its direction {first.direction!r} is unknown")
    direction = "internal" if internal else "out" if first.is_operator else "auto"
    if not first.is_operator and first.direction == "in":
        direction = "in"
    roles = [_find_role(leg, index) for index, leg in enumerate(legs)]
    begin = _parse_seconds(first.start_time)
    times = find_times(*_collect_durations(legs, roles, session, begin, internal))
    if times is None:
        raise NotImportable("its times and durations contradict one another")
    call_ms = begin * 1000 + times[0].start
    phone = None if internal else _find_phone(first, session)
    contact = next((leg.contact_id for leg in legs if leg.contact_id), session.contact_id)
    reason, called = session.finish_reason, first.called_phone_number or ""
    if not internal and first.virtual_phone_number not in world.lines:
        raise NotImportable("it has no virtual number")
    return PinnedCall(
        start=ms_to_datetime(call_ms).isoformat(timespec="milliseconds"),
        direction=direction,
        client_phone=phone,
        anonymous=phone is None and direction == "in",
        user=world.users[contact] if contact and not internal and phone else None,
        to_operator=world.number_of_phone.get(called) if internal else None,
        line=first.virtual_phone_number,
        recorded=any(leg.call_records for leg in legs) or None,
        session_finish_reason=reason if reason in session_reasons.INDEX else None,
        legs=[
            PinnedLeg(
                role=role,
                start=(time.start - times[0].start) / 1000,
                end=(time.end - times[0].start) / 1000,
                finish_reason=leg.finish_reason,
                connect=None if time.connect is None else (time.connect - times[0].start) / 1000,
                operator=_find_operator(world, leg, role, internal),
                rating=leg.employee_rating or None,
            )
            for leg, role, time in zip(legs, roles, times, strict=True)
        ],
    )


def _find_role(leg: LegRow, index: int) -> str:
    if not leg.is_operator:
        return "subscriber"
    if index == 0:
        return "initiator"
    return "coach" if leg.is_coach else "transfer" if leg.is_transfered else "operator"


def _parse_seconds(text: str) -> int:
    try:
        return datetime_to_ms(parse_wall_time(text)) // 1000
    except SettingsError:
        raise NotImportable(f"{text!r} is no time") from None


def _collect_durations(
    legs: list[LegRow], roles: list[str], session: SessionRow, begin: int, internal: bool
) -> tuple[list[RecordedLeg], RecordedSession]:
    found = []
    for leg, role in zip(legs, roles, strict=True):
        connect = None if leg.connect_time is None else _parse_seconds(leg.connect_time) - begin
        is_answer = connect is not None and role not in ("subscriber", "coach")
        is_talk = is_answer and not (internal and role == "operator")
        start = _parse_seconds(leg.start_time) - begin
        times = (start, connect, leg.duration, leg.total_duration)
        found.append(RecordedLeg(*times, is_talk, is_answer))
    finish = session.finish_time
    return found, RecordedSession(
        None if finish is None else _parse_seconds(finish) - begin,
        session.total_duration,
        session.wait_duration,
        session.total_wait_duration,
        session.talk_duration,
        session.clean_talk_duration,
    )


def _find_phone(first: LegRow, session: SessionRow) -> str | None:
    """The client's number; None when it was hidden."""
    incoming = not first.is_operator and first.direction == "in"
    own = first.calling_phone_number if incoming else first.called_phone_number
    return first.contact_phone_number or session.contact_phone_number or own or None


def _find_operator(world: RecordedWorld, leg: LegRow, role: str, internal: bool) -> str | None:
    """Of a leg that reached nobody: whom it was for, as far as the recording tells."""
    if role == "subscriber":
        return None
    if leg.employee_id is not None:
        return world.numbers[leg.employee_id]
    if internal:
        return world.number_of_phone.get(leg.called_phone_number or "")
    return world.number_of_group.get(leg.group_id or 0)


def write_file(path: Path, content: bytes, flag: str) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise SettingsError(f"{flag}: {path}: {error.strerror}") from None
