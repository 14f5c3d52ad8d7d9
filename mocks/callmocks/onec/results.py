"""Answers: an envelope, ``return``, and in it ResultCode, then ResultData: clients count on it."""

from functools import cache
from typing import NamedTuple

from callmocks.onec.contract import load_operations
from callmocks.onec.encoder import write_property, write_value
from callmocks.onec.envelope import read_message
from callmocks.onec.soap import get_binding
from callmocks.onec.wsdl import find_wsdl_violations

SUCCESS = "SUCCESS"


class ResultCodeError(Exception):
    """The service understood the call and does not carry it out: a ResultCode with a reason."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class TableEnvelope(NamedTuple):
    before: bytes
    after: bytes
    violations: tuple[str, ...]


@cache
def render_table_envelope(namespace: str, operation: str) -> TableEnvelope:
    before, after = get_binding(namespace).render_envelope(operation)
    code = write_property("ResultCode", write_value(SUCCESS))
    columns = load_operations()[operation].columns_xml
    data = write_property("ResultData", f'<Value xsi:type="ValueTable">{columns}</Value>')
    table, end, rest = data.rpartition("</Value>")
    before, after = before + (code + table).encode(), (end + rest).encode() + after
    return TableEnvelope(before, after, tuple(find_self_violations(before + after)))


def find_self_violations(body: bytes) -> list[str]:
    found = find_wsdl_violations(read_message(body).payload)
    return [f"{violation.path}: {violation.message}" for violation in found]
