"""Lags: how long after the end of a call a view shows it."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from callmocks.errors import SettingsError
from callmocks.history.columns import IntColumn
from callmocks.history.generator import derive_key, spread_by_number

MAX_LAG_SECONDS = 604_800  # a week

LagSeconds = Annotated[float, Meta(ge=0, le=MAX_LAG_SECONDS)]


class LagRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds from ``min`` to ``max``, uniform by the call's id."""

    min: LagSeconds
    max: LagSeconds


Lag = LagSeconds | LagRange

NO_LAGS: Mapping[str, Lag] = dict.fromkeys(("arm_lag", "cdr_lag", "onec_lag", "records_lag"), 0)
"""By the names of the settings."""


class ViewLag:
    """The lag of one view, or of the records. A call's is the same whenever it is asked for."""

    def __init__(self, key: bytes, name: str, lag: float | LagRange) -> None:
        low, high = _get_bounds(lag)
        self.min_ms, self.max_ms = round(low * 1000), round(high * 1000)
        self._key = derive_key("lag", name, key.hex())

    def add_to(self, times: NDArray[np.int64], session_ids: IntColumn) -> NDArray[np.int64]:
        """Wall times in milliseconds, each later by the lag of its call."""
        if self.min_ms == self.max_ms:
            return times + self.min_ms if self.max_ms else times
        return times + spread_by_number(self._key, session_ids, self.min_ms, self.max_ms)


def check_lag(name: str, lag: float | LagRange) -> None:
    low, high = _get_bounds(lag)
    if not (0 <= low <= MAX_LAG_SECONDS and 0 <= high <= MAX_LAG_SECONDS):
        raise SettingsError(f"{name}: use 0 to {MAX_LAG_SECONDS} seconds")
    if low > high:
        raise SettingsError(f"{name}: min, {low:g}, is more than max, {high:g}")


def _get_bounds(lag: float | LagRange) -> tuple[float, float]:
    return (lag.min, lag.max) if isinstance(lag, LagRange) else (lag, lag)
