from functools import partial
from typing import Annotated

from msgspec import Meta

from callmocks.arm.faults.attribute_edits import Attributes, change_attributes
from callmocks.arm.tree import escape_text
from callmocks.contract.xml import MAX_ATTRIBUTES, XmlText
from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply


class UndeclaredAttribute(Fault, frozen=True):
    """Every call (or the response, when it has no call) carries an attribute no schema declares."""

    fault_name = "undeclared_attribute"

    name: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=100)] = "extension"
    value: XmlText = "1"

    def modify_response(self, context: FaultContext, reply: Reply) -> Reply | None:
        add = partial(self._add, context, len(reply.body))
        for element in ("call_history", "response", "error"):
            changed = change_attributes(context, reply, element, add)
            if changed is not None:
                return changed
        return None

    def _add(self, context: FaultContext, size: int, elements: list[Attributes]) -> None:
        added = len(f' {self.name}="{escape_text(self.value)}"'.encode())
        context.reserve_answer(size + added * len(elements))
        if any(len(each) >= MAX_ATTRIBUTES and self.name not in each for each in elements):
            context.refuse(f"an element has at most {MAX_ATTRIBUTES} attributes")
        for attributes in elements:
            attributes[self.name] = self.value
