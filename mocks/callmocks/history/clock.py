"""The one door through which time enters.

Nothing else in callmocks asks the machine what time it is (a lint rule sees to it): code takes a
``Clock`` or an instant read from one.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from callmocks.errors import SettingsError

read_stopwatch = time.perf_counter
"""Seconds on a clock that never jumps, to measure a duration."""


def unix_time() -> float:
    """Seconds since 1970 in UTC, as the machine has it."""
    return time.time()


def load_time_zone(name: str) -> ZoneInfo:
    """The time zone of that IANA name; ``SettingsError`` when there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise SettingsError(
            f"unknown time zone {name!r}: use an IANA name, Europe/Moscow"
        ) from None


def parse_wall_time(text: str, field: str = "now") -> datetime:
    """A naive wall time from ISO text such as ``2026-03-02T12:00:00``.

    A zone or an offset is refused (``SettingsError``): the tenant's wall clock has none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"{field}: {text!r} is not an ISO time such as 2026-03-02T12:00:00"
        ) from None
    if moment.tzinfo is not None:
        raise SettingsError(f"{field}: {text!r} has an offset; the tenant's wall clock has none")
    return moment


class Clock:
    """A tenant's wall clock: real, frozen, or running from a chosen moment at a chosen speed.

    ``mode`` is ``real`` (the machine's time in the tenant's zone), ``frozen`` (stands still) or
    ``offset`` (runs from a chosen moment, ``speed`` wall seconds a second).
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
        """The naive wall time this clock shows."""
        if self.mode == "frozen":
            return self._shown
        if self.mode == "real":
            return self._read_machine_time()
        return self._shown + timedelta(seconds=(unix_time() - self._read_at) * self.speed)

    def to_unix_seconds(self, moment: datetime | None = None) -> int:
        """Unix seconds of a wall time (of now when not given), by the tenant's zone."""
        return int((moment or self.now()).replace(tzinfo=self.zone).timestamp())

    def freeze(self, at: datetime) -> None:
        """Stand still at a wall time."""
        self.mode, self.speed, self._shown = "frozen", 0.0, at

    def run(self, start: datetime, speed: float = 1.0) -> None:
        """Run from a wall time, ``speed`` wall seconds for each real one."""
        self.mode, self.speed, self._shown, self._read_at = "offset", speed, start, unix_time()

    def follow_machine(self) -> None:
        """Follow the machine again."""
        self.mode, self.speed = "real", 1.0

    def advance(self, seconds: float) -> None:
        """Move ahead (or back, when negative); a real clock becomes an offset one."""
        target = self.now() + timedelta(seconds=seconds)
        if self.mode == "frozen":
            self._shown = target
        else:
            self.run(target, self.speed)

    def describe_state(self) -> dict[str, object]:
        """``{"mode", "now", "speed"}`` as the admin API answers it."""
        return {"mode": self.mode, "now": self.now().isoformat(), "speed": self.speed}

    def dump_state(self) -> dict[str, object]:
        """Everything but the zone, as JSON knows it; ``load`` makes a clock of it elsewhere."""
        shown = self._shown.isoformat()
        return {"mode": self.mode, "speed": self.speed, "shown": shown, "read_at": self._read_at}

    @classmethod
    def load_state(cls, zone: ZoneInfo, dumped: Mapping[str, Any]) -> "Clock":
        """The clock that was dumped; one that runs shows the same on machines that agree."""
        clock = cls(zone)
        clock.mode, clock.speed = dumped["mode"], dumped["speed"]
        clock._shown = datetime.fromisoformat(dumped["shown"])
        clock._read_at = dumped["read_at"]
        return clock

    def copy(self) -> "Clock":
        """A clock that shows the same and can be set without this one."""
        return Clock.load_state(self.zone, self.dump_state())

    def _read_machine_time(self) -> datetime:
        return datetime.fromtimestamp(unix_time(), UTC).astimezone(self.zone).replace(tzinfo=None)
