"""A tenant: one integration's own contact centre. Nothing is shared between two of them."""

from callmocks.history.clock import Clock, parse_moment, zone
from callmocks.history.history import History
from callmocks.tenancy.assumptions import Assumptions
from callmocks.tenancy.journal import Journal
from callmocks.tenancy.settings import TenantSettings
from callmocks.tenancy.state import State


class Tenant:
    """Credentials, history, clock, limits, choices and journal under one name."""

    def __init__(self, settings: TenantSettings, history: History, state: State) -> None:
        self.settings = settings.completed()
        self.history = history
        self.state = state
        self.journal = Journal()
        self.assumptions = Assumptions(settings.assumptions)
        self.clock = self._first_clock()

    @property
    def name(self) -> str:
        """The tenant's name: its ARM domain, and its logins when no others were set."""
        return self.settings.name

    async def reset(self) -> None:
        """Back to the first state: clock, choices, sessions, limits, journal, pinned calls."""
        self.clock = self._first_clock()
        self.assumptions = Assumptions(self.settings.assumptions)
        self.journal.clear()
        self.history.pins.clear()
        await self.state.clear()

    def _first_clock(self) -> Clock:
        settings = self.settings
        frozen_at = None if settings.now == "real" else parse_moment(settings.now)
        return Clock(zone(settings.timezone), frozen_at)
