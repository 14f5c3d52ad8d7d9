"""A SOAP Fault."""

from typing import Literal

from callmocks.contract.xml import XmlText
from callmocks.faults.base import Fault, FaultContext, register_fault
from callmocks.provider.base import provider_error_reply
from callmocks.tenants.exchange import Reply


@register_fault("soap_fault", breaks_contract=False, providers=("onec",))
class SoapFaultFault(Fault, frozen=True):
    """A SOAP Fault in the caller's version of SOAP."""

    code: Literal["client", "server"] = "server"
    """Whose fault it is: 1.1 says Client or Server, 1.2 Sender or Receiver."""
    text: XmlText = "Internal error"

    def short_circuit(self, context: FaultContext) -> Reply | None:
        """The provider's own Fault."""
        return provider_error_reply(
            context.exchange, "soap_fault", {"code": self.code, "text": self.text}
        )
