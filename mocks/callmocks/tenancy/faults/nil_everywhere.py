"""Nothing in the table."""

from typing import Literal

from lxml import etree

from callmocks.tenancy.exchange import Reply
from callmocks.tenancy.faults import soap
from callmocks.tenancy.faults.base import Fault, Turn, fault


@fault("nil_everywhere", breaks_contract=True, providers=("onec",))
class NilEverywhere(Fault, frozen=True):
    """The cells of the table are nil; a table without rows stays as it is."""

    columns: Literal["all", "nullable"] = "all"
    """All columns, or only those whose type lists ``Null``, which the contract allows."""

    def answer(self, turn: Turn, reply: Reply) -> Reply | None:
        """Empty the cells."""
        return soap.with_table(reply, self._empty)

    def _empty(self, table: soap.Table) -> bool:
        emptied = [self.columns == "all" or _nullable(column) for column in table.columns]
        for row in table.rows:
            for index, cell in enumerate(row.findall(f"{soap.CORE}Value")):
                if emptied[index]:
                    tail = cell.tail
                    cell.clear()
                    cell.tail = tail
                    cell.set(f"{soap.XSI}nil", "true")
        return bool(table.rows) and any(emptied)


def _nullable(column: etree._Element) -> bool:
    types = column.iterfind(f"{soap.CORE}ValueType/{soap.CORE}Type")
    return any((kind.text or "").rpartition(":")[2] == "Null" for kind in types)
