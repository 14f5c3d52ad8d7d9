"""Points: every successful call costs one, of a day's and of a minute's (documented).

Windows are the calendar day and minute of the tenant's clock. The counters live in the tenant's
state, so that replicas share them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from callmocks.cdr.errors import RpcError
from callmocks.tenants.state import CounterIncrement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callmocks.tenants.exchange import Exchange

DAY_SECONDS = 86_400


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
    key: str
    previous_key: str


@dataclass
class RateLimiter:
    """The points of one exchange's tenant; ``used`` of each window, once this exchange knows."""

    exchange: Exchange
    used: tuple[int, ...] | None = None

    @property
    def _enabled(self) -> bool:
        return self.exchange.tenant.settings.limits != "off"

    @cached_property
    def _windows(self) -> tuple[LimitWindow, LimitWindow]:
        cdr, now = self.exchange.tenant.settings.cdr, self.exchange.now
        return (
            LimitWindow("day", cdr.day_limit, *_counter_keys("day", now.toordinal())),
            LimitWindow("minute", cdr.minute_limit, *_counter_keys("minute", _minute_number(now))),
        )

    async def check_available(self) -> None:
        if self._enabled:
            for window, used in zip(self._windows, await self._read_used(), strict=True):
                if used >= window.limit:
                    raise self._limit_exceeded(window)

    async def spend_point(self) -> PointLimits:
        """Take the point of a successful call; ``limit_exceeded`` when another was faster."""
        if self._enabled:
            steps = [CounterIncrement(window.key, 1, window.limit) for window in self._windows]
            totals = await self.exchange.state.add_all(steps)
            self.used = totals.values
            if totals.rejected_index is not None:
                raise self._limit_exceeded(self._windows[totals.rejected_index])
            for window, total in zip(self._windows, totals.values, strict=True):
                if total == 1:
                    await self.exchange.state.delete(window.previous_key)
        return await self.get_limits()

    async def get_limits(self) -> PointLimits:
        if not self._enabled:
            cdr = self.exchange.tenant.settings.cdr
            return _make_limits(self.exchange, cdr.day_limit, cdr.minute_limit)
        used = self.used or await self._read_used()
        left = [max(w.limit - gone, 0) for w, gone in zip(self._windows, used, strict=True)]
        return _make_limits(self.exchange, *left)

    async def _read_used(self) -> tuple[int, ...]:
        steps = [CounterIncrement(window.key, 0) for window in self._windows]
        self.used = (await self.exchange.state.add_all(steps)).values
        return self.used

    def _limit_exceeded(self, window: LimitWindow) -> RpcError:
        if self.exchange.tenant.clock.mode == "frozen":
            self.exchange.notes.append(
                f"the limit per {window.name} never resets: the tenant's clock is frozen"
            )
        params: dict[str, object] = {"limit_type": window.name, "limit_max_value": window.limit}
        return RpcError("limit_exceeded", params=params)


def _minute_number(now: datetime) -> int:
    return now.toordinal() * 1440 + now.hour * 60 + now.minute


def _counter_keys(name: str, number: int) -> tuple[str, str]:
    return f"cdr:points:{name}:{number}", f"cdr:points:{name}:{number - 1}"


def initial_limits(exchange: Exchange, mnemonic: str, params: Mapping[str, Any]) -> PointLimits:
    """Limits as a fault shows them: nothing used, or all of the window that the error names."""
    cdr = exchange.tenant.settings.cdr
    spent = params.get("limit_type") if mnemonic == "limit_exceeded" else None
    return _make_limits(
        exchange,
        0 if spent == "day" else cdr.day_limit,
        0 if spent == "minute" else cdr.minute_limit,
    )


def _make_limits(exchange: Exchange, day_remaining: int, minute_remaining: int) -> PointLimits:
    cdr, now = exchange.tenant.settings.cdr, exchange.now
    second = now.hour * 3600 + now.minute * 60 + now.second
    return PointLimits(
        cdr.day_limit,
        day_remaining,
        DAY_SECONDS - second,
        cdr.minute_limit,
        minute_remaining,
        60 - now.second,
    )
