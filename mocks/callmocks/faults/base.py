"""What a fault is: its parameters, and what it does to an exchange on its way.

::

    request ──▶ request() ──▶ instead() or the provider ──▶ answer() ──▶ spoil() ──▶ deliver()
                another        another     really            another      broken      how the
                request        answer      answers           meaning      bytes       bytes leave

A fault overrides one or two of these. A hook that finds nothing to do returns None, and then the
exchange counts as untouched. Several faults on one exchange compose: each hook of all of them, in
the order they were switched on, before the next hook of any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

from callmocks.history.generator import Generator
from callmocks.provider.base import NAMES, Provider

if TYPE_CHECKING:
    from callmocks.tenants.delivery import Delivery
    from callmocks.tenants.exchange import Exchange, Reply

BOTH = ("http", "frame")


class Turn:
    """One fault meeting one exchange.

    ``memory`` lasts as long as the fault is switched on. Chances are seeded: the n-th exchange a
    fault meets has the same luck in every run.
    """

    def __init__(
        self,
        exchange: Exchange,
        generator: Generator,
        index: int,
        memory: dict[str, Any],
        key: str = "",
    ) -> None:
        self.exchange = exchange
        self.memory = memory
        self._generator = generator
        self._index = index
        self._key = key
        self.found = False
        """What ``look`` found."""

    async def enlist(self, member: str, most: int) -> bool:
        """Whether something is on the fault's list, of which all replicas have the same.

        It joins as long as the list has fewer than ``most``.
        """
        return await self.exchange.tenant.state.enlist(f"{self._key}.list", member, most)

    def chance(self, which: int = 0) -> float:
        """A number in [0, 1); ``which`` tells several chances of one turn apart (0 … 7)."""
        return int(self._generator.raw(1, self._index, which + 1)[which]) / 2**64

    def normal(self) -> float:
        """A number of the standard normal distribution."""
        return NormalDist().inv_cdf(max(self.chance(), 2**-64))


class Fault(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Base of all faults; the fields of a subclass are its parameters, with harmless bounds."""

    only_times: ClassVar[int | None] = None
    """How often a fault of this kind applies when its user does not say; None: until removed."""

    def check(self, provider: Provider | None) -> None:
        """Raise ``SettingsError`` when a parameter makes no sense for the provider."""

    async def look(self, turn: Turn) -> None:
        """Before all else: ask what the replicas share, for the hooks, which cannot wait."""

    def request(self, turn: Turn) -> bytes | None:
        """The request the provider will see instead."""
        return None

    def instead(self, turn: Turn) -> Reply | None:
        """An answer the provider is not asked for."""
        return None

    def answer(self, turn: Turn, reply: Reply) -> Reply | None:
        """The answer with another content, still well-formed."""
        return None

    def spoil(self, turn: Turn, reply: Reply) -> Reply | None:
        """The answer with broken bytes."""
        return None

    def deliver(self, turn: Turn, delivery: Delivery) -> bool:
        """Say how the bytes leave; True when there was something to say."""
        return False


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault as the list of faults shows it."""

    name: str
    shape: type[Fault]
    providers: tuple[str, ...]
    transports: tuple[str, ...]
    breaks_contract: bool
    """An answer with this fault is one the contract does not allow."""

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        return (self.shape.__doc__ or "").partition("\n")[0]


KINDS: dict[str, Kind] = {}

F = TypeVar("F", bound=type[Fault])


def fault(
    name: str,
    *,
    breaks_contract: bool,
    providers: tuple[str, ...] = NAMES,
    transports: tuple[str, ...] = BOTH,
) -> Callable[[F], F]:
    """Register a fault under the name it is switched on by."""

    def register(shape: F) -> F:
        KINDS[name] = Kind(name, shape, providers, transports, breaks_contract)
        return shape

    return register
