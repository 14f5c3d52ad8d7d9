"""The sessions and legs of a CDR recording, one row an id, as they were recorded last."""

from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import TypeVar

import msgspec

from callmocks.cdr.jsonrpc import ParsedRequest, split_members
from callmocks.cdr.provider import CDR
from callmocks.contract.assumptions import Assumptions
from callmocks.errors import SettingsError
from callmocks.history.world import PositiveId
from callmocks.provider.base import RequestKey, WireExchange
from callmocks.provider.recorded_rows import RecordedPage, RowWindowError
from callmocks.verification.recording import RecordedExchange, iter_exchanges
from callmocks.verification.replay_window import RecordedTable, join_periods
from callmocks.verification.request_differences import hashable_key

LEGS, SESSIONS = "get.call_legs_report", "get.calls_report"
MAX_LEGS = 500_000
_MISSING = "Object missing required field"
_MAX_LISTED = 20


class LegRow(msgspec.Struct):
    """What is read of a leg; what has a default is not needed."""

    id: int
    call_session_id: int
    start_time: str
    connect_time: str | None
    duration: int
    total_duration: int
    finish_reason: str
    direction: str
    is_operator: bool
    virtual_phone_number: str | None
    calling_phone_number: str | None
    called_phone_number: str | None
    employee_id: PositiveId | None
    is_transfered: bool = False
    is_coach: bool = False
    employee_full_name: str | None = None
    employee_phone_number: str | None = None
    employee_rating: int | None = None
    scenario_id: PositiveId | None = None
    scenario_name: str | None = None
    action_id: PositiveId | None = None
    action_name: str | None = None
    group_id: PositiveId | None = None
    group_name: str | None = None
    contact_id: PositiveId | None = None
    contact_full_name: str | None = None
    contact_phone_number: str | None = None
    call_records: list[str] = []


class SessionRow(msgspec.Struct):
    id: int
    finish_time: str | None = None
    finish_reason: str | None = None
    total_duration: int | None = None
    wait_duration: int | None = None
    total_wait_duration: int | None = None
    talk_duration: int | None = None
    clean_talk_duration: int | None = None
    scenario_id: PositiveId | None = None
    scenario_name: str | None = None
    contact_id: PositiveId | None = None
    contact_full_name: str | None = None
    contact_phone_number: str | None = None


Row = TypeVar("Row", LegRow, SessionRow)


@dataclass(slots=True)
class RecordedCalls:
    legs: dict[int, LegRow] = field(default_factory=dict)
    sessions: dict[int, SessionRow] = field(default_factory=dict)
    passed_over: list[str] = field(default_factory=list)  # exchanges, and why
    # Wall ms, from when to when no leg is missing.
    covered: list[tuple[int, int]] = field(default_factory=list)

    def group_legs(self) -> dict[int, list[LegRow]]:
        """By session, in the order of their ids."""
        found: dict[int, list[LegRow]] = {}
        for _, leg in sorted(self.legs.items()):
            found.setdefault(leg.call_session_id, []).append(leg)
        return found

    def is_covered(self, begin: int, end: int) -> bool:
        return any(first <= begin and end < last for first, last in self.covered)


def read_recorded_calls(path: Path) -> RecordedCalls:
    """``SettingsError`` with the line of what cannot be read."""
    found, pages = RecordedCalls(), LegPages()
    try:
        with path.open("rb") as file:
            for number, exchange in iter_exchanges(file, str(path)):
                if exchange.provider == CDR.name and exchange.operation in (LEGS, SESSIONS):
                    _add_rows(found, pages, exchange, f"{path}: line {number}")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    found.covered = pages.join_periods()
    if not found.legs:
        listed = "; ".join(found.passed_over[:_MAX_LISTED])
        reason = f"no rows of {LEGS} that can be used were recorded"
        raise SettingsError(f"{path}: {reason}" + (f": {listed}" if listed else ""))
    return found


class LegPages:
    """Which times the recorded pages of legs cover, without their rows."""

    def __init__(self) -> None:
        self._reader = CDR.make_row_reader()
        self._choices = Assumptions().choices
        self._tables: dict[object, RecordedTable] = {}

    def add(self, exchange: RecordedExchange) -> None:
        wire = exchange.to_wire(CDR)
        key = CDR.request_key(wire.request, wire.transport)
        page = None if key is None else self._read_page(wire, key)
        if page is None:
            return
        scope = hashable_key(page.window.scope)
        if scope not in self._tables:
            self._tables[scope] = RecordedTable(page, exchange.seq, self._reader.tells_total)
        self._tables[scope].add(page, 0)

    def _read_page(self, wire: WireExchange, key: RequestKey) -> RecordedPage | None:
        try:
            window = self._reader.read_window(LEGS, key, 0, self._choices, UTC)
        except RowWindowError:
            return None
        page = window and self._reader.read_page(wire, window, self._choices)
        if page is None:
            return None
        rows = [row._replace(id="", body=b"") for row in page.rows]
        return page._replace(rows=rows, recorded=WireExchange(LEGS))

    def join_periods(self) -> list[tuple[int, int]]:
        for table in self._tables.values():
            table.join_runs()
        tables = self._tables.values()
        return join_periods(period for table in tables for period in table.list_periods())


def _add_rows(
    found: RecordedCalls, pages: LegPages, exchange: RecordedExchange, source: str
) -> None:
    reason = _find_obstacle(exchange)
    members = split_members(split_members(exchange.response.encode()).get("result", b""))
    if not reason and "data" not in members:
        reason = "without rows"
    if not reason:
        if exchange.operation == LEGS:
            reason = _add_decoded(found.legs, members["data"], LegRow, source)
            pages.add(exchange)
        else:
            reason = _add_decoded(found.sessions, members["data"], SessionRow, source)
    if reason:
        found.passed_over.append(f"{source}: {reason}")
    if max(len(found.legs), len(found.sessions)) > MAX_LEGS:
        raise SettingsError(f"{source}: more than {MAX_LEGS} legs; import a part of the recording")


def _find_obstacle(exchange: RecordedExchange) -> str:
    if exchange.is_truncated or exchange.is_hashed:
        return "recorded without its text"
    params = ParsedRequest(exchange.request.encode()).envelope.params
    if exchange.operation == LEGS and isinstance(params, dict) and params.get("filter"):
        return "filtered, so that legs of a call may be missing"
    return ""


def _add_decoded(rows: dict[int, Row], data: msgspec.Raw, model: type[Row], source: str) -> str:
    """Why the rows are no use, or nothing."""
    try:
        decoded: list[Row] = msgspec.json.decode(data, type=list[model])  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        if reason.startswith(_MISSING):
            return f"rows without {reason.removeprefix(_MISSING).strip(' `')}"
        raise SettingsError(f"{source}: result.data{place.rstrip('`')}: {reason}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise SettingsError(f"{source}: result.data: {error}") from None
    rows |= {row.id: row for row in decoded}
    return ""
