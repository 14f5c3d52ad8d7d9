"""The faults of one tenant: switched on and off, and which of them an exchange meets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from callmocks.errors import SettingsError
from callmocks.history.generator import Generator, derive_key
from callmocks.tenancy.faults.base import KINDS, Fault, Kind, Turn
from callmocks.tenancy.providers import NAMES, provider

if TYPE_CHECKING:
    from callmocks.tenancy.exchange import Exchange

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
        self, number: int, seed: int, kind: Kind, at: str, fault: Fault, scope: Scope
    ) -> None:
        self.id = f"f{number}"
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

    def meet(self, exchange: Exchange, operation: str) -> Turn | None:
        """A turn with this exchange, already counted as applied; None when out of scope."""
        scope = self.scope
        if exchange.transport not in self.kind.transports:
            return None
        if scope.operation is not None and operation != scope.operation:
            return None
        self.met += 1
        if self.met <= scope.skip or (scope.times is not None and self.applied >= scope.times):
            return None
        if scope.probability < 1 and not self._lucky():
            return None
        self.applied += 1
        return Turn(exchange, self._generator, self.met, self._memory)

    def spared(self) -> None:
        """The fault found nothing to do in the exchange it met."""
        self.applied -= 1

    def _lucky(self) -> bool:
        return int(self._generator.raw(0, self.met, 1)[0]) < self.scope.probability * 2**64


class Faults:
    """A tenant's faults, in the order they were switched on."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._number = 0
        self._on: dict[str, Switched] = {}
        self._at: dict[str, list[Switched]] = {name: [] for name in NAMES}

    def switch_on(self, at: str, name: str, params: object, scope: Scope) -> Switched:
        """Switch a fault of provider ``at`` on; ``SettingsError`` says what is wrong with it."""
        kind = KINDS.get(name)
        if kind is None:
            raise SettingsError(f"no fault {name!r}; there are {', '.join(sorted(KINDS))}")
        if at not in kind.providers:
            raise SettingsError(f"fault {name}: {at!r} is not one of {', '.join(kind.providers)}")
        if len(self._on) >= MOST:
            raise SettingsError(f"{MOST} faults are switched on; remove some")
        try:
            fault = msgspec.convert(params, kind.shape)
        except msgspec.ValidationError as error:
            raise SettingsError(f"fault {name}: params: {error}") from None
        fault.check(provider(at))
        if scope.times is None:
            scope = msgspec.structs.replace(scope, times=fault.only_times)
        self._number += 1
        switched = Switched(self._number, self._seed, kind, at, fault, scope)
        self._on[switched.id] = switched
        self._at[at].append(switched)
        return switched

    def met_by(self, exchange: Exchange) -> list[tuple[Switched, Turn]]:
        """The faults that apply to an exchange; usually none, and then it costs nothing."""
        here = self._at.get(exchange.provider)
        if not here:
            return []
        known = provider(exchange.provider)
        if not exchange.operation and known is not None:
            exchange.operation = known.operation(exchange)
        met = ((switched, switched.meet(exchange, exchange.operation)) for switched in here)
        return [(switched, turn) for switched, turn in met if turn is not None]

    def listing(self) -> list[Switched]:
        """All that are on."""
        return list(self._on.values())

    def get(self, fault: str) -> Switched | None:
        """The fault with that id."""
        return self._on.get(fault)

    def switch_off(self, fault: str) -> None:
        """Switch one off; ``KeyError`` when there is none of that id."""
        switched = self._on.pop(fault)
        self._at[switched.provider].remove(switched)

    def clear(self) -> None:
        """Switch all off. Numbers begin again: the next run fails in the same way."""
        self._number = 0
        self._on.clear()
        for here in self._at.values():
            here.clear()
