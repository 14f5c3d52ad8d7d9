"""Any ResultCode."""

from typing import Annotated

from msgspec import Meta

from callmocks.contract.xml import XmlText
from callmocks.faults.base import Fault, FaultContext, register_fault
from callmocks.provider.base import provider_error_reply
from callmocks.tenants.exchange import Reply


@register_fault("result_code", breaks_contract=False, providers=("onec",))
class ResultCode(Fault, frozen=True):
    """A ResultCode other than SUCCESS, with the reason as ResultData."""

    code: Annotated[XmlText, Meta(min_length=1)] = "INTERNAL_ERROR"
    text: XmlText = "internal error"

    def short_circuit(self, context: FaultContext) -> Reply | None:
        """The provider's own answer with that code."""
        return provider_error_reply(
            context.exchange, "result_code", {"code": self.code, "text": self.text}
        )
