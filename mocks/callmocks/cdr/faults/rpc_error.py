"""Any error of the Data API."""

import msgspec

from callmocks.errors import SettingsError
from callmocks.faults.base import Fault, Turn, fault
from callmocks.provider.base import Provider, error_reply
from callmocks.tenants.exchange import Reply


@fault("rpc_error", breaks_contract=False, providers=("cdr",))
class RpcError(Fault, frozen=True):
    """An error of the vendor's table instead of a result."""

    mnemonic: str
    """Of the vendor's error table, for example ``limit_exceeded``."""
    params: dict[str, str] = msgspec.field(default_factory=dict)
    """What its message names, for example ``{"limit_type": "day"}``; ``field`` and ``value``."""

    def check(self, provider: Provider | None) -> None:
        """Refuse a mnemonic the vendor does not have, and what its message does not name."""
        if provider is None:
            return
        errors = provider.errors()
        if self.mnemonic not in errors:
            known = ", ".join(errors)
            raise SettingsError(f"fault rpc_error: no mnemonic {self.mnemonic!r}; one of {known}")
        for name in self.params:
            if name not in errors[self.mnemonic]:
                known = ", ".join(errors[self.mnemonic])
                text = f"{self.mnemonic} has no {name!r}; there are {known}"
                raise SettingsError(f"fault rpc_error: params: {text}")

    def instead(self, turn: Turn) -> Reply | None:
        """The provider's own error."""
        return error_reply(turn.exchange, self.mnemonic, self.params)
