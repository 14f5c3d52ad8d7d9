"""``metadata.limits`` over a whole run: successful calls cost a point, failed ones nothing."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from callmocks.verification.report import Probe
from callmocks.verification.runner import SkipProbe

LimitValues = Mapping[str, Any]


class ObservedLimits:
    def __init__(self) -> None:
        self._observed: list[tuple[bool, LimitValues]] = []

    @property
    def remaining(self) -> int | None:
        """Points left of the minute or the day, the fewer; None while no response had limits."""
        if not self._observed:
            return None
        last = self._observed[-1][1]
        return min(int(last[f"{window}_remaining"]) for window in ("day", "minute"))

    def add_result(self, result: Mapping[str, Any]) -> None:
        self._add_metadata(True, result.get("metadata"))

    def add_error(self, response: Mapping[str, Any]) -> None:
        error = response.get("error")
        data = error.get("data") if isinstance(error, dict) else None
        self._add_metadata(False, data.get("metadata") if isinstance(data, dict) else None)

    def check(self, probe: Probe) -> None:
        """Compare each response with the one before it."""
        if len(self._observed) < 2:
            raise SkipProbe("fewer than two answers had limits")
        counted = False
        for (_, before), (succeeded, after) in pairwise(self._observed):
            for window in ("day", "minute"):
                counted |= after[f"{window}_remaining"] < after[f"{window}_limit"]
                self._compare_pair(window, before, after, succeeded, probe)
        last = self._observed[-1][1]
        probe.notes.append(
            f"{last['day_remaining']} of {last['day_limit']} points left today, "
            f"{last['minute_remaining']} of {last['minute_limit']} this minute"
        )
        if not counted:
            probe.notes.append("points are not counted here")

    @staticmethod
    def _compare_pair(
        window: str, before: LimitValues, after: LimitValues, succeeded: bool, probe: Probe
    ) -> None:
        """Other clients may use the account too, so more points than ours may be gone."""
        remaining, reset, limit = f"{window}_remaining", f"{window}_reset", f"{window}_limit"
        if after[reset] > before[reset]:
            return  # a new window has begun
        where = f"all: metadata.limits.{remaining}"
        if after[remaining] > before[remaining]:
            probe.add(where, f"{before[remaining]} at most", after[remaining])
        elif succeeded and after[remaining] == before[remaining] < after[limit]:
            probe.add(where, "a point less after a successful call", after[remaining])

    def _add_metadata(self, succeeded: bool, metadata: object) -> None:
        limits = metadata.get("limits") if isinstance(metadata, dict) else None
        names = [f"{w}_{n}" for w in ("day", "minute") for n in ("limit", "remaining", "reset")]
        if isinstance(limits, dict) and all(type(limits.get(name)) is int for name in names):
            self._observed.append((succeeded, limits))
