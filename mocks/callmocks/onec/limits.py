"""Day and night, and how many calls an hour an account may make."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from callmocks.onec.contract import Operation
from callmocks.onec.results import Refusal

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange

_MOSCOW: Final = "Europe/Moscow"
_HOUR: Final = timedelta(hours=1)
_MOMENT: Final = timedelta(seconds=10)
OUT_OF_LIMIT: Final = ("OUT_OF_LIMIT", "limit reached")


def is_day(exchange: Exchange) -> bool:
    """It is day now, when limits are lower and a history's period is capped."""
    first, last = _minutes(exchange.assume("onec.day-hours"))
    now = _clock(exchange)
    return first <= now.hour * 60 + now.minute < last


@cache
def _minutes(hours: str) -> tuple[int, int]:
    """First minute of the day in a choice such as ``08:00-20:00``, and the first of the night."""
    if hours in ("always", "never"):
        return 0, 24 * 60 if hours == "always" else 0
    first, last = (int(time[:2]) * 60 + int(time[3:]) for time in hours.split("-"))
    return first, last


async def count(exchange: Exchange, operation: Operation) -> None:
    """Count a call; ``Refusal`` when its account made all the calls of this hour already."""
    if exchange.tenant.settings.limits == "off":
        return
    most = _most(exchange, operation)
    if most is None:
        return
    key = f"onec/{operation.name}/{await _window(exchange, operation)}"
    counted = exchange.assume("onec.quota-counts")
    if counted == "every-call":
        total = await exchange.tenant.state.add(key, 1, most)
    else:
        total = await exchange.tenant.state.add(key, 0, most - 1)
    if total is None:
        raise _out_of_limit(exchange)


async def count_answered(exchange: Exchange, operation: Operation) -> None:
    """Count a call that was carried out, where the tenant counts these alone.

    ``Refusal`` when others took the last of this hour's calls meanwhile.
    """
    if exchange.tenant.settings.limits == "off":
        return
    most = _most(exchange, operation)
    if most is not None and exchange.assume("onec.quota-counts") == "answered":
        key = f"onec/{operation.name}/{await _window(exchange, operation)}"
        if await exchange.tenant.state.add(key, 1, most) is None:
            raise _out_of_limit(exchange)


def _out_of_limit(exchange: Exchange) -> Refusal:
    if exchange.tenant.clock.mode == "frozen":
        exchange.notes.append("the tenant's clock is frozen, so this limit will not reset")
    return Refusal(*OUT_OF_LIMIT)


async def left(
    exchange: Exchange, operation: Operation
) -> tuple[int, int, timedelta | None] | None:
    """Calls left of this hour's, how many an hour has, and when they come back; counts nothing.

    None for an operation without a limit; no time when the hour has not begun.
    """
    most = _most(exchange, operation)
    if most is None:
        return None
    now = exchange.now
    begun: datetime | None = now.replace(minute=0, second=0, microsecond=0)
    name = now.strftime("%Y-%m-%dT%H")
    if exchange.assume("onec.quota-hour") != "clock":
        begun = await _begun(exchange, operation)
        name = "" if begun is None else begun.isoformat()
    refills = None if begun is None else begun + _HOUR - now
    if exchange.tenant.settings.limits == "off" or not name:
        return most, most, refills
    used = await exchange.tenant.state.add(f"onec/{operation.name}/{name}", 0) or 0
    return max(most - used, 0), most, refills


def _most(exchange: Exchange, operation: Operation) -> int | None:
    limits = operation.limits
    if limits.evidence == "assumed" and exchange.assume("onec.read-limits") == "none":
        return None
    return limits.day if is_day(exchange) else limits.night


async def _window(exchange: Exchange, operation: Operation) -> str:
    """Name of the hour that a call counts in."""
    now = exchange.now
    if exchange.assume("onec.quota-hour") == "clock":
        return now.strftime("%Y-%m-%dT%H")
    key, state = _first(operation), exchange.tenant.state
    kept = await state.get(key)
    if kept is None or _under_way(exchange, kept) is None:
        kept = await state.swap(key, kept, now.isoformat().encode())
    return now.isoformat() if kept is None else kept.decode()


async def _begun(exchange: Exchange, operation: Operation) -> datetime | None:
    """When the hour under way began, where an hour begins with a call."""
    kept = await exchange.tenant.state.get(_first(operation))
    return None if kept is None else _under_way(exchange, kept)


def _under_way(exchange: Exchange, kept: bytes) -> datetime | None:
    """The beginning of an hour that has not ended; a call of this moment may have begun it."""
    first = datetime.fromisoformat(kept.decode())
    return first if first - _MOMENT <= exchange.now < first + _HOUR else None


def _first(operation: Operation) -> str:
    return f"onec/{operation.name}/first"


def _clock(exchange: Exchange) -> datetime:
    """The wall time that day and night follow."""
    if exchange.assume("onec.day-clock") == "tenant":
        return exchange.now
    here = exchange.now.replace(tzinfo=exchange.tenant.clock.zone)
    return here.astimezone(ZoneInfo(_MOSCOW))
