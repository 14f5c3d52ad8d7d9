"""What stands inside ``return``: ResultCode, then ResultData. Clients index them by position."""

from __future__ import annotations

from functools import cache

from callmocks.onec.contract import load_operations
from callmocks.onec.encoder import write_properties, write_property, write_value
from callmocks.onec.values import Structure

SUCCESS = "SUCCESS"
_TABLE_END = "</Value>"


class ResultCodeError(Exception):
    """The service understood the call and does not carry it out: a ResultCode with a reason."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


def render_error_result(code: str, reason: str) -> bytes:
    """The properties of a refusal: ResultData is the reason as a string."""
    return write_properties(Structure(ResultCode=code, ResultData=reason)).encode()


@cache
def render_around_rows(operation: str) -> tuple[bytes, bytes]:
    """The properties of an operation's success, before and after the table's rows."""
    code = write_property("ResultCode", write_value(SUCCESS))
    table = f'<Value xsi:type="ValueTable">{load_operations()[operation].columns_xml}'
    data = write_property("ResultData", f"{table}{_TABLE_END}")
    cut = len(data) - data[::-1].index(_TABLE_END[::-1]) - len(_TABLE_END)
    return (code + data[:cut]).encode(), data[cut:].encode()
