"""Time enters here alone: a lint rule bans every other reading of the machine's clock.

Tests patch clocks. What a tenant shows follows the patched one; what waits or measures must not.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from importlib.machinery import BuiltinImporter
from importlib.util import module_from_spec
from tempfile import TemporaryFile
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

from callmocks.errors import SettingsError


def _load_unpatched_time() -> ModuleType:
    # freezegun replaces the functions of `time` in all modules it finds, also in those that are
    # imported while it is active. A second copy of the built-in module is not among them.
    spec = BuiltinImporter.find_spec("time")
    assert spec is not None and spec.loader is not None
    unpatched_time = module_from_spec(spec)
    spec.loader.exec_module(unpatched_time)
    return unpatched_time


_unpatched_time = _load_unpatched_time()
# Seconds on a clock that never jumps or stands still, to measure a duration and to wait.
read_stopwatch: Callable[[], float] = _unpatched_time.perf_counter


def _choose_uptime_clock() -> Callable[[], float]:
    # Clocks that go on while the machine sleeps; the stopwatch of Linux and macOS does not.
    name = "CLOCK_BOOTTIME" if sys.platform == "linux" else "CLOCK_MONOTONIC"
    number = getattr(_unpatched_time, name, None)
    return read_stopwatch if number is None else partial(_unpatched_time.clock_gettime, number)


# Seconds since the machine was started, or some other point: for `uptime_to_utc`.
read_uptime = _choose_uptime_clock()


# What a tenant's clock may show: beyond, some field of a provider has no such time.
EARLIEST = datetime(1970, 1, 1)
LATEST = datetime(2200, 1, 1) - datetime.resolution
_RANGE = f"{EARLIEST.date()} … {LATEST.date()}"
_EARLIEST_UNIX = EARLIEST.replace(tzinfo=UTC).timestamp()
_LATEST_UNIX = LATEST.replace(tzinfo=UTC).timestamp()
_MOST_SECONDS = _LATEST_UNIX - _EARLIEST_UNIX


def unix_time() -> float:
    """By the clock that a test may have patched."""
    return time.time()


def unpatched_now() -> datetime:
    """The system's time in UTC, whatever a test has patched: for what other programs check."""
    # A new file has it; on Linux one in memory, for the file system may be read-only.
    linux = sys.platform == "linux"
    with os.fdopen(os.memfd_create("callmocks"), "wb") if linux else TemporaryFile() as file:
        seconds = os.fstat(file.fileno()).st_mtime
    now: datetime = find_builtin_type(datetime).fromtimestamp(seconds, UTC)
    return now


def find_builtin_type(patched: type[Any]) -> type[Any]:
    """The class of the standard library that ``datetime`` or ``date`` may be a patched one of."""
    return next(base for base in patched.__mro__ if base.__module__ == "datetime")


_start_uptime, _start_time = read_uptime(), unpatched_now()


def uptime_to_utc(uptime: float) -> datetime:
    """The system's time at a reading of ``read_uptime``, whatever a test has patched."""
    return _start_time + timedelta(seconds=uptime - _start_uptime)


def restore_builtin_dates(value: Any) -> Any:
    """Replace dates of patched classes, which only the standard library's own functions take."""
    if isinstance(value, dict):
        return {key: restore_builtin_dates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [restore_builtin_dates(item) for item in value]
    if isinstance(value, date) and type(value).__module__ != "datetime":
        return find_builtin_type(type(value)).fromisoformat(value.isoformat())
    return value


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


def parse_clock_time(text: str) -> datetime:
    """What a clock may show; ``SettingsError`` otherwise."""
    wall_time = parse_wall_time(text)
    check_clock_range(wall_time)
    return wall_time


def check_clock_range(wall_time: datetime, field: str = "now") -> None:
    if not EARLIEST <= wall_time <= LATEST:
        raise SettingsError(f"{field}: {wall_time} is not within {_RANGE}")


def check_machine_time(field: str) -> None:
    """``SettingsError`` when a clock that follows the machine could not show it."""
    if not _EARLIEST_UNIX <= unix_time() <= _LATEST_UNIX:
        raise SettingsError(f"{field}: this machine's time is not within {_RANGE}")


class Clock:
    """A tenant's wall clock, naive.

    ``mode`` is ``real`` (the machine's time in the tenant's zone), ``frozen``, or ``offset`` (runs
    from a chosen time, ``speed`` wall seconds a second). None goes beyond ``EARLIEST`` or
    ``LATEST``, whatever the machine's time is.
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
        passed = (unix_time() - self._read_at) * self.speed
        if abs(passed) > _MOST_SECONDS:
            return LATEST if passed > 0 else EARLIEST
        return _limit_time(self._shown + timedelta(seconds=passed))

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

    def mark_moment(self) -> None:
        """Let ``rewind`` return to what it shows now; one that follows the machine stays so."""
        if self.mode == "offset":
            self.run(self.now(), self.speed)

    def rewind(self) -> None:
        if self.mode == "offset":
            self.run(self._shown, self.speed)

    def describe_state(self) -> dict[str, object]:
        return {"mode": self.mode, "now": self.now().isoformat(), "speed": self.speed}

    def shows_as(self, other: "Clock") -> bool:
        """Whether both show the same at any moment."""
        if self.mode == other.mode == "real":
            return True
        own, others = self.dump_state(), other.dump_state()
        return own == others or (
            self.mode == other.mode == "frozen" and self._shown == other._shown
        )

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
        seconds = unix_time()
        if not _EARLIEST_UNIX <= seconds <= _LATEST_UNIX:
            return LATEST if seconds > _LATEST_UNIX else EARLIEST
        moment = datetime.fromtimestamp(seconds, UTC).astimezone(self.zone)
        return _limit_time(moment.replace(tzinfo=None))


def _limit_time(wall_time: datetime) -> datetime:
    if EARLIEST <= wall_time <= LATEST:
        return wall_time
    return LATEST if wall_time > LATEST else EARLIEST
