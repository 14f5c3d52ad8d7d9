"""A tenant: one integration's own contact centre. Nothing is shared between two of them."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from callmocks.contract.assumptions import Assumptions
from callmocks.faults import Faults
from callmocks.history.clock import Clock, parse_moment, zone
from callmocks.history.history import History
from callmocks.history.pins import Pins
from callmocks.tenants.journal import Budget, Journal
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.state import State

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange, Reply

Observer = Callable[["Exchange", "Reply", float], None]
"""Told of every exchange when it is in the journal: exchange, reply, seconds it took."""


class Tenant:
    """Credentials, history, clock, limits, choices, faults and journal under one name.

    ``observers`` is the registry's list, one for all its tenants.
    """

    def __init__(
        self,
        settings: TenantSettings,
        history: History,
        state: State,
        budget: Budget | None = None,
        observers: list[Observer] | None = None,
    ) -> None:
        self.settings = settings.completed()
        self.history = history
        self.state = state
        self.assumptions = Assumptions(settings.assumptions)
        self.clock = self.first_clock()
        self.sessions_kept = timedelta()
        """By how much the clock was moved without ageing anybody's session."""
        self.faults = Faults(self.settings.seed, state)
        self.observers: list[Observer] = [] if observers is None else observers
        self.journal = Journal(budget)

    @property
    def name(self) -> str:
        """The tenant's name: its ARM domain, and its logins when no others were set."""
        return self.settings.name

    @property
    def pins(self) -> Pins:
        """The calls pinned over its drawn history."""
        return self.history.pins

    async def reset(self) -> None:
        """Back to the first state: clock, choices, faults, sessions, limits, journal, pins."""
        self.begin_anew()
        await self.state.clear()

    def begin_anew(self) -> None:
        """All of ``reset`` but what stands in the state."""
        self.clock = self.first_clock()
        self.sessions_kept = timedelta()
        self.assumptions = Assumptions(self.settings.assumptions)
        self.faults.clear()
        self.journal.clear()
        self.history.pins.clear()

    def keep_sessions(self, seconds: float) -> None:
        """Take a move of the clock out of the age of sessions (see ``Exchange.session_now``)."""
        self.sessions_kept += timedelta(seconds=seconds)

    def first_clock(self) -> Clock:
        """A clock as the tenant had it when it was made."""
        settings = self.settings
        frozen_at = None if settings.now == "real" else parse_moment(settings.now)
        return Clock(zone(settings.timezone), frozen_at)
