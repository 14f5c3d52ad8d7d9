from callmocks.faults.base import Fault, FaultContext
from callmocks.onec.faults import value_table
from callmocks.onec.namespaces import VALUE
from callmocks.tenants.exchange import Reply


class ColumnsReordered(Fault, frozen=True):
    """The columns come last to first, cells with them: right by name, wrong by place."""

    fault_name = "columns_reordered"

    def modify_response(self, context: FaultContext, reply: Reply) -> Reply | None:
        return value_table.edit_table(reply, _reverse_columns)


def _reverse_columns(table: value_table.ValueTableElement) -> bool:
    for column in table.columns:
        table.element.insert(0, column)
    for row in table.rows:
        for cell in row.findall(VALUE):
            row.insert(0, cell)
    return len(table.columns) > 1
