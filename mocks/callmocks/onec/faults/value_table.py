from collections.abc import Callable

from lxml import etree
from msgspec.structs import replace

from callmocks.contract.xml import edit_document
from callmocks.onec.layout import indent_document
from callmocks.onec.namespaces import COLUMN, ROW
from callmocks.tenants.exchange import Reply


class ValueTableElement:
    def __init__(self, element: etree._Element) -> None:
        self.element = element
        self.columns = element.findall(COLUMN)
        self.rows = element.findall(ROW)


def edit_table(reply: Reply, edit: Callable[[ValueTableElement], bool]) -> Reply | None:
    """The reply with its table changed; None without a table, or when ``edit`` returns False."""

    def edit_root(root: etree._Element) -> bool:
        column = next(root.iter(COLUMN), None)
        table = None if column is None else column.getparent()
        return table is not None and edit(ValueTableElement(table))

    body = edit_document(reply.body, edit_root)
    if body is None:
        return None
    # A parser reads the line ends of the answer as line feeds.
    return replace(reply, body=indent_document(body) if b"\r\n" in reply.body else body)
