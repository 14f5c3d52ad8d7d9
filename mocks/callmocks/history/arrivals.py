"""When each view shows a call that has ended, and when its records can be played.

At once, or after the lags of a tenant. What is cached of a day is the same for all tenants, so
lags are added when a view is read, and only to the days whose rows may not all be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.history import ids
from callmocks.history.columns import IntColumn
from callmocks.history.lags import Lag, ViewLag
from callmocks.history.views.arm import OperatorLegs
from callmocks.history.views.call_views import CALL_VIEWS

if TYPE_CHECKING:
    from callmocks.history.generated_days import GeneratedDays

Times = NDArray[np.int64]


class Arrivals:
    """Times are wall times in milliseconds. All rows of a call in one view have the same lag."""

    def __init__(self, generated: GeneratedDays, lags: Mapping[str, Lag]) -> None:
        self._generated = generated
        made = {name: ViewLag(generated.key, name, lag) for name, lag in lags.items()}
        self.arm, self.records = made["arm_lag"], made["records_lag"]
        self.by_view = {name: made[view.lag] for name, view in CALL_VIEWS.items()}
        self.has_arm_lags = self.arm.max_ms + self.records.max_ms > 0
        # What a page of ARM depends on, which is cached for all tenants of one history.
        lags_of_arm = (self.arm, self.records) if self.has_arm_lags else ()
        self.arm_key = tuple((lag.min_ms, lag.max_ms) for lag in lags_of_arm)

    def find_day(self, view_name: str, day: int) -> Times:
        """Of the rows of a generated day."""
        lag = self.by_view[view_name]

        def find_arrivals() -> Times:
            return self.find_arrivals(view_name, self._generated.get_view(view_name, day).frame)

        if not lag.max_ms:
            return find_arrivals()
        name = f"arrivals of {view_name} {lag.min_ms} {lag.max_ms}"
        return self._generated.get_or_create(name, day, find_arrivals, lambda times: times.nbytes)

    def find_arrivals(self, view_name: str, frame: pl.DataFrame) -> Times:
        """Of the rows of any frame of a view."""
        view = CALL_VIEWS[view_name]
        ends = frame.get_column(view.end_column).to_numpy()
        if not self.by_view[view_name].max_ms:
            return ends
        sessions = frame.get_column(view.session_column).to_numpy()
        return self.add_lags(view_name, ends, sessions)

    def add_lags(self, view_name: str, ends: Times, sessions: IntColumn) -> Times:
        """When a view shows calls that ended then."""
        lag = self.by_view[view_name]
        return lag.add_to(ends, sessions) if lag.max_ms else ends

    def keep_shown(self, view_name: str, frame: pl.DataFrame, now_ms: int) -> pl.DataFrame:
        """The rows of a frame that are there."""
        shown = self.find_arrivals(view_name, frame) <= now_ms
        return frame if shown.all() else frame.filter(pl.Series(shown))

    def hide_records(self, view_name: str, frame: pl.DataFrame, now_ms: int) -> pl.DataFrame:
        """Null for the records of a frame of CDR that are not there yet."""
        if not self.records.max_ms:
            return frame
        sessions = frame.get_column(CALL_VIEWS[view_name].session_column).to_numpy()
        times = self.records.add_to(self.find_arrivals(view_name, frame), sessions)
        present = pl.lit(pl.Series(times <= now_ms))
        records = ("_record_1", "_record_2")
        return frame.with_columns(pl.when(present).then(name).alias(name) for name in records)

    def find_arm_times(self, legs: OperatorLegs) -> tuple[Times, Times]:
        """When the rows are there, and when their records are too: then they do not change."""
        if not self.has_arm_lags:
            return legs.release, legs.release
        days, _ = ids.leg_addresses(legs.leg_id)
        sessions = ids.session_id(days, legs.call_row)
        shown = self.arm.add_to(legs.release, sessions)
        complete = self.records.add_to(shown, sessions)
        return shown, np.where(legs.record_leg >= 0, complete, shown)

    def find_session_times(self, end_ms: int, session_id: int) -> tuple[int, int]:
        """When CDR shows a call that ended then, and when its records are there too."""
        return self._add(self.by_view["sessions"], end_ms, session_id)

    def find_leg_times(self, end_ms: int, session_id: int) -> tuple[int, int]:
        """When ARM shows a leg that ended then, and when its record is there too."""
        return self._add(self.arm, end_ms, session_id)

    def _add(self, lag: ViewLag, end_ms: int, session_id: int) -> tuple[int, int]:
        if not lag.max_ms + self.records.max_ms:
            return end_ms, end_ms
        sessions: IntColumn = np.array([session_id])
        shown = lag.add_to(np.array([end_ms]), sessions)
        return int(shown[0]), int(self.records.add_to(shown, sessions)[0])
