from typing import Annotated

import msgspec
from msgspec import Meta

from callmocks.cdr.errors import load_error_table
from callmocks.cdr.limits import LIMIT_TYPES
from callmocks.config.validation import format_key
from callmocks.contract.quoting import quote_text
from callmocks.contract.similar_names import suggest_name
from callmocks.faults.base import Fault, FaultContext, ParameterError
from callmocks.provider.base import Provider
from callmocks.tenants.exchange import Reply

_Name = Annotated[str, Meta(max_length=100)]
_Value = Annotated[str, Meta(max_length=1000)]


class RpcErrorFault(Fault, frozen=True):
    """An error of the vendor's table instead of a result."""

    fault_name = "rpc_error"
    breaks_contract = False

    mnemonic: Annotated[
        str,
        Meta(
            max_length=100,
            description="Of the vendor's error table, for example ``limit_exceeded``.",
            extra_json_schema={"enum": list(load_error_table())},
        ),
    ]
    params: Annotated[
        dict[_Name, _Value],
        Meta(
            max_length=20,
            description='What its message names, for example ``{"limit_type": "day"}``; ``field`` '
            "and ``value``.",
        ),
    ] = msgspec.field(default_factory=dict)

    def check(self, provider: Provider) -> None:
        errors = provider.list_errors()
        if self.mnemonic not in errors:
            hint = suggest_name(self.mnemonic, errors)
            text = f"the vendor's table has no {quote_text(self.mnemonic)}; {hint}"
            raise ParameterError(self.fault_name, ".mnemonic", text)
        for name in self.params:
            if name not in errors[self.mnemonic]:
                hint = suggest_name(name, errors[self.mnemonic])
                text = f"{self.mnemonic} has no {quote_text(name)}; {hint}"
                raise ParameterError(self.fault_name, f".params{format_key(name)}", text)
        window = self.params.get("limit_type", LIMIT_TYPES[0])
        if window not in LIMIT_TYPES:
            text = f"the vendor has {' and '.join(LIMIT_TYPES)}, not {quote_text(window)}"
            raise ParameterError(self.fault_name, ".params.limit_type", text)

    def short_circuit(self, context: FaultContext) -> Reply | None:
        return context.error_reply(self.mnemonic, self.params)
