"""Episodes, and the calls that must come: the plan of a calendar month, laid out day by day.

While an episode lasts, what it concerns fails by its reason. A month plans one episode or one
refusal for each finish reason that does not come by itself, on workdays, and a call that shows it.
An episode lies within its day, so that no day needs another one.
"""

from enum import StrEnum
from functools import lru_cache, partial

import msgspec
import numpy as np

from callmocks.history import reasons
from callmocks.history.calendar import DayKind, day_kinds, months_of_days
from callmocks.history.columns import CallKind, IntColumn
from callmocks.history.directory import Directory
from callmocks.history.generator import Generator
from callmocks.history.phone_numbers import draw_phone_numbers
from callmocks.history.random_stream import RandomStream
from callmocks.history.reasons import SUBSCRIBER_HUNG_UP
from callmocks.history.roster import HOUR_MS, MINUTE_MS, SATURDAY, Roster, find_opening_hours
from callmocks.history.walltime import DAY_MS, date_of_day
from callmocks.history.world import FIRST_HOUR, LAST_HOUR, HourWeights, Traffic, World

_PLANS = 9  # stream
_RAW_PER_REASON = 12
# The plan of a world with fewer calls a day holds a part of the reasons.
_CALLS_FOR_ALL_REASONS = 100
_R = reasons.INDEX
# The exchange has answered a call for so long before its only attempt.
LEAD_MS = 4_000
# A talk begun before an episode of its operator ends soon after the episode begins.
TALK_ON_MS = 2 * MINUTE_MS


class Scope(StrEnum):
    ACCOUNT = "account"
    LINE = "line"
    NUMBER = "number"
    EMPLOYEE = "employee"


OUTAGES = (Scope.ACCOUNT, Scope.LINE)
_EPISODES: dict[Scope, tuple[str, ...]] = {
    Scope.ACCOUNT: (
        "internal_error",
        "no_resources",
        "app_is_inactive",
        "call_not_allowed_on_tp",
        "account_not_found",
        "contract_not_found",
        "max_in_call_reached",
        "max_out_call_reached",
        "limit_exceeded",
        "no_money",
    ),
    Scope.LINE: ("no_operation", "scenario_not_found", "component_is_inactive"),
    Scope.EMPLOYEE: (
        "locked_phone",
        "employee_inactive",
        "in_call_not_allowed",
        "out_call_not_allowed",
        "internal_call_not_allowed",
        "external_call_not_allowed",
    ),
    Scope.NUMBER: (
        "operator_number_problems",
        "operator_channels_busy",
        "locked_numb",
        "employee_phone_not_found",
        "group_phone_inactive",
        "employee_phone_inactive",
        "fmc_is_locked",
        "sip_trunk_is_locked",
        "sip_offline",
        "fmc_is_disabled",
    ),
}
# Refused in a break of that status, or of any.
_IN_BREAK = {
    "employee_status_break": "employee_status_break",
    "employee_status_do_not_disturb": "employee_status_do_not_disturb",
    "employee_auto_status_do_not_disturb": "employee_auto_status_do_not_disturb",
    "employee_status_not_at_workplace": "employee_status_not_at_workplace",
    "employee_status_auto_out_call": "employee_status_auto_out_call",
    "phone_protocol_not_allowed_by_status": "employee_status_do_not_disturb",
    "out_call_not_allowed_by_status": "employee_status_break",
    "internal_call_not_allowed_by_status": "employee_status_do_not_disturb",
    "external_call_not_allowed_by_status": "employee_status_not_at_workplace",
    "auto_out_calls_not_allowed_by_status": "employee_status_break",
}
_AFTER_SHIFT = (
    "employee_status_available",
    "employee_status_not_at_work",
    "employee_inactive_by_schedule",
    "employee_phone_inactive_by_schedule",
)
_GROUP_OFF = ("group_inactive_by_schedule", "phone_group_inactive_by_schedule")
# Account-wide ones first: they take the quiet hours, the rest what is left.
_PLANNED = (
    *_EPISODES[Scope.ACCOUNT],
    *_EPISODES[Scope.LINE],
    *_EPISODES[Scope.EMPLOYEE],
    *_EPISODES[Scope.NUMBER],
    *_IN_BREAK,
    *_AFTER_SHIFT,
    *_GROUP_OFF,
)
EPISODE_SCOPES = {name: scope for scope, names in _EPISODES.items() for name in names}
_DIALLED = {reasons.NAMES[reason] for reason in reasons.reasons_at("alone", "initiator")}
_OUTGOING = np.array([name in _DIALLED for name in reasons.NAMES])


