"""Rosters and episodes, which no provider shows: why the calls went as they did."""

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from callmocks.control.answers import PendingAnswer
from callmocks.control.calls import TruthQuery, read_window
from callmocks.control.json_struct import doc
from callmocks.control.problems import ProblemError
from callmocks.control.routing import TENANT, RequestContext, RouteTable
from callmocks.history import reasons
from callmocks.history.directory import Operator
from callmocks.history.history import History
from callmocks.history.walltime import day_of, day_start, ms_to_datetime
from callmocks.tenants.worker import PieceTimer, run_computation, yield_turn

if TYPE_CHECKING:
    from callmocks.history.episodes import Episode
    from callmocks.history.roster import Roster

DAYS_PER_STEP = 31
"""That are described before other requests are served."""
MAX_DAYS = 400
"""In one response."""
_LONG_ROSTER = 2000
"""Shifts from which on they are described in a thread."""

_Time = Annotated[str, doc("Wall time, to the millisecond.")]


class Break(msgspec.Struct):
    """Part of a shift in which calls are refused."""

    from_: _Time = msgspec.field(name="from")
    till: _Time
    status: Annotated[str, doc("The finish reason of calls that are refused in it.")]


class Shift(msgspec.Struct):
    """One operator's work of a day."""

    from_: _Time = msgspec.field(name="from")
    till: _Time
    breaks: list[Break]


class OperatorRoster(msgspec.Struct):
    """One operator's shifts."""

    operator: Annotated[str, doc("Internal number.")]
    employee_id: int
    specialist_id: str
    name: str
    first_day: str
    last_day: Annotated[str | None, doc("Of who has left, or will.")]
    left: Annotated[bool, doc("Whether his last day has passed by the tenant's clock.")]
    shifts: list[Shift]


class RosterList(msgspec.Struct):
    """Every operator, whether he works in the window or not."""

    operators: list[OperatorRoster]


class EpisodeView(msgspec.Struct):
    """While it lasts, every call that it concerns fails by its reason."""

    scope: Annotated[str, doc("account, line, number or employee.")]
    reason: str
    from_: _Time = msgspec.field(name="from")
    till: _Time
    operator: Annotated[str | None, doc("Internal number of whose calls fail.")]
    line: Annotated[str | None, doc("Virtual number of the line that fails.")]
    number: Annotated[str | None, doc("The client's number that cannot be called.")]


class EpisodeList(msgspec.Struct):
    """Episodes by their beginning."""

    episodes: list[EpisodeView]


ROUTES = RouteTable()


@ROUTES.add(
    "GET",
    f"{TENANT}/roster",
    f"Shifts and breaks that begin in a window of {MAX_DAYS} days at most, by operator",
    "roster_show",
    query=TruthQuery,
    response=RosterList,
)
async def show_roster(context: RequestContext) -> dict[str, Any]:
    history = context.tenant.history
    begin, before = read_window(context)
    today = context.tenant.clock.now().date()
    steps = _split_days(history, begin, before)
    operators = _describe_operators(context.answer, history, steps, begin, before, today)
    return {"operators": await run_computation(operators, _is_long(history, steps))}


async def _describe_operators(
    answer: PendingAnswer,
    history: History,
    steps: list[tuple[int, int]],
    begin: int,
    before: int,
    today: date,
) -> list[msgspec.Raw]:
    rosters: list[Roster] = []
    for first, count in steps:
        rosters.append(history.plan_days(first, count)[0])
        await yield_turn()
    described: list[msgspec.Raw] = []
    timer = PieceTimer()
    for index, operator in enumerate(history.directory.operators):
        row = _describe_operator(operator, operator.has_left(today))
        for roster in rosters:
            row.shifts += _list_shifts(roster, index, begin, before)
            await timer.yield_when_due()
        described.append(answer.encode(row))
    return described


