"""The faults of one tenant: switched on and off, and which of them an exchange meets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from callmocks.config import validation
from callmocks.errors import SettingsError
from callmocks.faults.base import FAULT_TYPES, Fault, FaultContext, FaultType
from callmocks.history.generator import Generator, derive_key
from callmocks.provider.base import PROVIDER_NAMES, get_provider
from callmocks.tenants.state import CounterIncrement, State

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange

MAX_ACTIVE_FAULTS = 1000
"""Faults that one tenant can have switched on."""


class FaultScope(msgspec.Struct, frozen=True):
    """Which exchanges a fault applies to.

    Of the matching requests the first ``skip`` pass, then ``probability`` decides, and after
    ``times`` applications the fault rests: ``skip=2, times=3`` is the third to fifth request.
    """

    operation: str | None = None
    skip: int = 0
    times: int | None = None
    probability: float = 1.0


class ActiveFault:
    """A fault that is on."""

    def __init__(
        self,
        number: int,
        serial: int,
        seed: int,
        fault_type: FaultType,
        provider: str,
        fault: Fault,
        scope: FaultScope,
        state: State,
    ) -> None:
        self.id = f"f{number}"
        self.number = number
        self.serial = serial
        """Numbers begin again when all faults are off; this one never does."""
        self.fault_type = fault_type
        self.provider = provider
        self.fault = fault
        self.scope = scope
        self.matched_count = 0
        """Matching exchanges so far."""
        self.applied_count = 0
        """Exchanges it really changed."""
        self._memory: dict[str, Any] = {}
        self._generator = Generator(derive_key("fault", seed, number, fault_type.name))
        self._state = state
        self._key = f"fault.{serial}"

    async def match(self, exchange: Exchange, operation: str) -> FaultContext | None:
        """A turn with this exchange, already counted as applied; None when out of scope."""
        scope = self.scope
        if exchange.transport not in self.fault_type.transports:
            return None
        if scope.operation is not None and operation != scope.operation:
            return None
        self.matched_count = met = await self._state.add(f"{self._key}.met", 1) or 0
        if met <= scope.skip or (scope.probability < 1 and not self._passes_probability()):
            return None
        applied = await self._state.add(f"{self._key}.applied", 1, scope.times)
        if applied is None:
            return None
        self.applied_count = applied
        return FaultContext(exchange, self._generator, met, self._memory, self._key)

    async def undo_application(self) -> None:
        """The fault found nothing to do in the exchange it met."""
        self.applied_count = await self._state.add(f"{self._key}.applied", -1) or 0

    async def refresh(self) -> None:
        """Bring ``met`` and ``applied`` up to what all replicas counted together."""
        names = ("met", "applied")
        counted = await self._state.add_all(
            [CounterIncrement(f"{self._key}.{name}", 0) for name in names]
        )
        self.matched_count, self.applied_count = counted.values

    async def delete_counters(self) -> None:
        """Let go of what was counted, when the fault is off."""
        for name in ("met", "applied", "list"):
            await self._state.delete(f"{self._key}.{name}")

    def _passes_probability(self) -> bool:
        return (
            int(self._generator.draw_raw(0, self.matched_count, 1)[0])
            < self.scope.probability * 2**64
        )


class ActiveFaults:
    """A tenant's faults, in the order they were switched on."""

    def __init__(self, seed: int, state: State) -> None:
        self._seed = seed
        self._state = state
        self._number = 0
        self._serial = 0
        self._active: dict[str, ActiveFault] = {}
        self._by_provider: dict[str, list[ActiveFault]] = {name: [] for name in PROVIDER_NAMES}

    def enable(self, provider: str, name: str, params: object, scope: FaultScope) -> ActiveFault:
        """Switch a fault of provider ``at`` on; ``SettingsError`` says what is wrong with it."""
        if len(self._active) >= MAX_ACTIVE_FAULTS:
            raise SettingsError(f"{MAX_ACTIVE_FAULTS} faults are switched on; remove some")
        kind, fault = self._create_fault(provider, name, params)
        if scope.times is None:
            scope = msgspec.structs.replace(scope, times=fault.default_times)
        self._number += 1
        self._serial += 1
        return self._add_fault(self._number, self._serial, kind, provider, fault, scope)

    def put(
        self, number: int, serial: int, provider: str, name: str, params: object, scope: FaultScope
    ) -> ActiveFault:
        """A fault as it was switched on at another replica."""
        kind, fault = self._create_fault(provider, name, params)
        return self._add_fault(number, serial, kind, provider, fault, scope)

    @property
    def last_numbers(self) -> tuple[int, int]:
        """The last number given, and the last serial number."""
        return self._number, self._serial

    @last_numbers.setter
    def last_numbers(self, counted: tuple[int, int]) -> None:
        self._number, self._serial = counted

    def copy(self) -> ActiveFaults:
        """The same faults, to be switched without these."""
        other = ActiveFaults(self._seed, self._state)
        other.last_numbers = self.last_numbers
        other._active = dict(self._active)
        other._by_provider = {name: list(here) for name, here in self._by_provider.items()}
        return other

    def _create_fault(self, provider: str, name: str, params: object) -> tuple[FaultType, Fault]:
        kind = FAULT_TYPES.get(name)
        if kind is None:
            known = ", ".join(
                sorted(name for name in FAULT_TYPES if provider in FAULT_TYPES[name].providers)
            )
            raise SettingsError(f"no fault {name!r}; {provider} has {known}")
        if provider not in kind.providers:
            raise SettingsError(
                f"fault {name}: {provider!r} is not one of {', '.join(kind.providers)}"
            )
        try:
            fault = msgspec.convert(params, kind.model)
        except msgspec.ValidationError as error:
            place, reason = validation.describe_error(error, kind.model)
            raise SettingsError(f"fault {name}: params{place[1:]}: {reason}") from None
        fault.check(get_provider(provider))
        return kind, fault

    def _add_fault(
        self,
        number: int,
        serial: int,
        fault_type: FaultType,
        provider: str,
        fault: Fault,
        scope: FaultScope,
    ) -> ActiveFault:
        switched = ActiveFault(
            number, serial, self._seed, fault_type, provider, fault, scope, self._state
        )
        self._active[switched.id] = switched
        self._by_provider[provider].append(switched)
        return switched

    def has_any(self, provider: str) -> bool:
        """Whether exchanges with a provider may meet one; usually not, and telling is cheap."""
        return bool(self._by_provider.get(provider))

    async def match(self, exchange: Exchange) -> list[tuple[ActiveFault, FaultContext]]:
        """The faults that apply to an exchange."""
        here = tuple(self._by_provider.get(exchange.provider, ()))
        known = get_provider(exchange.provider)
        if not exchange.operation and known is not None:
            exchange.operation = known.find_operation(exchange)
        met = [(switched, await switched.match(exchange, exchange.operation)) for switched in here]
        return [(switched, turn) for switched, turn in met if turn is not None]

    def list_active(self) -> list[ActiveFault]:
        """All that are on."""
        return list(self._active.values())

    def get(self, fault_id: str) -> ActiveFault | None:
        """The fault with that id."""
        return self._active.get(fault_id)

    def disable(self, fault_id: str) -> ActiveFault:
        """Switch one off; ``KeyError`` when there is none of that id."""
        switched = self._active.pop(fault_id)
        self._by_provider[switched.provider].remove(switched)
        return switched

    def disable_all(self) -> list[ActiveFault]:
        """Switch all off. Numbers begin again: the next run fails in the same way."""
        were_on = self.list_active()
        self._number = 0
        self._active.clear()
        for here in self._by_provider.values():
            here.clear()
        return were_on
