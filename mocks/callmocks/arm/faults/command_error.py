from callmocks.contract.xml import XmlText
from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply


class CommandErrorFault(Fault, frozen=True):
    """The command fails with ``cannot_perform_cmd``, the one error the vendor prints."""

    fault_name = "command_error"
    breaks_contract = False

    text: XmlText = "timeout"

    def short_circuit(self, context: FaultContext) -> Reply | None:
        return context.error_reply("cannot_perform_cmd", {"text": self.text})