@ROUTES.add(
    "GET",
    f"{TENANT}/episodes",
    f"What failed for a while in a window of {MAX_DAYS} days at most: the account, lines, numbers, "
    "employees",
    "episodes_list",
    query=TruthQuery,
    response=EpisodeList,
)
async def list_episodes(context: RequestContext) -> dict[str, Any]:
    history = context.tenant.history
    begin, before = read_window(context)
    steps = _split_days(history, begin, before)
    episodes = _describe_episodes(context.answer, history, steps, begin, before)
    return {"episodes": await run_computation(episodes, _is_long(history, steps))}


async def _describe_episodes(
    answer: PendingAnswer, history: History, steps: list[tuple[int, int]], begin: int, before: int
) -> list[msgspec.Raw]:
    described: list[msgspec.Raw] = []
    timer = PieceTimer()
    for first, count in steps:
        _, plans = history.plan_days(first, count)
        episodes = [episode for plan in plans for episode in plan.episodes]
        for episode in sorted(episodes, key=lambda each: (each.day, each.begin, each.end)):
            midnight = day_start(episode.day)
            if midnight + episode.begin < before and midnight + episode.end > begin:
                view = _describe_episode(history, episode)
                described.append(answer.encode(view))
                await timer.yield_when_due()
        await yield_turn()
    return described


def _is_long(history: History, steps: list[tuple[int, int]]) -> bool:
    days = sum(count for _, count in steps)
    return days * len(history.directory.operators) > _LONG_ROSTER


def _split_days(history: History, begin: int, before: int) -> list[tuple[int, int]]:
    first, last = max(day_of(begin), history.first_day), min(day_of(before - 1), history.last_day)
    if last - first >= MAX_DAYS:
        detail = f"the window holds more than {MAX_DAYS} days; narrow it"
        raise ProblemError(422, detail, where="till")
    steps = range(first, last + 1, DAYS_PER_STEP)
    return [(day, min(DAYS_PER_STEP, last + 1 - day)) for day in steps]


def _describe_operator(operator: Operator, left: bool) -> OperatorRoster:
    return OperatorRoster(
        operator=operator.number,
        employee_id=operator.employee_id,
        specialist_id=operator.specialist_id,
        name=operator.full_name,
        first_day=operator.first_day.isoformat(),
        last_day=operator.last_day.isoformat() if operator.last_day else None,
        left=left,
        shifts=[],
    )


def _list_shifts(roster: "Roster", operator: int, begin: int, before: int) -> list[Shift]:
    midnight = day_start(roster.first_day)

    def show(ms: int) -> str:
        return _show_time(midnight + ms)

    start, end = roster.start[:, operator], roster.end[:, operator]
    in_window = (midnight + start >= begin) & (midnight + start < before) & (start >= 0)
    return [
        Shift(
            show(start[day]),
            show(end[day]),
            [
                Break(show(from_ms), show(till_ms), reasons.NAMES[status])
                for from_ms, till_ms, status in zip(
                    roster.break_start[day, operator].tolist(),
                    roster.break_end[day, operator].tolist(),
                    roster.break_status[day, operator].tolist(),
                    strict=True,
                )
                if from_ms < till_ms
            ],
        )
        for day in np.flatnonzero(in_window).tolist()
    ]


def _describe_episode(history: History, episode: "Episode") -> EpisodeView:
    directory, midnight = history.directory, day_start(episode.day)
    operator = directory.operators[episode.operator].number if episode.operator >= 0 else None
    line = directory.lines[episode.line].virtual_phone_number if episode.line >= 0 else None
    return EpisodeView(
        scope=episode.scope,
        reason=reasons.NAMES[episode.reason],
        from_=_show_time(midnight + episode.begin),
        till=_show_time(midnight + episode.end),
        operator=operator,
        line=line,
        number=str(episode.number) if episode.number else None,
    )


def _show_time(ms: int) -> str:
    return ms_to_datetime(int(ms)).isoformat(timespec="milliseconds")
