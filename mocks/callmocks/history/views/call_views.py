"""The views that show calls day by day; ARM's rows are taken operator by operator instead."""

from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from callmocks.history.columns import DayColumns
from callmocks.history.views import cdr, onec
from callmocks.history.views.lookups import Lookups


class CallView(NamedTuple):
    """``build`` takes a history's key; ``end_column`` is the end of a row's call.

    ``session_column`` holds the id of its call; ``lag`` is the setting by which rows come late.
    """

    build: Callable[[bytes, DayColumns, Lookups], pl.DataFrame]
    end_column: str
    id_column: str
    session_column: str
    lag: str


CALL_VIEWS = {
    "legs": CallView(cdr.build_legs, "_call_end", "id", "call_session_id", "cdr_lag"),
    "sessions": CallView(cdr.build_sessions, "_call_end", "id", "id", "cdr_lag"),
    "onec": CallView(onec.build_service_calls, "_end", "_session_id", "_session_id", "onec_lag"),
}
