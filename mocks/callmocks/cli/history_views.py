"""A window of a history in one view, day by day, as frames to print or to write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from callmocks.errors import SettingsError
from callmocks.history.walltime import DAY_MS, day_of, day_start, to_ms

if TYPE_CHECKING:
    from callmocks.history.history import History


@dataclass(frozen=True, slots=True)
class Window:
    """Calls that start from ``from_ms`` to before ``till_ms``, as they are known at ``now_ms``.

    Wall times in milliseconds.
    """

    from_ms: int
    till_ms: int
    now_ms: int

    def days(self, history: History) -> Iterator[tuple[int, int]]:
        """The window cut at midnights, within the history: from, till."""
        first = max(day_of(self.from_ms), history.first_day)
        last = min(day_of(self.till_ms - 1), history.last_day, day_of(self.now_ms))
        for day in range(first, last + 1):
            start = day_start(day)
            yield max(self.from_ms, start), min(self.till_ms, start + DAY_MS)


@dataclass(frozen=True, slots=True)
class View:
    """One way to see calls."""

    read: Callable[[History, str, int, int, int], pl.DataFrame]
    """Rows of at most one day: history, operator, from, till (not included), now."""
    brief: tuple[str, ...]
    """The columns that fit a terminal."""


def _legs(history: History, _: str, from_ms: int, till_ms: int, now_ms: int) -> pl.DataFrame:
    return _with_records(history.legs(from_ms, till_ms - 1, now_ms))


def _sessions(history: History, _: str, from_ms: int, till_ms: int, now_ms: int) -> pl.DataFrame:
    return _with_records(history.sessions(from_ms, till_ms - 1, now_ms))


def _with_records(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with its record ids as the list that the Data API shows."""
    ids = pl.concat_list("_record_1", "_record_2").list.drop_nulls()
    return frame.with_columns(ids.alias("call_records"))


def _onec(history: History, _: str, from_ms: int, till_ms: int, now_ms: int) -> pl.DataFrame:
    return history.service_calls(from_ms, till_ms, now_ms)


def _arm(history: History, operator: str, from_ms: int, till_ms: int, now_ms: int) -> pl.DataFrame:
    frames = [
        frame.filter(pl.col("_release") <= now_ms).reverse()
        for frame in history.arm_days(operator, till_ms - 1, from_ms)
    ]
    return pl.concat(reversed(frames)) if frames else pl.DataFrame()


def _truth(history: History, _: str, from_ms: int, till_ms: int, now_ms: int) -> pl.DataFrame:
    return pl.DataFrame(history.truth(from_ms, till_ms, now_ms), infer_schema_length=None)


VIEWS = {
    "arm": View(
        _arm,
        (
            "start_time",
            "direction",
            "digits",
            "remote_digits",
            "remote_display_name",
            "waiting_duration",
            "talk_duration",
            "release_reason",
            "call_ref",
        ),
    ),
    "cdr-legs": View(
        _legs,
        (
            "start_time",
            "call_session_id",
            "id",
            "direction",
            "calling_phone_number",
            "called_phone_number",
            "employee_full_name",
            "duration",
            "finish_reason",
        ),
    ),
    "cdr-sessions": View(
        _sessions,
        (
            "start_time",
            "id",
            "direction",
            "contact_phone_number",
            "virtual_phone_number",
            "talk_duration",
            "total_duration",
            "finish_reason",
        ),
    ),
    "onec": View(
        _onec, ("CallTime", "CallID", "ClientID", "ServiceUserID", "CallResult", "Duration")
    ),
    "truth": View(
        _truth,
        (
            "start",
            "answered",
            "end",
            "direction",
            "client_phone",
            "line",
            "finish_reason",
            "arm",
            "cdr",
            "onec",
        ),
    ),
}


def check_operator(history: History, view: str, operator: str | None) -> str:
    """The operator whose workplace is seen; ``SettingsError`` when the view needs another."""
    numbers = [each.number for each in history.cast.operators]
    if view != "arm":
        if operator is not None:
            raise SettingsError(f"--operator: the view {view} is not one operator's")
        return ""
    if operator is None:
        raise SettingsError(f"--operator: the view arm needs one, {numbers[0]} for example")
    if operator not in numbers:
        raise SettingsError(f"--operator: {operator!r} is none of {numbers[0]} … {numbers[-1]}")
    return operator


def frames(history: History, view: str, operator: str, window: Window) -> Iterator[pl.DataFrame]:
    """The view's frames, without hidden columns: one for each day of the window that has rows.

    When no day has any, one without rows, for its columns.
    """
    read, empty = VIEWS[view].read, True
    for from_ms, till_ms in window.days(history):
        frame = read(history, operator, from_ms, till_ms, window.now_ms)
        if frame.height:
            empty = False
            yield _shown(frame)
    if empty:
        yield _shown(read(history, operator, window.from_ms, window.from_ms, window.from_ms))


def _shown(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(name for name in frame.columns if not name.startswith("_"))


def moment_ms(text: str | None, place: str, otherwise: int) -> int:
    """A wall time given by a flag (a date is its midnight), else ``otherwise``."""
    from callmocks.history.clock import parse_moment

    if text is None:
        return otherwise
    try:
        return to_ms(parse_moment(text))
    except SettingsError as error:
        raise SettingsError(f"{place}: {str(error).removeprefix('now: ')}") from None