class Episode(msgspec.Struct, frozen=True):
    """Operator and line are indexes, -1 for none; times are ms of the day, the end excluded."""

    scope: Scope
    reason: int
    day: int
    begin: int
    end: int
    operator: int = -1
    line: int = -1
    number: int = 0  # of a client

    @property
    def stops_incoming(self) -> bool:
        return not _OUTGOING[self.reason]


class PlannedCall(msgspec.Struct, frozen=True):
    """``time`` is that of the only attempt, or of the refused call itself, in ms of the day."""

    day: int
    time: int
    kind: int
    reason: int  # of the first leg
    attempt: int = -1  # finish reason of the attempt
    operator: int = -1
    line: int = -1
    number: int = 0


class DayPlan(msgspec.Struct):
    day: int
    episodes: list[Episode] = []
    calls: list[PlannedCall] = []
    # Operator, break and the status that it has.
    statuses: list[tuple[int, int, int]] = []


class MonthPlanner:
    """``roster`` of the methods is that of the days asked for."""

    def __init__(self, generator: Generator, world: World, directory: Directory) -> None:
        self._world = world
        self._directory = directory
        self._day_months = months_of_days() - months_of_days()[0]
        kinds = day_kinds(world.calendar)
        plan_month = partial(_plan_month, generator, world.traffic, self._day_months, kinds)
        # A cache around a bound method is a cycle, in which the directory would stay after its use.
        self._reasons_of_day = lru_cache(maxsize=64)(plan_month)

    def plan(self, roster: Roster, call_counts: np.ndarray) -> list[DayPlan]:
        """For each day of the roster, whose numbers of calls limit what can be planned."""
        plans = []
        for offset, count in enumerate(call_counts.tolist()):
            day = roster.first_day + offset
            planned = self._reasons_of_day(int(self._day_months[day])).get(day)
            if planned is None:
                plans.append(DayPlan(day))
                continue
            layout = _DayLayout(self._world, self._directory, roster, offset)
            for name, raw in planned:
                stream = RandomStream(raw)
                kept = stream.integer_below(_CALLS_FOR_ALL_REASONS) < count
                if kept and len(layout.plan.calls) < count:
                    layout.add(name, stream)
            plans.append(layout.plan)
        return plans


def _plan_month(
    generator: Generator, traffic: Traffic, day_months: IntColumn, kinds: IntColumn, month: int
) -> dict[int, list[tuple[str, list[int]]]]:
    """Reasons by day, each with raw numbers."""
    if not traffic.episodes or traffic.plan != "natural":
        return {}
    days = np.flatnonzero(day_months == month)
    weekdays = np.array([date_of_day(int(day)).weekday() for day in days])
    workdays = np.isin(kinds[days], (DayKind.WORKDAY, DayKind.SHORT))
    chosen = days[workdays & (weekdays < SATURDAY)]
    if not len(chosen):
        chosen = days[weekdays < SATURDAY]
    raw = generator.draw_raw(_PLANS, month, len(_PLANNED) * _RAW_PER_REASON + len(chosen))
    order = chosen[np.argsort(raw[: len(chosen)], kind="stable")].tolist()
    rows = raw[len(chosen) :].reshape(-1, _RAW_PER_REASON).tolist()
    planned: dict[int, list[tuple[str, list[int]]]] = {}
    for number, (name, row) in enumerate(zip(_PLANNED, rows, strict=True)):
        planned.setdefault(order[number % len(order)], []).append((name, row))
    return planned


