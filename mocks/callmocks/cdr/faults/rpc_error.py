from typing import Annotated

import msgspec
from msgspec import Meta

from callmocks.errors import SettingsError
from callmocks.faults.base import Fault, FaultContext
from callmocks.provider.base import Provider
from callmocks.tenants.exchange import Reply


class RpcErrorFault(Fault, frozen=True):
    """An error of the vendor's table instead of a result."""

    fault_name = "rpc_error"
    breaks_contract = False

    mnemonic: Annotated[
        str, Meta(description="Of the vendor's error table, for example ``limit_exceeded``.")
    ]
    params: Annotated[
        dict[str, str],
        Meta(
            description='What its message names, for example ``{"limit_type": "day"}``; ``field`` '
            "and ``value``."
        ),
    ] = msgspec.field(default_factory=dict)

    def check(self, provider: Provider) -> None:
        errors = provider.list_errors()
        if self.mnemonic not in errors:
            known = ", ".join(errors)
            raise SettingsError(f"fault rpc_error: no mnemonic {self.mnemonic!r}; one of {known}")
        for name in self.params:
            if name not in errors[self.mnemonic]:
                known = ", ".join(errors[self.mnemonic])
                text = f"{self.mnemonic} has no {name!r}; there are {known}"
                raise SettingsError(f"fault rpc_error: params: {text}")

    def short_circuit(self, context: FaultContext) -> Reply | None:
        return context.error_reply(self.mnemonic, self.params)
