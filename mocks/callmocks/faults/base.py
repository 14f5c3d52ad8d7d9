"""What a fault is: its parameters, and what it does to an exchange on its way.

::

    rewrite_request       another request
    short_circuit         an answer without the provider, else the provider answers
    modify_response       another meaning, well-formed
    corrupt_bytes         broken bytes
    configure_delivery    how the bytes leave

A fault overrides one or two of these. A hook that finds nothing to do returns None, and then the
exchange counts as untouched. Several faults on one exchange compose: each hook of all of them, in
the order they were switched on, before the next hook of any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from callmocks.history.generator import Generator

if TYPE_CHECKING:
    from callmocks.provider.base import Provider
    from callmocks.tenants.delivery import Delivery
    from callmocks.tenants.exchange import Exchange, Reply

ALL_TRANSPORTS = ("http", "frame")


class FaultContext:
    """One fault meeting one exchange.

    ``memory`` lasts as long as the fault is switched on. Chances are seeded: the n-th exchange a
    fault meets has the same luck in every run.
    """

    def __init__(
        self,
        exchange: Exchange,
        generator: Generator,
        match_number: int,
        memory: dict[str, Any],
        key: str = "",
    ) -> None:
        self.exchange = exchange
        self.memory = memory
        self._generator = generator
        self._match_number = match_number
        self._key = key
        self.prepared = False
        """What ``look`` found."""

    async def add_to_bounded_set(self, member: str, limit: int) -> bool:
        """Whether something is on the fault's list, of which all replicas have the same.

        It joins as long as the list has fewer than ``most``.
        """
        return await self.exchange.state.add_to_bounded_set(f"{self._key}.list", member, limit)

    def error_reply(self, name: str, params: Mapping[str, str] | None = None) -> Reply:
        """An error in the provider's own shape."""
        return self.exchange.provider.error_reply(self.exchange, name, params or {})

    def random_unit(self, index: int = 0) -> float:
        """A number in [0, 1); ``which`` tells several chances of one turn apart (0 … 7)."""
        return int(self._generator.draw_raw(1, self._match_number, index + 1)[index]) / 2**64

    def random_normal(self) -> float:
        """A number of the standard normal distribution."""
        return NormalDist().inv_cdf(max(self.random_unit(), 2**-64))


class Fault(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Base of all faults; the fields of a subclass are its parameters, with harmless bounds."""

    fault_name: ClassVar[str]
    breaks_contract: ClassVar[bool]
    """An answer with this fault is one the contract does not allow."""
    transports: ClassVar[tuple[str, ...]] = ALL_TRANSPORTS
    default_times: ClassVar[int | None] = None
    """How often a fault of this kind applies when its user does not say; None: until removed."""

    def check(self, provider: Provider) -> None:
        """Raise ``SettingsError`` when a parameter makes no sense for the provider."""

    async def prepare(self, context: FaultContext) -> None:
        """Before all else: ask what the replicas share, for the hooks, which cannot wait."""

    def rewrite_request(self, context: FaultContext) -> bytes | None:
        """The request the provider will see instead."""
        return None

    def short_circuit(self, context: FaultContext) -> Reply | None:
        """An answer the provider is not asked for."""
        return None

    def modify_response(self, context: FaultContext, reply: Reply) -> Reply | None:
        """The answer with another content, still well-formed."""
        return None

    def corrupt_bytes(self, context: FaultContext, reply: Reply) -> Reply | None:
        """The answer with broken bytes."""
        return None

    def configure_delivery(self, context: FaultContext, delivery: Delivery) -> bool:
        """Say how the bytes leave; True when there was something to say."""
        return False


@dataclass(frozen=True, slots=True)
class FaultType:
    """A fault as the list of faults shows it, with the providers that have it."""

    model: type[Fault]
    providers: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.model.fault_name

    @property
    def transports(self) -> tuple[str, ...]:
        return self.model.transports

    @property
    def breaks_contract(self) -> bool:
        return self.model.breaks_contract

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        return (self.model.__doc__ or "").partition("\n")[0]


def collect_fault_types(providers: Iterable[Provider]) -> dict[str, FaultType]:
    """The faults of some providers by name."""
    found: dict[str, FaultType] = {}
    for provider in providers:
        for name, model in provider.fault_types.items():
            others = found[name].providers if name in found else ()
            found[name] = FaultType(model, (*others, provider.name))
    return found


def index_faults(*models: type[Fault]) -> dict[str, type[Fault]]:
    """Faults by name."""
    return {model.fault_name: model for model in models}
