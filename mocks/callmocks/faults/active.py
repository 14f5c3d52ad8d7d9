"""The faults of one tenant, and which of them match an exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from callmocks.config import validation
from callmocks.contract.listed_names import find_unlisted_name
from callmocks.contract.quoting import quote_text
from callmocks.contract.similar_names import suggest_name
from callmocks.errors import SettingsError
from callmocks.faults.base import Fault, FaultContext, FaultError, ParameterError
from callmocks.history.generator import Generator, derive_key
from callmocks.tenants.exchange import Exchange
from callmocks.tenants.state import CounterIncrement, State

if TYPE_CHECKING:
    from callmocks.provider.base import Provider

MAX_ACTIVE_FAULTS = 1000


OperationName = Annotated[str, Meta(max_length=256)]


class FaultScope(msgspec.Struct, frozen=True):
    """Which exchanges a fault applies to.

    Of the matching requests the first ``skip`` pass, then ``probability`` decides, and after
    ``times`` applications the fault rests: ``skip=2, times=3`` is the third to fifth request.
    """

    operation: OperationName | None = None
    skip: int = 0
    times: int | None = None
    probability: float = 1.0
    unlisted: bool = False  # the operation need not be the contract's


@dataclass(eq=False)
class ActiveFault:
    number: int
    # Unlike the number, it does not begin again when all faults are disabled.
    serial: int
    seed: InitVar[int]
    provider: str
    fault: Fault
    scope: FaultScope
    _state: State
    matched_count: int = 0
    applied_count: int = 0

    def __post_init__(self, seed: int) -> None:
        self.id, self._key = f"f{self.number}", f"fault.{self.serial}"
        self.met_key, self.applied_key, self.members_key = (
            f"{self._key}.{name}" for name in ("met", "applied", "list")
        )
        self._generator = Generator(derive_key("fault", seed, self.number, self.fault.fault_name))

    async def match(self, exchange: Exchange, operation: str) -> FaultContext | None:
        """The context of an exchange, already counted as applied; None when out of scope."""
        scope = self.scope
        if exchange.transport not in self.fault.transports:
            return None
        if scope.operation is not None and operation != scope.operation:
            return None
        self.matched_count = count = await exchange.state.add(self.met_key, 1) or 0
        if count <= scope.skip or (scope.probability < 1 and not self._passes_probability()):
            return None
        applied = await exchange.state.add(self.applied_key, 1, scope.times)
        if applied is None:
            return None
        self.applied_count = applied
        name = self.fault.fault_name
        return FaultContext(exchange, self._generator, count, name, self._key)

    async def undo_application(self) -> None:
        self.applied_count = await self._state.add(self.applied_key, -1) or 0

    async def refresh(self) -> None:
        """Counts of all replicas together."""
        increments = [CounterIncrement(key, 0) for key in (self.met_key, self.applied_key)]
        counted = await self._state.add_all(increments)
        self.matched_count, self.applied_count = counted.values

    async def delete_counters(self) -> None:
        for key in (self.met_key, self.applied_key, self.members_key):
            await self._state.delete(key)

    def _passes_probability(self) -> bool:
        drawn = int(self._generator.draw_raw(0, self.matched_count, 1)[0])
        return drawn < self.scope.probability * 2**64


class ActiveFaults:
    def __init__(self, seed: int, state: State, providers: Mapping[str, Provider]) -> None:
        self._seed = seed
        self._state = state
        self._providers = providers
        # Number and serial of the fault that was enabled last.
        self.last_numbers = (0, 0)
        self._active: dict[str, ActiveFault] = {}
        self.by_provider: dict[str, list[ActiveFault]] = {name: [] for name in providers}

    def enable(
        self,
        provider: str,
        name: str,
        params: object,
        scope: FaultScope,
        number: int | None = None,
    ) -> ActiveFault:
        """``FaultError`` says what is wrong with the name, the operation or the parameters."""
        if len(self._active) >= MAX_ACTIVE_FAULTS:
            raise SettingsError(f"{MAX_ACTIVE_FAULTS} faults are switched on; remove some")
        last, serial = self.last_numbers
        number = number or last + 1
        if f"f{number}" in self._active:
            raise FaultError("number", f"fault {name}: number: f{number} is on already")
        if provider in self._providers and not scope.unlisted:
            contract = {provider: self._providers[provider].operations}
            unlisted = find_unlisted_name(contract, scope.operation)
            if unlisted is not None:
                raise FaultError("operation", f"fault {name}: operation: {unlisted.reason}")
        active = self.put(number, serial + 1, provider, name, params, scope)
        self.last_numbers = max(number, last), serial + 1
        return active

    def put(
        self, number: int, serial: int, provider: str, name: str, params: object, scope: FaultScope
    ) -> ActiveFault:
        """Add a fault as another replica enabled it."""
        fault = self._create_fault(provider, name, params)
        if scope.times is None:
            scope = msgspec.structs.replace(scope, times=fault.default_times)
        active = ActiveFault(number, serial, self._seed, provider, fault, scope, self._state)
        self._active[active.id] = active
        self.by_provider[provider].append(active)
        return active

    def copy(self) -> ActiveFaults:
        other = ActiveFaults(self._seed, self._state, self._providers)
        other.last_numbers = self.last_numbers
        other._active = dict(self._active)
        other.by_provider = {name: list(active) for name, active in self.by_provider.items()}
        return other

    def _create_fault(self, provider: str, name: str, params: object) -> Fault:
        at = self._providers.get(provider)
        model = at.fault_types.get(name) if at else None
        if at is None or model is None:
            others = [each.name for each in self._providers.values() if name in each.fault_types]
            if others:
                unknown = f"fault {name}: {quote_text(provider)} is not one of {', '.join(others)}"
            else:
                known = sorted(at.fault_types) if at else []
                unknown = f"{provider} has no fault {quote_text(name)}; {suggest_name(name, known)}"
            raise FaultError("provider" if at is None else "fault", unknown)
        try:
            fault = validation.convert_document(params, model)
        except validation.Misfit as misfit:
            raise ParameterError(name, misfit.path[1:], misfit.reason) from None
        fault.check(at)
        return fault

    async def match(self, exchange: Exchange) -> list[tuple[ActiveFault, FaultContext]]:
        active = tuple(self.by_provider.get(exchange.provider.name, ()))
        matched = [(each, await each.match(exchange, exchange.operation)) for each in active]
        return [(each, context) for each, context in matched if context is not None]

    def list_active(self) -> list[ActiveFault]:
        return list(self._active.values())

    def get(self, fault_id: str) -> ActiveFault | None:
        return self._active.get(fault_id)

    def disable(self, fault_id: str) -> ActiveFault:
        """``KeyError`` when there is none of that id."""
        active = self._active.pop(fault_id)
        self.by_provider[active.provider].remove(active)
        return active

    def sort_by_serial(self) -> None:
        """In the order in which they were enabled."""
        ordered = sorted(self._active.values(), key=lambda active: active.serial)
        self._active = {active.id: active for active in ordered}
        for active in self.by_provider.values():
            active.sort(key=lambda each: each.serial)

    def continue_serials(self, other: ActiveFaults) -> None:
        """Give no serial that the other ones have given."""
        number, serial = self.last_numbers
        self.last_numbers = number, max(serial, other.last_numbers[1])

    def disable_all(self) -> list[ActiveFault]:
        """Numbers begin again: the next run fails in the same way."""
        disabled = self.list_active()
        self.last_numbers = (0, self.last_numbers[1])
        self._active.clear()
        for active in self.by_provider.values():
            active.clear()
        return disabled
