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
    from callmocks.history.generated_days import View
    from callmocks.history.history import History
    from callmocks.tenants.exchange import Exchange

LARGEST_JOIN = 200_000
"""Rows of joined days that are kept in one piece: in many pieces each costs its own overhead."""
_FIXED_BYTES = 2000
_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days of legs, one after another: a place counts through all of them."""

    days: list[int]
    ends: NDArray[np.int64]
    """The place behind each day's last row."""
    last_ends: NDArray[np.int64]
    """When the last of each day's calls ends, wall ms."""
    problems: tuple[str, ...]
    """What the self-check found; there must be nothing."""

    @property
    def size(self) -> int:
        """How many rows there are."""
        return int(self.ends[-1])

    @property
    def nbytes(self) -> int:
        """Memory held, about."""
        return _FIXED_BYTES + 24 * len(self.days)

    def begin(self, number: int) -> int:
        """The place of a day's first row."""
        return int(self.ends[number - 1]) if number else 0


async def warm(exchange: Exchange, what: str, days: Sequence[int]) -> None:
    """Have a view of some days drawn, a few at a time."""
    drawn = exchange.tenant.history.drawn
    for first, count in drawn.stretches(days):
        drawn.views(what, range(first, first + count))
        await asyncio.sleep(0)


async def gathered(exchange: Exchange, method: str, wanted: Sequence[int]) -> Days:
    """Some days of legs, ascending; ``method`` is what they are checked for."""
    drawn, checked = exchange.tenant.history.drawn, exchange.tenant.settings.self_check
    name = f"cdr-days {checked=} to {wanted[-1]}, {len(wanted)}"
    found: Days | None = drawn.look(name, wanted[0])
    if found is None:
        sizes: list[int] = []
        last_ends: list[int] = []
        problems: dict[str, None] = {}
        for first, count in drawn.stretches(wanted):
            views = drawn.views("legs", range(first, first + count))
            sizes += [len(view.starts) for view in views]
            last_ends += [view.last_end for view in views]
            if checked:
                problems |= dict.fromkeys(_problems(exchange, method, first, views))
            await asyncio.sleep(0)
        made = Days(list(wanted), np.cumsum(sizes), np.array(last_ends), tuple(problems))
        found = drawn.kept(name, wanted[0], lambda: made, lambda days: days.nbytes)
    if checked:
        self_check.tell(exchange, method, found.problems)
    return found


def joined(history: History, days: Days) -> pl.DataFrame:
    """The rows of whole days as one frame; unless it is large it is in one piece and kept."""

    def join() -> pl.DataFrame:
        frames = [view.frame for view in history.drawn.views("legs", days.days)]
        return frames[0] if len(frames) == 1 else pl.concat(frames, rechunk=False)

    if len(days.days) == 1 or days.size > LARGEST_JOIN:
        return join()
    name = f"cdr-joined to {days.days[-1]}, {len(days.days)}"
    return history.drawn.kept(name, days.days[0], lambda: join().rechunk(), _frame_bytes)


def window(history: History, days: Days, from_ms: int, before_ms: int) -> tuple[int, int]:
    """The places where a window begins and where it ends."""
    first, last = 0, days.size
    begins, ends = day_start(days.days[0]), day_start(days.days[-1]) + DAY_MS
    if from_ms > begins:
        first = int(history.drawn.legs(days.days[0]).starts.searchsorted(from_ms))
    if before_ms < ends:
        starts = history.drawn.legs(days.days[-1]).starts
        last = days.begin(len(days.days) - 1) + int(starts.searchsorted(before_ms))
    return first, max(first, last)


def running(history: History, days: Days, now_ms: int) -> NDArray[np.int64]:
    """The places of legs whose calls have not ended, which nobody may see; usually none."""
    found = []
    for number in np.flatnonzero(days.last_ends > now_ms).tolist():
        ends = history.drawn.legs(days.days[number]).frame.get_column("_call_end").to_numpy()
        found.append(days.begin(number) + np.flatnonzero(ends > now_ms))
    return np.concatenate(found) if found else _NONE


def _problems(exchange: Exchange, method: str, first: int, views: list[View]) -> tuple[str, ...]:
    """What the self-check finds in days drawn together, found out once."""

    def check() -> tuple[str, ...]:
        frames = [view.frame for view in views]
        return self_check.column_problems(method, pl.concat(frames, rechunk=False))

    kept = exchange.tenant.history.drawn.kept
    return kept(f"checked {method} of {len(views)}", first, check, lambda _: self_check.KEPT_BYTES)


def _frame_bytes(frame: pl.DataFrame) -> int:
    return int(frame.estimated_size())
