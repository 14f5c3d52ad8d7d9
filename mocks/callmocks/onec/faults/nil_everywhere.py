from typing import Annotated, Literal

from lxml import etree
from msgspec import Meta

from callmocks.faults.base import Fault, FaultContext
from callmocks.onec.faults import value_table
from callmocks.onec.namespaces import CORE, VALUE, XSI_NIL
from callmocks.tenants.exchange import Reply

_COLUMNS = "All columns, or only those whose type lists ``Null``, which the contract allows."


class NilEverywhere(Fault, frozen=True):
    """The cells of the table are nil; a table without rows stays as it is."""

    fault_name = "nil_everywhere"

    columns: Annotated[Literal["all", "nullable"], Meta(description=_COLUMNS)] = "all"

    def modify_response(self, context: FaultContext, reply: Reply) -> Reply | None:
        return value_table.edit_table(reply, self._clear_cells)

    def _clear_cells(self, table: value_table.ValueTableElement) -> bool:
        emptied = [self.columns == "all" or _is_nullable(column) for column in table.columns]
        for row in table.rows:
            for index, cell in enumerate(row.findall(VALUE)):
                if emptied[index]:
                    tail = cell.tail
                    cell.clear()
                    cell.tail = tail
                    cell.set(XSI_NIL, "true")
        return bool(table.rows) and any(emptied)


def _is_nullable(column: etree._Element) -> bool:
    types = column.iterfind(f"{{{CORE}}}ValueType/{{{CORE}}}Type")
    return any((kind.text or "").rpartition(":")[2] == "Null" for kind in types)
