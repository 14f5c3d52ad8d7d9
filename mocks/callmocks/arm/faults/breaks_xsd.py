"""An answer that the vendor's schema refuses."""

from typing import Literal

from callmocks.arm.faults import attribute_edits
from callmocks.faults.base import Fault, Turn, fault
from callmocks.tenants.exchange import Reply


@fault("breaks_xsd", breaks_contract=True, providers=("arm",))
class BreaksXsd(Fault, frozen=True):
    """Every call of the answer breaks the vendor's XSD; an answer without calls stays as it is."""

    how: Literal["direction", "duration", "missing"] = "direction"
    """A direction outside the enumeration, a negative duration, or no ``call_ref`` at all."""

    def answer(self, turn: Turn, reply: Reply) -> Reply | None:
        """Break each call."""
        return attribute_edits.with_attributes(turn, reply, "call_history", self._break)

    def _break(self, attributes: attribute_edits.Attributes) -> None:
        if self.how == "direction":
            attributes["direction"] = "sideways"
        elif self.how == "duration":
            attributes["duration"] = "-1"
        else:
            attributes.pop("call_ref", None)
