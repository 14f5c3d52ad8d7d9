"""Columns in another order."""

from callmocks.tenancy.exchange import Reply
from callmocks.tenancy.faults import soap
from callmocks.tenancy.faults.base import Fault, Turn, fault


@fault("columns_reordered", breaks_contract=True, providers=("onec",))
class ColumnsReordered(Fault, frozen=True):
    """The columns come last to first, cells with them: right by name, wrong by place."""

    def answer(self, turn: Turn, reply: Reply) -> Reply | None:
        """Turn columns and cells round."""
        return soap.with_table(reply, _reverse)


def _reverse(table: soap.Table) -> bool:
    for column in table.columns:
        table.element.insert(0, column)
    for row in table.rows:
        for cell in row.findall(f"{soap.CORE}Value"):
            row.insert(0, cell)
    return len(table.columns) > 1
