"""Parts of what a history holds, as queries get them: rows that match, one after another."""

from typing import NamedTuple

import msgspec
import polars as pl

from callmocks.history.views.arm import OperatorLegs


class FrameSlice(msgspec.Struct, frozen=True):
    """Rows ``first`` to ``last`` (not included) of a frame match.

    It is the cached frame of a day, or of ``days`` from it on; without ``day`` it was made for the
    query, and work done on it cannot be kept.
    """

    frame: pl.DataFrame
    first: int
    last: int
    day: int | None = None
    days: int = 1

    def to_frame(self) -> pl.DataFrame:
        return self.frame.slice(self.first, self.last - self.first)


class LegSlice(NamedTuple):
    """The same of an operator's legs, newest first. Others' legs stand before and behind them.

    None of ``legs`` is released after ``last_release``.
    """

    legs: OperatorLegs
    first: int
    last: int
    last_release: int
    day: int | None = None
    days: int = 1
