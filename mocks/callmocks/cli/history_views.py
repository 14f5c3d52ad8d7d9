"""A window of a history in one view, day by day, as frames to print or to write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from callmocks.contract.json_model import to_json
from callmocks.errors import SettingsError
from callmocks.history.walltime import DAY_MS, day_of, day_start

if TYPE_CHECKING:
    from callmocks.history.history import History


@dataclass(frozen=True, slots=True)
class ExportWindow:
    """Calls that start from ``from_ms`` to before ``till_ms``, as they are known at ``now_ms``.

    Wall times in milliseconds.
    """

    from_ms: int
    till_ms: int
    now_ms: int

    def iter_days(self, history: History) -> Iterator[tuple[int, int]]:
        """The window cut at midnights, within the history: from, till."""
        first = max(day_of(self.from_ms), history.first_day)
        last = min(day_of(self.till_ms - 1), history.last_day, day_of(self.now_ms))
        for day in range(first, last + 1):
            start = day_start(day)
            yield max(self.from_ms, start), min(self.till_ms, start + DAY_MS)


@dataclass(frozen=True, slots=True)
class ExportView:
    """One way to see calls."""

    read: Callable[[History, str, int, int, int], pl.DataFrame]
    """Rows of at most one day: history, operator, from, till (not included), now."""
    brief_columns: tuple[str, ...]
    """The columns that fit a terminal."""


def _read_legs(history: History, _: str, from_ms: int, till_ms: int, now_ms: int) -> pl.DataFrame:
    return _add_record_list(history.legs_between(from_ms, till_ms - 1, now_ms))


def _read_sessions(
    history: History, _: str, from_ms: int, till_ms: int, now_ms: int
) -> pl.DataFrame:
    return _add_record_list(history.sessions_between(from_ms, till_ms - 1, now_ms))


def _add_record_list(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with its record ids as the list that the Data API shows."""
    ids = pl.concat_list("_record_1", "_record_2").list.drop_nulls()
    return frame.with_columns(ids.alias("call_records"))


def _read_onec(history: History, _: str, from_ms: int, till_ms: int, now_ms: int) -> pl.DataFrame:
    return history.service_calls_between(from_ms, till_ms, now_ms)


def _read_arm(
    history: History, operator: str, from_ms: int, till_ms: int, now_ms: int
) -> pl.DataFrame:
    frames = [
        frame.filter(pl.col("_release") <= now_ms).reverse()
        for frame in history.arm_frames(operator, till_ms - 1, from_ms)
    ]
    return pl.concat(reversed(frames)) if frames else pl.DataFrame()


def _read_truth(history: History, _: str, from_ms: int, till_ms: int, now_ms: int) -> pl.DataFrame:
    calls = map(to_json, history.truth_between(from_ms, till_ms, now_ms))
    return pl.DataFrame(list(calls), infer_schema_length=None)


VIEWS = {
    "arm": ExportView(
        _read_arm,
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
    "cdr-legs": ExportView(
        _read_legs,
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
    "cdr-sessions": ExportView(
        _read_sessions,
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
    "onec": ExportView(
        _read_onec, ("CallTime", "CallID", "ClientID", "ServiceUserID", "CallResult", "Duration")
    ),
    "truth": ExportView(
        _read_truth,
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
    numbers = [each.number for each in history.directory.operators]
    if view != "arm":
        if operator is not None:
            raise SettingsError(f"--operator: the view {view} is not one operator's")
        return ""
    if operator is None:
        raise SettingsError(f"--operator: the view arm needs one, {numbers[0]} for example")
    if operator not in numbers:
        raise SettingsError(f"--operator: {operator!r} is none of {numbers[0]} … {numbers[-1]}")
    return operator


def read_frames(
    history: History, view: str, operator: str, window: ExportWindow
) -> Iterator[pl.DataFrame]:
    """The view's frames, without hidden columns: one for each day of the window that has rows.

    When no day has any, one without rows, for its columns.
    """
    read, empty = VIEWS[view].read, True
    for from_ms, till_ms in window.iter_days(history):
        frame = read(history, operator, from_ms, till_ms, window.now_ms)
        if frame.height:
            empty = False
            yield _select_visible(frame)
    if empty:
        yield _select_visible(
            read(history, operator, window.from_ms, window.from_ms, window.from_ms)
        )


def _select_visible(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(name for name in frame.columns if not name.startswith("_"))
