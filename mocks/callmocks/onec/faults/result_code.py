from typing import Annotated

from msgspec import Meta

from callmocks.contract.xml import XmlText
from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply


class ResultCode(Fault, frozen=True):
    """A ResultCode other than SUCCESS, with the reason as ResultData."""

    fault_name = "result_code"
    breaks_contract = False

    code: Annotated[XmlText, Meta(min_length=1)] = "INTERNAL_ERROR"
    text: XmlText = "internal error"

    def short_circuit(self, context: FaultContext) -> Reply | None:
        return context.error_reply("result_code", {"code": self.code, "text": self.text})
