"""A tenant as it would be: changed without the tenant, written to the store, then made real."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from callmocks.replication import documents
from callmocks.replication.documents import TenantDocuments

if TYPE_CHECKING:
    from callmocks.contract.assumptions import Assumptions
    from callmocks.faults import ActiveFaults
    from callmocks.history.clock import Clock
    from callmocks.history.pins import Pins
    from callmocks.tenants.tenant import Tenant


class TenantDraft:
    """Copies of a tenant's parts, each made when it is first asked for."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._new_sessions_kept: timedelta | None = None

    @cached_property
    def clock(self) -> Clock:
        """The clock."""
        return self._tenant.clock.copy()

    @cached_property
    def assumptions(self) -> Assumptions:
        """The choices."""
        return self._tenant.assumptions.copy()

    @cached_property
    def faults(self) -> ActiveFaults:
        """The faults; what they counted is not copied."""
        return self._tenant.faults.copy()

    @cached_property
    def pins(self) -> Pins:
        """The pinned calls."""
        return self._tenant.pins.copy()

    def keep_sessions(self, seconds: float) -> None:
        """Take a move of the clock out of the age of sessions."""
        self._new_sessions_kept = self._sessions_kept + timedelta(seconds=seconds)

    @property
    def _sessions_kept(self) -> timedelta:
        return (
            self._tenant.session_time_offset
            if self._new_sessions_kept is None
            else self._new_sessions_kept
        )

    def changed_documents(self) -> TenantDocuments:
        """The parts of documents that differ from the tenant's; None for one that has gone."""
        tenant, touched, found = self._tenant, self.__dict__, TenantDocuments()
        if "clock" in touched or self._new_sessions_kept is not None:
            now = documents.encode_clock(self.clock, self._sessions_kept)
            if now != documents.encode_clock(tenant.clock, tenant.session_time_offset):
                found |= now
        if "assumptions" in touched:
            chosen = documents.encode_choices(self.assumptions)
            if chosen != documents.encode_choices(tenant.assumptions):
                found |= chosen
        if "faults" in touched:
            found |= documents.encode_changed_faults(self.faults, tenant.faults)
        if "pins" in touched:
            found |= documents.encode_changed_pins(self.pins, tenant.pins)
        return found

    def apply(self) -> None:
        """Let the tenant have the changed parts."""
        tenant, touched = self._tenant, self.__dict__
        if "clock" in touched:
            tenant.clock = self.clock
        if "assumptions" in touched:
            tenant.assumptions = self.assumptions
        if "faults" in touched:
            tenant.faults = self.faults
        if "pins" in touched:
            tenant.history.pins = self.pins
        tenant.session_time_offset = self._sessions_kept
