"""When a view shows a call that has ended: at once, or after the lag of a tenant's settings."""

from typing import Annotated

import msgspec
from msgspec import Meta

from callmocks.errors import SettingsError

MAX_LAG_SECONDS = 604_800  # a week

LagSeconds = Annotated[float, Meta(ge=0, le=MAX_LAG_SECONDS)]


class LagRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds from ``min`` to ``max``, uniform by the call's id."""

    min: LagSeconds
    max: LagSeconds


Lag = LagSeconds | LagRange


def check_lag(name: str, lag: float | LagRange) -> None:
    low, high = (lag.min, lag.max) if isinstance(lag, LagRange) else (lag, lag)
    if not (0 <= low <= MAX_LAG_SECONDS and 0 <= high <= MAX_LAG_SECONDS):
        raise SettingsError(f"{name}: use 0 to {MAX_LAG_SECONDS} seconds")
    if low > high:
        raise SettingsError(f"{name}: min, {low:g}, is more than max, {high:g}")
