from typing import Annotated, Literal

from msgspec import Meta

from callmocks.contract.xml import XmlText
from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply


class SoapFaultFault(Fault, frozen=True):
    """A SOAP Fault in the caller's version of SOAP."""

    fault_name = "soap_fault"
    breaks_contract = False

    code: Annotated[
        Literal["client", "server"],
        Meta(description="Whose fault it is: 1.1 says Client or Server, 1.2 Sender or Receiver."),
    ] = "server"
    text: XmlText = "Internal error"

    def short_circuit(self, context: FaultContext) -> Reply | None:
        return context.error_reply("soap_fault", {"code": self.code, "text": self.text})
