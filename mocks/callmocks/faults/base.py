"""What a fault is: its parameters, and its hooks on the path of an exchange.

::

    rewrite_request       another request
    short_circuit         an answer instead of the provider's
    modify_response       another meaning, well-formed
    corrupt_bytes         broken bytes
    configure_delivery    how the bytes leave

A fault overrides one or two of these. A hook that finds nothing to do returns None, and then the
fault was not applied. Several faults on one exchange compose: each hook of all of them, in the
order they were enabled, before the next hook of any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple, NoReturn

import msgspec

from callmocks.errors import FaultLimitReached, SettingsError
from callmocks.history.generator import Generator, derive_key
from callmocks.tenants.delivery import Delivery
from callmocks.tenants.exchange import Exchange, Reply

if TYPE_CHECKING:
    from callmocks.provider.base import Provider

MAX_MEMBERS = 1000  # of the set of a fault
MAX_COUNT = 2**53 - 1  # what JSON readers and Redis count without rounding
Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
# Of an answer that a fault reads as a document, and of what it makes of that.
MAX_CHANGED_BYTES = 32 * 1024 * 1024
# Of an answer, those of the provider among them.
MAX_ANSWER_HEADERS = 100
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=3_600_000)]


class FaultError(SettingsError):
    """``where`` is the member of the request at fault: ``params.ms``."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(reason)
        self.where = where


class ParameterError(FaultError):
    """``path`` is below the parameters: ``.ms``."""

    def __init__(self, fault_name: str, path: str, reason: str) -> None:
        where = f"params{path}"
        super().__init__(where, f"fault {fault_name}: {where}: {reason}")


class FaultContext(msgspec.Struct):
    """Of one match. Random numbers of a fault's n-th match never change."""

    exchange: Exchange
    generator: Generator
    match_number: int
    fault_name: str = ""
    key: str = ""
    # For `prepare`, to tell the hooks what it found.
    prepared: bool = False
    # For `configure_delivery`, of the body that `corrupt_bytes` saw.
    kept_bytes: int = 0

    async def add_to_bounded_set(self, member: str, limit: int) -> bool:
        """Whether a member is in the fault's set, which replicas share and ``limit`` bounds.

        The set holds hashes: a member may be a secret.
        """
        hashed = derive_key("member", member).hex()
        return await self.exchange.state.add_to_bounded_set(f"{self.key}.list", hashed, limit)

    def reserve_answer(self, size: int) -> None:
        """``FaultLimitReached`` when a changed answer has more bytes than it may."""
        if size > MAX_CHANGED_BYTES:
            self.refuse(f"answers of at most {MAX_CHANGED_BYTES} bytes are changed, not of {size}")
        self.exchange.reserve_answer(size)

    def refuse(self, reason: str) -> NoReturn:
        raise FaultLimitReached(f"fault {self.fault_name}: {reason}")

    def error_reply(self, name: str, params: Mapping[str, str] | None = None) -> Reply:
        return self.exchange.provider.error_reply(self.exchange, name, params or {})

    def random_unit(self, index: int = 0) -> float:
        """A number in [0, 1); ``index`` (0 … 7) tells several of one exchange apart."""
        return int(self.generator.draw_raw(1, self.match_number, index + 1)[index]) / 2**64


class Fault(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Fields of a subclass are its parameters, with harmless bounds."""

    fault_name: ClassVar[str]
    breaks_contract: ClassVar[bool] = True
    transports: ClassVar[tuple[str, ...]] = ("http", "frame")
    # How often it applies when `times` is not given; None: until it is disabled.
    default_times: ClassVar[int | None] = None

    @classmethod
    def summary(cls) -> str:
        return (cls.__doc__ or "").partition("\n")[0]

    def check(self, provider: Provider) -> None:
        """Raise ``SettingsError`` when a parameter makes no sense for the provider."""

    async def prepare(self, context: FaultContext) -> None:
        """Before the hooks, which cannot wait: read what replicas share."""

    def rewrite_request(self, context: FaultContext) -> bytes | None:
        return None

    def short_circuit(self, context: FaultContext) -> Reply | None:
        return None

    def modify_response(self, context: FaultContext, reply: Reply) -> Reply | None:
        return None

    def corrupt_bytes(self, context: FaultContext, reply: Reply) -> Reply | None:
        return None

    def configure_delivery(self, context: FaultContext, delivery: Delivery) -> bool:
        # True when it changed the delivery.
        return False


def modify_response(fault: Fault, context: FaultContext, reply: Reply) -> Reply | None:
    """As the fault does it, within the bounds of a changed answer."""
    if type(fault).modify_response is Fault.modify_response:
        return None
    context.reserve_answer(len(reply.body))
    changed = fault.modify_response(context, reply)
    if changed is not None:
        context.reserve_answer(len(changed.body))
    return changed


def corrupt_bytes(fault: Fault, context: FaultContext, reply: Reply) -> Reply | None:
    """As the fault does it: some bytes of any answer, and no more headers than it may have."""
    changed = fault.corrupt_bytes(context, reply)
    if changed is not None and len(changed.headers) > max(MAX_ANSWER_HEADERS, len(reply.headers)):
        context.refuse(f"an answer has at most {MAX_ANSWER_HEADERS} headers")
    return changed


class FaultType(NamedTuple):
    model: type[Fault]
    providers: tuple[str, ...]


def collect_fault_types(providers: Iterable[Provider]) -> dict[str, FaultType]:
    found: dict[str, FaultType] = {}
    for provider in providers:
        for name, model in provider.fault_types.items():
            others = found[name].providers if name in found else ()
            found[name] = FaultType(model, (*others, provider.name))
    return found


def index_faults(*models: type[Fault]) -> dict[str, type[Fault]]:
    return {model.fault_name: model for model in models}
