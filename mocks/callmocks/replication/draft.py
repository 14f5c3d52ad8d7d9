from datetime import timedelta

from callmocks.contract.assumptions import Assumptions
from callmocks.contract.cached_property import cached_property
from callmocks.faults.active import ActiveFaults
from callmocks.history.clock import Clock
from callmocks.history.pins import Pins
from callmocks.replication import documents
from callmocks.replication.documents import TenantDocuments
from callmocks.tenants.tenant import Tenant


class TenantDraft:
    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._session_offset = tenant.session_time_offset

    @cached_property
    def clock(self) -> Clock:
        return self._tenant.clock.copy()

    @cached_property
    def assumptions(self) -> Assumptions:
        return self._tenant.assumptions.copy()

    @cached_property
    def faults(self) -> ActiveFaults:
        return self._tenant.faults.copy()

    @cached_property
    def pins(self) -> Pins:
        return self._tenant.pins.copy()

    def keep_sessions(self, seconds: float) -> None:
        self._session_offset += timedelta(seconds=seconds)

    def changed_documents(self) -> TenantDocuments:
        tenant, copied, found = self._tenant, self.__dict__, TenantDocuments()
        if "clock" in copied or self._session_offset != tenant.session_time_offset:
            clock = documents.encode_clock(self.clock, self._session_offset)
            if clock != documents.encode_clock(tenant.clock, tenant.session_time_offset):
                found["clock"] = clock
        if "assumptions" in copied:
            choices = documents.encode_choices(self.assumptions)
            if choices != documents.encode_choices(tenant.assumptions):
                found |= choices
        if "faults" in copied:
            found |= documents.encode_changed_faults(self.faults, tenant.faults)
        if "pins" in copied:
            found |= documents.encode_changed_pins(self.pins, tenant.pins)
        return found

    def apply(self) -> None:
        tenant, copied = self._tenant, self.__dict__
        for part in copied.keys() & {"clock", "assumptions", "faults"}:
            setattr(tenant, part, copied[part])
        if "pins" in copied:
            tenant.history.pins = self.pins
        tenant.session_time_offset = self._session_offset
