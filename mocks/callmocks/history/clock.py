"""Time enters here alone: a lint rule bans every other reading of the machine's clock."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from callmocks.errors import SettingsError

# Seconds on a clock that never jumps, to measure a duration.
read_stopwatch = time.perf_counter


def unix_time() -> float:
    return time.time()


def load_time_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise SettingsError(
            f"unknown time zone {name!r}: use an IANA name, Europe/Moscow"
        ) from None


def parse_wall_time(text: str, field: str = "now") -> datetime:
    """Naive; an offset is refused (``SettingsError``), for the tenant's wall clock has none."""
    try:
        wall_time = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"{field}: {text!r} is not an ISO time such as 2026-03-02T12:00:00"
        ) from None
    if wall_time.tzinfo is not None:
        raise SettingsError(f"{field}: {text!r} has an offset; the tenant's wall clock has none")
    return wall_time


class Clock:
    """A tenant's wall clock, naive.

    ``mode`` is ``real`` (the machine's time in the tenant's zone), ``frozen``, or ``offset`` (runs
    from a chosen time, ``speed`` wall seconds a second).
    """

    def __init__(self, zone: ZoneInfo, frozen_at: datetime | None = None) -> None:
        self.zone = zone
        self.mode = "real"
        self.speed = 1.0
        self._shown = self._read_machine_time()
        self._read_at = 0.0
        if frozen_at is not None:
            self.freeze(frozen_at)

    def now(self) -> datetime:
        if self.mode == "frozen":
            return self._shown
        if self.mode == "real":
            return self._read_machine_time()
        return self._shown + timedelta(seconds=(unix_time() - self._read_at) * self.speed)

    def to_unix_seconds(self, wall_time: datetime | None = None) -> int:
        return int((wall_time or self.now()).replace(tzinfo=self.zone).timestamp())

    def freeze(self, at: datetime) -> None:
        self.mode, self.speed, self._shown = "frozen", 0.0, at

    def run(self, start: datetime, speed: float = 1.0) -> None:
        self.mode, self.speed, self._shown, self._read_at = "offset", speed, start, unix_time()

    def follow_machine(self) -> None:
        self.mode, self.speed = "real", 1.0

    def advance(self, seconds: float) -> None:
        """Move ahead (or back, when negative); a real clock becomes an offset one."""
        target = self.now() + timedelta(seconds=seconds)
        if self.mode == "frozen":
            self._shown = target
        else:
            self.run(target, self.speed)

    def describe_state(self) -> dict[str, object]:
        return {"mode": self.mode, "now": self.now().isoformat(), "speed": self.speed}

    def dump_state(self) -> dict[str, object]:
        shown = self._shown.isoformat()
        return {"mode": self.mode, "speed": self.speed, "shown": shown, "read_at": self._read_at}

    @classmethod
    def load_state(cls, zone: ZoneInfo, state: Mapping[str, Any]) -> "Clock":
        """A running clock shows the same as the dumped one where the machines' clocks agree."""
        clock = cls(zone)
        clock.mode, clock.speed = state["mode"], state["speed"]
        clock._shown = datetime.fromisoformat(state["shown"])
        clock._read_at = state["read_at"]
        return clock

    def copy(self) -> "Clock":
        return Clock.load_state(self.zone, self.dump_state())

    def _read_machine_time(self) -> datetime:
        return datetime.fromtimestamp(unix_time(), UTC).astimezone(self.zone).replace(tzinfo=None)
