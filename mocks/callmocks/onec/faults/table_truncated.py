from typing import Annotated

from msgspec import Meta

from callmocks.faults.base import Fault, FaultContext
from callmocks.onec.faults import value_table
from callmocks.tenants.exchange import Reply

_Share = Annotated[float, Meta(ge=0, lt=1, description="How many of them: 0 none, 0.5 half.")]


class TableTruncated(Fault, frozen=True):
    """Only the first rows of the table come; the answer is well-formed and says SUCCESS."""

    fault_name = "table_truncated"
    breaks_contract = False

    keep: _Share = 0.5

    def modify_response(self, context: FaultContext, reply: Reply) -> Reply | None:
        return value_table.edit_table(reply, self._remove_rows)

    def _remove_rows(self, table: value_table.ValueTableElement) -> bool:
        rest = table.rows[int(len(table.rows) * self.keep) :]
        for row in rest:
            table.element.remove(row)
        return bool(rest)
