from typing import Annotated

from msgspec import Meta

from callmocks.arm.faults.attribute_edits import change_attributes
from callmocks.contract.xml import XmlText
from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply


class UndeclaredAttribute(Fault, frozen=True):
    """Every call (or the response, when it has no call) carries an attribute no schema declares."""

    fault_name = "undeclared_attribute"

    name: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=100)] = "extension"
    value: XmlText = "1"

    def modify_response(self, context: FaultContext, reply: Reply) -> Reply | None:
        added = {self.name: self.value}
        for element in ("call_history", "response", "error"):
            changed = change_attributes(context, reply, element, lambda found: found.update(added))
            if changed is not None:
                return changed
        return None
