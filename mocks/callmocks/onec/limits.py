"""Day and night, and how many calls an hour an account may make."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from callmocks.onec.contract import ServedOperation
from callmocks.onec.results import ResultCodeError

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange

_MOSCOW: Final = "Europe/Moscow"
_HOUR: Final = timedelta(hours=1)
_CLOCK_TOLERANCE: Final = timedelta(seconds=10)
OUT_OF_LIMIT: Final = ("OUT_OF_LIMIT", "limit reached")


def is_day(exchange: Exchange) -> bool:
    """It is day now, when limits are lower and a history's period is capped."""
    first, last = _parse_day_hours(exchange.use_assumption("onec.day-hours"))
    now = _get_limit_time(exchange)
    return first <= now.hour * 60 + now.minute < last


@cache
def _parse_day_hours(hours: str) -> tuple[int, int]:
    """First minute of the day in a choice such as ``08:00-20:00``, and the first of the night."""
    if hours in ("always", "never"):
        return 0, 24 * 60 if hours == "always" else 0
    first, last = (int(time[:2]) * 60 + int(time[3:]) for time in hours.split("-"))
    return first, last


async def count_call(exchange: Exchange, operation: ServedOperation) -> None:
    """Count a call; ``Refusal`` when its account made all the calls of this hour already."""
    if exchange.tenant.settings.limits == "off":
        return
    most = _get_hourly_limit(exchange, operation)
    if most is None:
        return
    key = f"onec/{operation.name}/{await _get_window_name(exchange, operation)}"
    counted = exchange.use_assumption("onec.quota-counts")
    if counted == "every-call":
        total = await exchange.state.add(key, 1, most)
    else:
        total = await exchange.state.add(key, 0, most - 1)
    if total is None:
        raise _make_limit_error(exchange)


async def count_answered_call(exchange: Exchange, operation: ServedOperation) -> None:
    """Count a call that was carried out, where the tenant counts these alone.

    ``Refusal`` when others took the last of this hour's calls meanwhile.
    """
    if exchange.tenant.settings.limits == "off":
        return
    most = _get_hourly_limit(exchange, operation)
    if most is not None and exchange.use_assumption("onec.quota-counts") == "answered":
        key = f"onec/{operation.name}/{await _get_window_name(exchange, operation)}"
        if await exchange.state.add(key, 1, most) is None:
            raise _make_limit_error(exchange)


def _make_limit_error(exchange: Exchange) -> ResultCodeError:
    if exchange.tenant.clock.mode == "frozen":
        exchange.notes.append("the tenant's clock is frozen, so this limit will not reset")
    return ResultCodeError(*OUT_OF_LIMIT)


async def get_remaining_calls(
    exchange: Exchange, operation: ServedOperation
) -> tuple[int, int, timedelta | None] | None:
    """Calls left of this hour's, how many an hour has, and when they come back; counts nothing.

    None for an operation without a limit; no time when the hour has not begun.
    """
    most = _get_hourly_limit(exchange, operation)
    if most is None:
        return None
    now = exchange.now
    begun: datetime | None = now.replace(minute=0, second=0, microsecond=0)
    name = now.strftime("%Y-%m-%dT%H")
    if exchange.use_assumption("onec.quota-hour") != "clock":
        begun = await _get_window_start(exchange, operation)
        name = "" if begun is None else begun.isoformat()
    refills = None if begun is None else begun + _HOUR - now
    if exchange.tenant.settings.limits == "off" or not name:
        return most, most, refills
    used = await exchange.state.add(f"onec/{operation.name}/{name}", 0) or 0
    return max(most - used, 0), most, refills


def _get_hourly_limit(exchange: Exchange, operation: ServedOperation) -> int | None:
    limits = operation.limits
    if limits.evidence == "assumed" and exchange.use_assumption("onec.read-limits") == "none":
        return None
    return limits.day if is_day(exchange) else limits.night


async def _get_window_name(exchange: Exchange, operation: ServedOperation) -> str:
    """Name of the hour that a call counts in."""
    now = exchange.now
    if exchange.use_assumption("onec.quota-hour") == "clock":
        return now.strftime("%Y-%m-%dT%H")
    key, state = _make_start_key(operation), exchange.state
    kept = await state.get(key)
    if kept is None or _parse_active_start(exchange, kept) is None:
        kept = await state.compare_and_set(key, kept, now.isoformat().encode())
    return now.isoformat() if kept is None else kept.decode()


async def _get_window_start(exchange: Exchange, operation: ServedOperation) -> datetime | None:
    """When the hour under way began, where an hour begins with a call."""
    kept = await exchange.state.get(_make_start_key(operation))
    return None if kept is None else _parse_active_start(exchange, kept)


def _parse_active_start(exchange: Exchange, kept: bytes) -> datetime | None:
    """The beginning of an hour that has not ended; a call of this moment may have begun it."""
    first = datetime.fromisoformat(kept.decode())
    return first if first - _CLOCK_TOLERANCE <= exchange.now < first + _HOUR else None


def _make_start_key(operation: ServedOperation) -> str:
    return f"onec/{operation.name}/first"


def _get_limit_time(exchange: Exchange) -> datetime:
    """The wall time that day and night follow."""
    if exchange.use_assumption("onec.day-clock") == "tenant":
        return exchange.now
    here = exchange.now.replace(tzinfo=exchange.tenant.clock.zone)
    return here.astimezone(ZoneInfo(_MOSCOW))
