"""Days of a report's window: drawn before they are needed, counted and checked once, then kept.

Drawing is left to others' requests from time to time: a window of three months of a busy centre
takes seconds to draw.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.cdr import self_check
from callmocks.history.walltime import DAY_MS, day_start

if TYPE_CHECKING:
    from callmocks.history.generated_days import DayView
    from callmocks.history.history import History
    from callmocks.tenants.exchange import Exchange

MAX_CACHED_ROWS = 200_000
"""Rows of joined days that are kept in one piece: in many pieces each costs its own overhead."""
_FIXED_BYTES = 2000
_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class WindowDays:
    """Whole days of legs, one after another: a place counts through all of them."""

    days: list[int]
    ends: NDArray[np.int64]
    """The place behind each day's last row."""
    last_ends: NDArray[np.int64]
    """When the last of each day's calls ends, wall ms."""
    violations: tuple[str, ...]
    """What the self-check found; there must be nothing."""

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return int(self.ends[-1])

    @property
    def nbytes(self) -> int:
        """Memory held, about."""
        return _FIXED_BYTES + 24 * len(self.days)

    def first_position(self, number: int) -> int:
        """The place of a day's first row."""
        return int(self.ends[number - 1]) if number else 0


async def generate_days(exchange: Exchange, view: str, days: Sequence[int]) -> None:
    """Have a view of some days drawn, a few at a time."""
    drawn = exchange.tenant.history.generated
    for first, count in drawn.split_into_batches(days):
        drawn.get_views(view, range(first, first + count))
        await asyncio.sleep(0)


async def load_days(exchange: Exchange, method: str, wanted: Sequence[int]) -> WindowDays:
    """Some days of legs, ascending; ``method`` is what they are checked for."""
    drawn, checked = exchange.tenant.history.generated, exchange.tenant.settings.self_check
    name = f"cdr-days {checked=} to {wanted[-1]}, {len(wanted)}"
    found: WindowDays | None = drawn.peek(name, wanted[0])
    if found is None:
        sizes: list[int] = []
        last_ends: list[int] = []
        problems: dict[str, None] = {}
        for first, count in drawn.split_into_batches(wanted):
            views = drawn.get_views("legs", range(first, first + count))
            sizes += [len(view.starts) for view in views]
            last_ends += [view.last_end for view in views]
            if checked:
                problems |= dict.fromkeys(_check_days(exchange, method, first, views))
            await asyncio.sleep(0)
        made = WindowDays(list(wanted), np.cumsum(sizes), np.array(last_ends), tuple(problems))
        found = drawn.get_or_create(name, wanted[0], lambda: made, lambda days: days.nbytes)
    if checked:
        self_check.report_self_violation(exchange, method, found.violations)
    return found


def join_days(history: History, days: WindowDays) -> pl.DataFrame:
    """The rows of whole days as one frame; unless it is large it is in one piece and kept."""

    def concat_frames() -> pl.DataFrame:
        frames = [view.frame for view in history.generated.get_views("legs", days.days)]
        return frames[0] if len(frames) == 1 else pl.concat(frames, rechunk=False)

    if len(days.days) == 1 or days.row_count > MAX_CACHED_ROWS:
        return concat_frames()
    name = f"cdr-joined to {days.days[-1]}, {len(days.days)}"
    return history.generated.get_or_create(
        name, days.days[0], lambda: concat_frames().rechunk(), _frame_bytes
    )


def find_window_positions(
    history: History, days: WindowDays, from_ms: int, before_ms: int
) -> tuple[int, int]:
    """The places where a window begins and where it ends."""
    first, last = 0, days.row_count
    begins, ends = day_start(days.days[0]), day_start(days.days[-1]) + DAY_MS
    if from_ms > begins:
        first = int(history.generated.legs_view(days.days[0]).starts.searchsorted(from_ms))
    if before_ms < ends:
        starts = history.generated.legs_view(days.days[-1]).starts
        last = days.first_position(len(days.days) - 1) + int(starts.searchsorted(before_ms))
    return first, max(first, last)


def find_running_positions(history: History, days: WindowDays, now_ms: int) -> NDArray[np.int64]:
    """The places of legs whose calls have not ended, which nobody may see; usually none."""
    found = []
    for number in np.flatnonzero(days.last_ends > now_ms).tolist():
        ends = (
            history.generated.legs_view(days.days[number]).frame.get_column("_call_end").to_numpy()
        )
        found.append(days.first_position(number) + np.flatnonzero(ends > now_ms))
    return np.concatenate(found) if found else _NONE


def _check_days(
    exchange: Exchange, method: str, first: int, views: list[DayView]
) -> tuple[str, ...]:
    """What the self-check finds in days drawn together, found out once."""

    def check_frames() -> tuple[str, ...]:
        frames = [view.frame for view in views]
        return self_check.find_violations(method, pl.concat(frames, rechunk=False))

    kept = exchange.tenant.history.generated.get_or_create
    return kept(
        f"checked {method} of {len(views)}", first, check_frames, lambda _: self_check.RESULT_BYTES
    )


def _frame_bytes(frame: pl.DataFrame) -> int:
    return int(frame.estimated_size())
