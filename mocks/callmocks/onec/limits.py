"""Day and night, and how many calls an hour an account may make."""

import re
from datetime import datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from callmocks.onec.contract import ServedOperation
from callmocks.onec.results import ResultCodeError
from callmocks.tenants.exchange import Exchange

_HOUR: Final = timedelta(hours=1)
_CLOCK_TOLERANCE: Final = timedelta(seconds=10)
QUOTA_KEY: Final = re.compile(r"onec/[A-Za-z]+/(first|\d{4}-\d\d-\d\dT[\d:.]+)", re.ASCII)
OUT_OF_LIMIT: Final = ("OUT_OF_LIMIT", "limit reached")


class HourlyQuota(msgspec.Struct, dict=True):
    exchange: Exchange
    operation: ServedOperation
    counts_answers: bool = False  # a call counts when it is answered, as ``count_call`` found

    @property
    def is_day(self) -> bool:
        first, last = _parse_day_hours(self.exchange.use_assumption("onec.day-hours"))
        now = self.exchange.now
        if self.exchange.use_assumption("onec.day-clock") != "tenant":
            zone, moscow = self.exchange.tenant.clock.zone, ZoneInfo("Europe/Moscow")
            now = now.replace(tzinfo=zone).astimezone(moscow)
        return first <= now.hour * 60 + now.minute < last

    @property
    def limit(self) -> int | None:
        limits = self.operation.limits
        if (
            limits.evidence == "assumed"
            and self.exchange.use_assumption("onec.read-limits") == "none"
        ):
            return None
        return limits.day if self.is_day else limits.night

    async def count_call(self) -> None:
        """``ResultCodeError`` when all calls of this hour have been made already."""
        limit = self.limit
        if limit is None:
            return
        key = await self._get_key()
        if self.exchange.use_assumption("onec.quota-counts") == "every-call":
            await self._add_calls(key, 1, limit)
        else:
            self.counts_answers = True
            await self._add_calls(key, 0, limit - 1)

    async def count_answered_call(self) -> None:
        """``ResultCodeError`` when other calls took the last of this hour meanwhile."""
        limit = self.limit
        assert limit is not None
        await self._add_calls(await self._get_key(), 1, limit)

    async def get_remaining_calls(self) -> tuple[int, int, timedelta | None] | None:
        """Calls left of this hour, calls of an hour, and the time until it ends, if it began."""
        limit = self.limit
        if limit is None:
            return None
        start, _ = await self._find_hour()
        refill = None if start is None else start + _HOUR - self.exchange.now
        if self.exchange.tenant.settings.limits == "off" or start is None:
            return limit, limit, refill
        used = await self.exchange.state.add(self._make_key(start.isoformat()), 0) or 0
        return max(limit - used, 0), limit, refill

    async def _add_calls(self, key: str, calls: int, limit: int) -> None:
        if await self.exchange.state.add(key, calls, limit) is None:
            if self.exchange.tenant.clock.mode == "frozen":
                note = "the tenant's clock is frozen, so this limit will not reset"
                self.exchange.notes.append(note)
            raise ResultCodeError(*OUT_OF_LIMIT)

    async def _get_key(self) -> str:
        """The counter of the hour that a call counts in; a call may begin that hour."""
        start, first = await self._find_hour()
        if start is not None:
            return self._make_key(start.isoformat())
        now = self.exchange.now.isoformat()
        other = await self.exchange.state.compare_and_set(self._make_key(), first, now.encode())
        return self._make_key(now if other is None else other.decode())

    async def _find_hour(self) -> tuple[datetime | None, bytes | None]:
        """The start of the hour, if it has begun and not ended; and the state's first call."""
        now = self.exchange.now
        if self.exchange.use_assumption("onec.quota-hour") == "clock":
            return now.replace(minute=0, second=0, microsecond=0), None
        first = await self.exchange.state.get(self._make_key())
        if first is None:
            return None, None
        start = datetime.fromisoformat(first.decode())
        # A call of this moment may have begun it.
        return start if start - _CLOCK_TOLERANCE <= now < start + _HOUR else None, first

    def _make_key(self, hour: str = "first") -> str:
        return f"onec/{self.operation.name}/{hour}"


@cache
def _parse_day_hours(hours: str) -> tuple[int, int]:
    """First minute of the day in a choice such as ``08:00-20:00``, and the first of the night."""
    if hours in ("always", "never"):
        return 0, 24 * 60 if hours == "always" else 0
    first, last = (int(time[:2]) * 60 + int(time[3:]) for time in hours.split("-"))
    return first, last
