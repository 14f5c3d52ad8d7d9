"""Answers of a 1C-Connect service, read for what they show."""

from dataclasses import dataclass, field
from typing import Any

from callmocks.errors import CallmocksError
from callmocks.onec.decoder import SoapFault, read_answer
from callmocks.onec.results import SUCCESS
from callmocks.onec.values import ValueTable


@dataclass(frozen=True, slots=True)
class OnecAnswer:
    """``code`` is ``Fault`` for a Fault, whose code is ``fault``."""

    status: int
    code: str
    fault: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        return self.code == SUCCESS


def parse_answer(body: bytes, status: int) -> OnecAnswer | None:
    try:
        result = read_answer(body)
    except SoapFault as fault:
        return OnecAnswer(status, "Fault", fault.code)
    except (CallmocksError, RecursionError):
        return None
    data = result.get("ResultData")
    rows = list(data.records()) if isinstance(data, ValueTable) else []
    return OnecAnswer(status, str(result.get("ResultCode")), "", rows)
