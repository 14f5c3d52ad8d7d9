"""The calls of some days of an ordinary contact centre."""

from callmocks.history.call_draft import CallDraft
from callmocks.history.callers import CallerBook
from callmocks.history.columns import DayColumns, IntColumn
from callmocks.history.directory import Directory
from callmocks.history.episodes import DayPlan, MonthPlanner
from callmocks.history.generator import Generator, RawNumbers
from callmocks.history.roster import Roster, RosterBuilder
from callmocks.history.world import World


class ContactCentre:
    def __init__(
        self, generator: Generator, world: World, directory: Directory, calls_by_day: IntColumn
    ) -> None:
        self._world = world
        self._directory = directory
        self._calls_by_day = calls_by_day
        self._rosters = RosterBuilder(generator, world, directory)
        self._planner = MonthPlanner(generator, world, directory)
        self._callers = CallerBook(generator, world, directory)
        self.are_employed = self._rosters.are_employed

    def plan(self, first: int, days: int) -> tuple[Roster, list[DayPlan]]:
        roster = self._rosters.build(first, days)
        plans = self._planner.plan(roster, self._calls_by_day[first : first + days])
        for offset, plan in enumerate(plans):
            for operator, number, status in plan.statuses:
                roster.break_status[offset, operator, number] = status
        return roster, plans

    def generate(
        self, first: int, day_offset: IntColumn, raw: RawNumbers, hour_weights: IntColumn
    ) -> DayColumns:
        """``day_offset`` of each call, ascending; ``hour_weights`` by day and hour."""
        roster, plans = self.plan(first, len(hour_weights))
        draft = CallDraft(
            self._world, self._directory, roster, plans, day_offset, raw, hour_weights
        )
        draft.place_calls()
        draft.find_colleagues()
        draft.apply_outages()
        return draft.build(first, self._callers)
