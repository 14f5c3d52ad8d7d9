"""Columns in another order."""

from callmocks.faults.base import Fault, Turn, fault
from callmocks.onec.faults import value_table
from callmocks.tenants.exchange import Reply


@fault("columns_reordered", breaks_contract=True, providers=("onec",))
class ColumnsReordered(Fault, frozen=True):
    """The columns come last to first, cells with them: right by name, wrong by place."""

    def answer(self, turn: Turn, reply: Reply) -> Reply | None:
        """Turn columns and cells round."""
        return value_table.with_table(reply, _reverse)


def _reverse(table: value_table.Table) -> bool:
    for column in table.columns:
        table.element.insert(0, column)
    for row in table.rows:
        for cell in row.findall(f"{value_table.CORE}Value"):
            row.insert(0, cell)
    return len(table.columns) > 1
