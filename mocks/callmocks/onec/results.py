"""Answers: an envelope, ``return``, and in it ResultCode, then ResultData: clients count on it."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from callmocks.contract.quoting import MAX_ERROR_CHARS, shorten_text
from callmocks.errors import TooManyRows
from callmocks.history.history import ROW_BUDGET
from callmocks.onec.contract import TableColumns
from callmocks.onec.encoder import write_property, write_value
from callmocks.onec.envelope import read_message
from callmocks.onec.layout import Layout
from callmocks.onec.soap import get_binding
from callmocks.onec.wsdl import load_validator
from callmocks.tenants.exchange import MAX_VIOLATIONS, Exchange

SUCCESS = "SUCCESS"
# Takes rendered rows and their number. A whole history has half a gigabyte, so it is never joined
# from parts.
RowSink = Callable[[bytes | memoryview, int], object]


class ResultCodeError(Exception):
    """The service understood the call and does not carry it out: a ResultCode with a reason."""

    def __init__(self, code: str, reason: str) -> None:
        reason = shorten_text(reason, MAX_ERROR_CHARS)
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


def require_row_budget(exchange: Exchange, rows: int) -> None:
    if rows > ROW_BUDGET:
        reason = str(TooManyRows(ROW_BUDGET))
        exchange.notes.append(reason)
        raise ResultCodeError(exchange.use_assumption("onec.code-too-many-rows"), reason)


class TableEnvelope(NamedTuple):
    before: bytes
    after: bytes
    violations: tuple[str, ...]


def render_table_envelope(
    namespace: str, operation: str, layout: Layout, columns: TableColumns
) -> TableEnvelope:
    return _render_envelope(namespace, operation, layout, columns.xml)


@lru_cache(maxsize=256)
def _render_envelope(namespace: str, operation: str, layout: Layout, columns: str) -> TableEnvelope:
    before, after = get_binding(namespace).render_envelope(operation)
    code = write_property("ResultCode", write_value(SUCCESS))
    data = write_property("ResultData", f'<Value xsi:type="ValueTable">{columns}</Value>')
    body = layout.format_document(before + (code + data).encode() + after)
    table, end, rest = body.rpartition(b"</Value>")
    before = table.rstrip()  # rows come before the line of the last tag
    violations = tuple(find_self_violations(body))
    return TableEnvelope(before, table[len(before) :] + end + rest, violations)


def find_self_violations(body: bytes) -> list[str]:
    found = load_validator().find_violations(read_message(body).payload, MAX_VIOLATIONS)
    return [each.message for each in found]