class _DayLayout:
    """Places a day's planned reasons one after another; what finds no place is left out."""

    def __init__(self, world: World, directory: Directory, roster: Roster, offset: int) -> None:
        self._directory = directory
        self._weights = world.traffic.weekday_hours
        self._quiet_hours = _find_quiet_hours(self._weights)
        self._taken: set[int] = set()
        self.plan = DayPlan(roster.first_day + offset)
        self._roster, self._offset = roster, offset
        self._operators = np.flatnonzero(roster.working[offset]).tolist()
        start = (roster.start[offset] - offset * DAY_MS).tolist()
        end = (roster.end[offset] - offset * DAY_MS).tolist()
        self._shifts = {each: (start[each], end[each]) for each in self._operators}

    def add(self, name: str, stream: RandomStream) -> None:
        scope = EPISODE_SCOPES.get(name)
        if scope in OUTAGES and (self._operators or name not in _DIALLED):
            self._add_outage(scope, name, stream)
        elif not set(self._operators) - self._taken:
            return
        elif scope is not None:
            self._add_episode(scope, name, stream)
        elif name in _IN_BREAK:
            self._add_in_break(name, stream)
        elif name in _AFTER_SHIFT:
            self._add_after_shift(name, stream)
        else:
            self._add_group_off(name, stream)

    def _add_outage(self, scope: Scope, name: str, stream: RandomStream) -> None:
        """At a quiet hour, before those of the shifts where there is one."""
        length = (10 + 5 * stream.integer_below(5)) * MINUTE_MS
        begin = stream.choose_from(self._quiet_hours) * HOUR_MS
        begin += stream.integer_below(1 + (HOUR_MS - length) // MINUTE_MS) * MINUTE_MS
        line = stream.integer_below(len(self._directory.lines)) if scope is Scope.LINE else -1
        time = begin + length // 2 + stream.integer_below(length // 3)
        dialled = name in _DIALLED
        if dialled:
            # It shows by a call that an operator dials, so it comes while he works.
            operator = self._take_operator(stream)
            begin, time = self._choose_window(operator, length, stream)
        outages = (each for each in self.plan.episodes if each.scope in OUTAGES)
        if self._weights[time // HOUR_MS] == 0 or any(
            each.begin < begin + length and begin < each.end for each in outages
        ):
            return
        end = begin + length
        self.plan.episodes.append(Episode(scope, _R[name], self.plan.day, begin, end, line=line))
        if dialled:
            self._add_dialled(name, operator, time, stream)
        else:
            self._add_call(time, CallKind.INCOMING, _R[name], line=line)

    def _add_episode(self, scope: Scope, name: str, stream: RandomStream) -> None:
        """Of an operator or his number, or of a client's number, while he works."""
        operator = self._take_operator(stream)
        shift_begin, shift_end = self._shifts.get(operator, (0, DAY_MS))
        length = (15 + 5 * stream.integer_below(16)) * MINUTE_MS
        length = min(length, shift_end - shift_begin)
        begin, time = self._choose_window(operator, length, stream)
        if not self._is_free(time):
            return
        client = name == "locked_numb"
        number = (
            int(draw_phone_numbers(np.array([stream.next_raw()], np.uint64))[0]) if client else 0
        )
        owner = -1 if client else operator
        end = begin + length
        self.plan.episodes.append(
            Episode(scope, _R[name], self.plan.day, begin, end, owner, number=number)
        )
        if name in _DIALLED:
            self._add_dialled(name, operator, time, stream, number)
        else:
            self._add_attempt(name, operator, time)

    def _add_in_break(self, name: str, stream: RandomStream) -> None:
        operator = self._take_operator(stream)
        breaks = self._list_breaks(operator)
        choices = [
            number
            for number, (begin, end) in enumerate(breaks)
            if end > begin and self._is_free(begin + (end - begin) * 5 // 8)
        ]
        if not choices:
            return
        number = stream.choose_from(choices)
        begin, end = breaks[number]
        time = begin + (end - begin) * 5 // 8
        later = time + stream.integer_below((end - begin) // 4)
        time = later if self._is_free(later) else time
        self.plan.statuses.append((operator, number, _R[_IN_BREAK[name]]))
        if name in _DIALLED:
            self._add_dialled(name, operator, time, stream)
        else:
            self._add_attempt(name, operator, time)

    def _add_after_shift(self, name: str, stream: RandomStream) -> None:
        minutes = 3 + stream.integer_below(20)
        for operator in self._operators:
            time = self._shifts[operator][1] + minutes * MINUTE_MS
            if self._is_free(time):
                self._add_attempt(name, operator, time)
                return

    def _add_group_off(self, name: str, stream: RandomStream) -> None:
        minutes = 3 + stream.integer_below(20)
        for operator in self._operators:
            group = self._directory.operators[operator].group
            of_group = [
                shift
                for other, shift in self._shifts.items()
                if self._directory.operators[other].group == group
            ]
            last = max(end for _, end in of_group)
            first = min(begin for begin, _ in of_group)
            for time in (last + minutes * MINUTE_MS, first - minutes * MINUTE_MS):
                if self._is_free(time):
                    self._add_attempt(name, operator, time)
                    return

    def _list_breaks(self, operator: int) -> list[tuple[int, int]]:
        roster, midnight = self._roster, self._offset * DAY_MS
        begin = (roster.break_start[self._offset, operator] - midnight).tolist()
        end = (roster.break_end[self._offset, operator] - midnight).tolist()
        return list(zip(begin, end, strict=True))

    def _take_operator(self, stream: RandomStream) -> int:
        """Each operator once a day; -1 when none is left."""
        left = [each for each in self._operators if each not in self._taken]
        if not left:
            return -1
        operator = stream.choose_from(left)
        self._taken.add(operator)
        return operator

    def _choose_window(self, operator: int, length: int, stream: RandomStream) -> tuple[int, int]:
        """Within a shift; the second value lies in its last third."""
        begin, end = self._shifts.get(operator, (0, 0))
        room = max((end - begin - length) // MINUTE_MS, 1)
        begin += stream.integer_below(room) * MINUTE_MS
        return begin, begin + length * 2 // 3 + stream.integer_below(length // 4)

    def _is_free(self, time: int) -> bool:
        """Whether the world has calls at that hour, and no outage."""
        if not FIRST_HOUR * HOUR_MS < time < (LAST_HOUR + 1) * HOUR_MS - MINUTE_MS:
            return False
        outages = (each for each in self.plan.episodes if each.scope in OUTAGES)
        before = time - LEAD_MS
        has_calls = self._weights[before // HOUR_MS] > 0 and self._weights[time // HOUR_MS] > 0
        return has_calls and not any(each.begin <= time and before < each.end for each in outages)

    def _add_attempt(self, name: str, operator: int, time: int) -> None:
        self._add_call(time, CallKind.INCOMING, SUBSCRIBER_HUNG_UP, _R[name], operator)

    def _add_dialled(
        self, name: str, operator: int, time: int, stream: RandomStream, number: int = 0
    ) -> None:
        kind = CallKind.INTERNAL if name.startswith("internal_call") else CallKind.OUTGOING
        self._add_call(time, kind, _R[name], operator=operator, number=number)

    def _add_call(
        self,
        time: int,
        kind: int,
        reason: int,
        attempt: int = -1,
        operator: int = -1,
        line: int = -1,
        number: int = 0,
    ) -> None:
        call = PlannedCall(self.plan.day, time, kind, reason, attempt, operator, line, number)
        self.plan.calls.append(call)


@lru_cache(maxsize=64)
def _find_quiet_hours(weights: HourWeights) -> list[int]:
    """Before the opening, where some hour has a few calls; else the quietest hours."""
    opening, _ = find_opening_hours(weights)
    used = [hour for hour, weight in enumerate(weights) if weight]
    quiet = [hour for hour in used if 24 * weights[hour] <= sum(weights)]
    early = [hour for hour in quiet if (hour + 1) * HOUR_MS <= opening]
    return early or quiet or [min(used, key=lambda hour: weights[hour])]
