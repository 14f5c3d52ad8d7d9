"""Any ResultCode."""

from typing import Annotated

from msgspec import Meta

from callmocks.faults.base import Fault, Turn, fault
from callmocks.onec.faults.soap_fault import Text
from callmocks.provider.base import error_reply
from callmocks.tenants.exchange import Reply


@fault("result_code", breaks_contract=False, providers=("onec",))
class ResultCode(Fault, frozen=True):
    """A ResultCode other than SUCCESS, with the reason as ResultData."""

    code: Annotated[Text, Meta(min_length=1)] = "INTERNAL_ERROR"
    text: Text = "internal error"

    def instead(self, turn: Turn) -> Reply | None:
        """The provider's own answer with that code."""
        return error_reply(turn.exchange, "result_code", {"code": self.code, "text": self.text})
