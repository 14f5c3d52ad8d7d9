"""Nothing in the table."""

from typing import Literal

from lxml import etree

from callmocks.faults.base import Fault, Turn, fault
from callmocks.onec.faults import value_table
from callmocks.tenants.exchange import Reply


@fault("nil_everywhere", breaks_contract=True, providers=("onec",))
class NilEverywhere(Fault, frozen=True):
    """The cells of the table are nil; a table without rows stays as it is."""

    columns: Literal["all", "nullable"] = "all"
    """All columns, or only those whose type lists ``Null``, which the contract allows."""

    def answer(self, turn: Turn, reply: Reply) -> Reply | None:
        """Empty the cells."""
        return value_table.with_table(reply, self._empty)

    def _empty(self, table: value_table.Table) -> bool:
        emptied = [self.columns == "all" or _nullable(column) for column in table.columns]
        for row in table.rows:
            for index, cell in enumerate(row.findall(f"{value_table.CORE}Value")):
                if emptied[index]:
                    tail = cell.tail
                    cell.clear()
                    cell.tail = tail
                    cell.set(f"{value_table.XSI}nil", "true")
        return bool(table.rows) and any(emptied)


def _nullable(column: etree._Element) -> bool:
    types = column.iterfind(f"{value_table.CORE}ValueType/{value_table.CORE}Type")
    return any((kind.text or "").rpartition(":")[2] == "Null" for kind in types)
