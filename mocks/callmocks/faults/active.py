"""The faults of one tenant: switched on and off, and which of them an exchange meets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from callmocks.config import validation
from callmocks.errors import SettingsError
from callmocks.faults.base import KINDS, Fault, Kind, Turn
from callmocks.history.generator import Generator, derive_key
from callmocks.provider.base import NAMES, provider
from callmocks.tenants.state import State, Step

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange

MOST = 1000
"""Faults that one tenant can have switched on."""


class Scope(msgspec.Struct, frozen=True):
    """Which exchanges a fault applies to.

    Of the matching requests the first ``skip`` pass, then ``probability`` decides, and after
    ``times`` applications the fault rests: ``skip=2, times=3`` is the third to fifth request.
    """

    operation: str | None = None
    skip: int = 0
    times: int | None = None
    probability: float = 1.0


class Switched:
    """A fault that is on."""

    def __init__(
        self,
        number: int,
        serial: int,
        seed: int,
        kind: Kind,
        at: str,
        fault: Fault,
        scope: Scope,
        state: State,
    ) -> None:
        self.id = f"f{number}"
        self.number = number
        self.serial = serial
        """Numbers begin again when all faults are off; this one never does."""
        self.kind = kind
        self.provider = at
        self.fault = fault
        self.scope = scope
        self.met = 0
        """Matching exchanges so far."""
        self.applied = 0
        """Exchanges it really changed."""
        self._memory: dict[str, Any] = {}
        self._generator = Generator(derive_key("fault", seed, number, kind.name))
        self._state = state
        self._key = f"fault.{serial}"

    async def meet(self, exchange: Exchange, operation: str) -> Turn | None:
        """A turn with this exchange, already counted as applied; None when out of scope."""
        scope = self.scope
        if exchange.transport not in self.kind.transports:
            return None
        if scope.operation is not None and operation != scope.operation:
            return None
        self.met = met = await self._state.add(f"{self._key}.met", 1) or 0
        if met <= scope.skip or (scope.probability < 1 and not self._lucky()):
            return None
        applied = await self._state.add(f"{self._key}.applied", 1, scope.times)
        if applied is None:
            return None
        self.applied = applied
        return Turn(exchange, self._generator, met, self._memory, self._key)

    async def spared(self) -> None:
        """The fault found nothing to do in the exchange it met."""
        self.applied = await self._state.add(f"{self._key}.applied", -1) or 0

    async def refresh(self) -> None:
        """Bring ``met`` and ``applied`` up to what all replicas counted together."""
        names = ("met", "applied")
        counted = await self._state.add_all([Step(f"{self._key}.{name}", 0) for name in names])
        self.met, self.applied = counted.values

    async def forget(self) -> None:
        """Let go of what was counted, when the fault is off."""
        for name in ("met", "applied", "list"):
            await self._state.drop(f"{self._key}.{name}")

    def _lucky(self) -> bool:
        return int(self._generator.raw(0, self.met, 1)[0]) < self.scope.probability * 2**64


class Faults:
    """A tenant's faults, in the order they were switched on."""

    def __init__(self, seed: int, state: State) -> None:
        self._seed = seed
        self._state = state
        self._number = 0
        self._serial = 0
        self._on: dict[str, Switched] = {}
        self._at: dict[str, list[Switched]] = {name: [] for name in NAMES}

    def switch_on(self, at: str, name: str, params: object, scope: Scope) -> Switched:
        """Switch a fault of provider ``at`` on; ``SettingsError`` says what is wrong with it."""
        if len(self._on) >= MOST:
            raise SettingsError(f"{MOST} faults are switched on; remove some")
        kind, fault = self._made(at, name, params)
        if scope.times is None:
            scope = msgspec.structs.replace(scope, times=fault.only_times)
        self._number += 1
        self._serial += 1
        return self._put(self._number, self._serial, kind, at, fault, scope)

    def put(
        self, number: int, serial: int, at: str, name: str, params: object, scope: Scope
    ) -> Switched:
        """A fault as it was switched on at another replica."""
        kind, fault = self._made(at, name, params)
        return self._put(number, serial, kind, at, fault, scope)

    @property
    def counted(self) -> tuple[int, int]:
        """The last number given, and the last serial number."""
        return self._number, self._serial

    @counted.setter
    def counted(self, counted: tuple[int, int]) -> None:
        self._number, self._serial = counted

    def copy(self) -> Faults:
        """The same faults, to be switched without these."""
        other = Faults(self._seed, self._state)
        other.counted = self.counted
        other._on = dict(self._on)
        other._at = {name: list(here) for name, here in self._at.items()}
        return other

    def _made(self, at: str, name: str, params: object) -> tuple[Kind, Fault]:
        kind = KINDS.get(name)
        if kind is None:
            known = ", ".join(sorted(name for name in KINDS if at in KINDS[name].providers))
            raise SettingsError(f"no fault {name!r}; {at} has {known}")
        if at not in kind.providers:
            raise SettingsError(f"fault {name}: {at!r} is not one of {', '.join(kind.providers)}")
        try:
            fault = msgspec.convert(params, kind.shape)
        except msgspec.ValidationError as error:
            place, reason = validation.told(error, kind.shape)
            raise SettingsError(f"fault {name}: params{place[1:]}: {reason}") from None
        fault.check(provider(at))
        return kind, fault

    def _put(
        self, number: int, serial: int, kind: Kind, at: str, fault: Fault, scope: Scope
    ) -> Switched:
        switched = Switched(number, serial, self._seed, kind, at, fault, scope, self._state)
        self._on[switched.id] = switched
        self._at[at].append(switched)
        return switched

    def any_at(self, provider: str) -> bool:
        """Whether exchanges with a provider may meet one; usually not, and telling is cheap."""
        return bool(self._at.get(provider))

    async def met_by(self, exchange: Exchange) -> list[tuple[Switched, Turn]]:
        """The faults that apply to an exchange."""
        here = tuple(self._at.get(exchange.provider, ()))
        known = provider(exchange.provider)
        if not exchange.operation and known is not None:
            exchange.operation = known.operation(exchange)
        met = [(switched, await switched.meet(exchange, exchange.operation)) for switched in here]
        return [(switched, turn) for switched, turn in met if turn is not None]

    def listing(self) -> list[Switched]:
        """All that are on."""
        return list(self._on.values())

    def get(self, fault: str) -> Switched | None:
        """The fault with that id."""
        return self._on.get(fault)

    def switch_off(self, fault: str) -> Switched:
        """Switch one off; ``KeyError`` when there is none of that id."""
        switched = self._on.pop(fault)
        self._at[switched.provider].remove(switched)
        return switched

    def clear(self) -> list[Switched]:
        """Switch all off. Numbers begin again: the next run fails in the same way."""
        were_on = self.listing()
        self._number = 0
        self._on.clear()
        for here in self._at.values():
            here.clear()
        return were_on
