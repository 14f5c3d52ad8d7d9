"""Days of a report's window: generated in batches, counted and checked once, then kept."""

from collections.abc import Sequence
from functools import partial

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.cdr import self_check
from callmocks.history.generated_days import DayView
from callmocks.history.history import History
from callmocks.history.walltime import DAY_MS, day_start
from callmocks.tenants.exchange import Exchange
from callmocks.tenants.worker import yield_turn

MAX_CACHED_ROWS = 200_000
"""Rows of joined days that are kept in one piece: in many pieces each costs its own overhead."""
_FIXED_BYTES = 2000
Integers = NDArray[np.int64]
# First and last second of a report's window, and now, as wall ms.
Span = tuple[int, int, int]
_NONE = np.zeros(0, np.int64)


class WindowDays(msgspec.Struct, frozen=True):
    """Days of legs, one after another: a position counts through all of them."""

    days: list[int]
    begins: Integers
    ends: Integers
    last_ends: Integers  # of each day's calls, in wall ms
    last_end: int
    begin_ms: int
    end_ms: int
    row_count: int
    violations: tuple[str, ...]


async def generate_days(exchange: Exchange, view: str, days: Sequence[int]) -> None:
    generated = exchange.tenant.history.generated
    for first, count in generated.split_into_batches(days):
        generated.get_views(view, range(first, first + count))
        await yield_turn()  # three months of a busy contact centre take seconds to generate


async def load_days(exchange: Exchange, method: str, days: Sequence[int]) -> WindowDays:
    """Ascending days of legs; ``method`` is what they are checked for."""
    generated = exchange.tenant.history.generated
    checked = exchange.tenant.settings.self_check
    name = f"cdr-days {checked=} to {days[-1]}, {len(days)}"
    window: WindowDays | None = generated.peek(name, days[0])
    if window is None:
        sizes: list[int] = []
        last_ends: list[int] = []
        violations: dict[str, None] = {}
        for first, count in generated.split_into_batches(days):
            views = generated.get_views("legs", range(first, first + count))
            sizes += [len(view.starts) for view in views]
            last_ends += [view.last_end for view in views]
            if checked:
                check = partial(_find_violations, method, views)
                key = f"checked {method} of {count}"
                new = generated.get_or_create(key, first, check, lambda _: self_check.RESULT_BYTES)
                violations |= dict.fromkeys(new)
            await yield_turn()
        ends = np.cumsum(sizes, dtype=np.int64)
        begins, bounds = ends - np.array(sizes), (day_start(days[0]), day_start(days[-1]) + DAY_MS)
        loaded = WindowDays(
            list(days),
            begins,
            ends,
            np.array(last_ends),
            max(last_ends),
            *bounds,
            int(ends[-1]),
            tuple(violations),
        )
        size = _FIXED_BYTES + 32 * len(days)
        window = generated.get_or_create(name, days[0], lambda: loaded, lambda _: size)
    if checked and window.violations:
        self_check.report_self_violation(exchange, method, window.violations)
    return window


def join_days(history: History, window: WindowDays) -> pl.DataFrame:
    """The rows of whole days as one frame; unless it is large it is in one piece and kept."""
    days = window.days

    def concat_frames() -> pl.DataFrame:
        frames = [view.frame for view in history.generated.get_views("legs", days)]
        return frames[0] if len(frames) == 1 else pl.concat(frames, rechunk=False)

    if len(days) == 1 or window.row_count > MAX_CACHED_ROWS:
        return concat_frames()
    return history.generated.get_or_create(
        f"cdr-joined to {days[-1]}, {len(days)}",
        days[0],
        lambda: concat_frames().rechunk(),
        lambda frame: int(frame.estimated_size()),
    )


def find_positions(history: History, window: WindowDays, span: Span) -> tuple[range, Integers]:
    """Of the legs that start in a window, and of those whose calls are not there yet."""
    start, end, now = span
    arrivals = history.arrivals
    get_view, days = history.generated.get_view, window.days
    first, last = 0, window.row_count
    if start > window.begin_ms:
        first = int(get_view("legs", days[0]).starts.searchsorted(start))
    if end + 1000 < window.end_ms:
        inside = get_view("legs", days[-1]).starts.searchsorted(end + 1000)
        last = int(window.begins[-1]) + int(inside)
    found, lag = range(first, max(first, last)), arrivals.by_view["legs"].max_ms
    if window.last_end + lag <= now:
        return found, _NONE
    running = [_NONE]
    for index in np.flatnonzero(window.last_ends + lag > now).tolist():
        times = arrivals.find_day("legs", days[index])
        running.append(int(window.begins[index]) + np.flatnonzero(times > now))
    return found, np.concatenate(running)


def _find_violations(method: str, views: list[DayView]) -> tuple[str, ...]:
    frame = pl.concat([view.frame for view in views], rechunk=False)
    return self_check.find_violations(method, frame)
