"""Any error of the Data API."""

import msgspec

from callmocks.errors import SettingsError
from callmocks.tenancy.exchange import Reply
from callmocks.tenancy.faults.base import Fault, Turn, fault
from callmocks.tenancy.providers import Provider, error_reply


@fault("rpc_error", breaks_contract=False, providers=("cdr",))
class RpcError(Fault, frozen=True):
    """An error of the vendor's table instead of a result."""

    mnemonic: str
    """Of the vendor's error table, for example ``limit_exceeded``."""
    params: dict[str, str] = msgspec.field(default_factory=dict)
    """What the message of that error names, for example ``{"limit_type": "day"}``."""

    def check(self, provider: Provider | None) -> None:
        """Refuse a mnemonic the vendor does not have."""
        if provider is not None and self.mnemonic not in provider.error_names():
            known = ", ".join(provider.error_names())
            raise SettingsError(f"fault rpc_error: no mnemonic {self.mnemonic!r}; one of {known}")

    def instead(self, turn: Turn) -> Reply | None:
        """The provider's own error."""
        return error_reply(turn.exchange, self.mnemonic, self.params)
