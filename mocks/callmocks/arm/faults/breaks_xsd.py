from typing import Annotated, Literal

from msgspec import Meta

from callmocks.arm.faults.attribute_edits import Attributes, change_attributes
from callmocks.faults.base import Fault, FaultContext
from callmocks.tenants.exchange import Reply


class BreaksXsd(Fault, frozen=True):
    """Every call of the answer breaks the vendor's XSD; an answer without calls stays as it is."""

    fault_name = "breaks_xsd"

    how: Annotated[
        Literal["direction", "duration", "missing"],
        Meta(
            description="A direction outside the enumeration, a negative duration, or no "
            "``call_ref`` at all."
        ),
    ] = "direction"

    def modify_response(self, context: FaultContext, reply: Reply) -> Reply | None:
        return change_attributes(context, reply, "call_history", self._break_calls)

    def _break_calls(self, calls: list[Attributes]) -> None:
        for attributes in calls:
            self._break_call(attributes)

    def _break_call(self, attributes: Attributes) -> None:
        if self.how == "direction":
            attributes["direction"] = "sideways"
        elif self.how == "duration":
            attributes["duration"] = "-1"
        else:
            attributes.pop("call_ref", None)
