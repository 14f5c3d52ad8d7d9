"""Points: every successful call costs one, of a calendar day's and of a minute's (documented)."""

import re
from datetime import UTC, datetime

import msgspec

from callmocks.cdr.errors import RpcError
from callmocks.contract.cached_property import cached_property
from callmocks.tenants.exchange import Exchange
from callmocks.tenants.state import CounterIncrement

DAY_SECONDS = 86_400
LIMIT_TYPES = ("day", "minute")
POINTS_KEY = re.compile(r"cdr:points:(day|minute):\d{1,12}", re.ASCII)


class PointLimits(msgspec.Struct, frozen=True):
    """The ``limits`` of the metadata; ``*_reset`` in seconds."""

    day_limit: int
    day_remaining: int
    day_reset: int
    minute_limit: int
    minute_remaining: int
    minute_reset: int


class LimitWindow(msgspec.Struct, frozen=True):
    name: str
    limit: int
    number: int  # counts the windows: the previous one's counter is dropped

    def format_key(self, offset: int = 0) -> str:
        return f"cdr:points:{self.name}:{self.number + offset}"


class RateLimiter(msgspec.Struct, dict=True):
    """The points of one exchange's tenant; ``used`` of each window, once this exchange knows."""

    exchange: Exchange
    used: tuple[int, ...] = ()

    @property
    def _enabled(self) -> bool:
        return self.exchange.tenant.settings.limits != "off"

    @cached_property
    def _windows(self) -> tuple[LimitWindow, LimitWindow]:
        cdr, now = self.exchange.tenant.settings.cdr, _window_time(self.exchange)
        day = now.toordinal()
        minute = (day * 24 + now.hour) * 60 + now.minute
        per_day = LimitWindow("day", cdr.day_limit, day)
        return per_day, LimitWindow("minute", cdr.minute_limit, minute)

    async def check_available(self) -> None:
        if self._enabled:
            await self._add_all(0)
            for window, used in zip(self._windows, self.used, strict=True):
                if used >= window.limit:
                    raise self._limit_exceeded(window)

    async def spend_point(self) -> PointLimits:
        """Of a successful call; ``limit_exceeded`` when another took the last one."""
        if not self._enabled:
            return initial_limits(self.exchange)
        rejected_index = await self._add_all(1)
        if rejected_index is not None:
            raise self._limit_exceeded(self._windows[rejected_index])
        for window, used in zip(self._windows, self.used, strict=True):
            if used == 1:
                await self.exchange.state.delete(window.format_key(-1))
        return await self.get_limits()

    async def get_limits(self) -> PointLimits:
        if not self._enabled:
            return initial_limits(self.exchange)
        if not self.used:
            await self._add_all(0)
        left = [max(w.limit - used, 0) for w, used in zip(self._windows, self.used, strict=True)]
        return _make_limits(self.exchange, *left)

    async def _add_all(self, amount: int) -> int | None:
        """Add to both counters, or to none if one, whose index is returned, would be too high."""
        added = [CounterIncrement(each.format_key(), amount, each.limit) for each in self._windows]
        totals = await self.exchange.state.add_all(added)
        self.used = totals.values
        return totals.rejected_index

    def _limit_exceeded(self, window: LimitWindow) -> RpcError:
        if self.exchange.tenant.clock.mode == "frozen":
            note = f"the limit per {window.name} never resets: the tenant's clock is frozen"
            self.exchange.notes.append(note)
        params: dict[str, object] = {"limit_type": window.name, "limit_max_value": window.limit}
        return RpcError("limit_exceeded", params=params)


def initial_limits(exchange: Exchange, spent: str | None = None) -> PointLimits:
    """Nothing is used, or all of the window that is ``spent``."""
    cdr = exchange.tenant.settings.cdr
    day = 0 if spent == "day" else cdr.day_limit
    return _make_limits(exchange, day, 0 if spent == "minute" else cdr.minute_limit)


def _window_time(exchange: Exchange) -> datetime:
    """By whose clock a day ends: that of the account or of UTC."""
    if exchange.use_assumption("cdr.point-windows") == "account":
        return exchange.now
    seconds = exchange.tenant.clock.to_unix_seconds(exchange.now)
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _make_limits(exchange: Exchange, day_remaining: int, minute_remaining: int) -> PointLimits:
    cdr, now = exchange.tenant.settings.cdr, _window_time(exchange)
    second = now.hour * 3600 + now.minute * 60 + now.second
    day = cdr.day_limit, day_remaining, DAY_SECONDS - second
    return PointLimits(*day, cdr.minute_limit, minute_remaining, 60 - now.second)
