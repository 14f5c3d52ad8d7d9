"""A tenant: one integration's own contact centre. Nothing is shared between two of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from callmocks.contract.assumptions import Assumptions
from callmocks.faults.active import ActiveFaults
from callmocks.history.clock import Clock, load_time_zone, parse_clock_time
from callmocks.history.history import History
from callmocks.history.pins import Pins
from callmocks.tenants.journal import Journal, JournalBudget
from callmocks.tenants.open_connections import OpenConnections
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.state import State

if TYPE_CHECKING:
    from callmocks.provider.base import Provider
    from callmocks.tenants.exchange import Exchange, Reply
    from callmocks.tenants.snapshots import Snapshot

# Called with every exchange after it was recorded: exchange, reply, seconds it took.
Observer = Callable[["Exchange", "Reply", float], None]


class Tenant:
    def __init__(
        self,
        settings: TenantSettings,
        history: History,
        state: State,
        providers: Mapping[str, Provider],
        budget: JournalBudget | None = None,
        observers: list[Observer] | None = None,
    ) -> None:
        self.settings = settings
        self.name = settings.name  # its ARM domain, and its logins when no others were set
        self.history = history
        self.state = state
        self.providers = providers
        self.assumptions = Assumptions(settings.assumptions)
        self.clock = self.create_initial_clock()
        self.session_time_offset = timedelta()  # moves of the clock that did not age sessions
        self.faults = ActiveFaults(self.settings.seed, state, providers)
        self.observers: list[Observer] = [] if observers is None else observers
        self.journal = Journal(budget)
        self.connections = OpenConnections()
        self.snapshots: dict[str, Snapshot] = {}  # where no replicas share them

    @property
    def pins(self) -> Pins:
        return self.history.pins

    async def reset(self) -> None:
        self.reset_local()
        await self.state.delete_all()

    def reset_local(self) -> None:
        """All but ``state``."""
        self.clock = self.create_initial_clock()
        self.session_time_offset = timedelta()
        self.assumptions = Assumptions(self.settings.assumptions)
        self.faults.disable_all()
        self.journal.delete_entries()
        self.history.pins.clear()

    def replace_state(self, other: Tenant) -> None:
        """Become what another tenant is, for all who know this one."""
        self.settings, self.history, self.state = other.settings, other.history, other.state
        self.assumptions, self.clock, self.faults = other.assumptions, other.clock, other.faults
        self.session_time_offset = other.session_time_offset

    def keep_sessions(self, seconds: float) -> None:
        """Exempt sessions from ageing by a move of the clock (see ``Exchange.session_now``)."""
        self.session_time_offset += timedelta(seconds=seconds)

    def create_initial_clock(self) -> Clock:
        settings = self.settings
        frozen_at = None if settings.now == "real" else parse_clock_time(settings.now)
        return Clock(load_time_zone(settings.timezone), frozen_at)
