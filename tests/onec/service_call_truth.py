"""Rows of the history and the truth behind them."""

from datetime import datetime
from typing import Any

from callmocks.contract.json_model import to_json
from callmocks.history.walltime import datetime_to_ms
from tests.onec.conftest import Client

Record = dict[str, Any]


def read_truth(client: Client, begin: str, end: str) -> list[Record]:
    """The calls behind the views that 1C shows."""
    times = [datetime_to_ms(datetime.fromisoformat(text)) for text in (begin, end)]
    now = datetime_to_ms(client.tenant.clock.now())
    found = client.tenant.history.truth_between(times[0], times[1], now)
    return [to_json(call) for call in found if call.onec]


def get_ids(records: list[Record]) -> list[str]:
    return [record["CallID"] for record in records]
