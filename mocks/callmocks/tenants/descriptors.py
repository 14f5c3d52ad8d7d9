"""File descriptors: whether some are left, and spare ones."""

import errno
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from callmocks.errors import OutOfDescriptors
from callmocks.history.clock import read_stopwatch

_log = logging.getLogger(__name__)
_OUT_OF_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE)
# That one library opens at the same time: Polars for its first query, libxml2 two for a file.
_MOST_AT_ONCE: Final = 4
_SPARE: Final = 8
_WARN_INTERVAL: Final = 60.0


def fds_available(count: int = _MOST_AT_ONCE) -> bool:
    opened: list[int] = []
    try:
        while len(opened) < count:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno not in _OUT_OF_DESCRIPTORS
    finally:
        for each in opened:
            os.close(each)
    return True


def is_out_of_descriptors(error: Exception) -> bool:
    """Whether descriptors were missing: the errors of some libraries do not tell."""
    if isinstance(error, OutOfDescriptors) or getattr(error, "errno", 0) in _OUT_OF_DESCRIPTORS:
        return True
    return not fds_available()


class SpareDescriptors:
    """Of the process: kept open while it serves, and lent to what must go on when none is left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # servers of one process may have a thread each
        self._users = 0
        self._kept: list[int] = []
        self._last_warning = -_WARN_INTERVAL

    def warn_none_left(self) -> None:
        now = read_stopwatch()
        if now - self._last_warning >= _WARN_INTERVAL:
            self._last_warning = now
            _log.warning("callmocks: warning: %s", OutOfDescriptors())

    def acquire(self) -> None:
        with self._lock:
            self._users += 1
            self._fill()

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._close()

    @contextmanager
    def lend(self) -> Iterator[None]:
        with self._lock:
            self._close()
        try:
            yield
        finally:
            with self._lock:
                self._fill()

    def _fill(self) -> None:
        with suppress(OSError):
            while self._users and len(self._kept) < _SPARE:
                self._kept.append(os.open(os.devnull, os.O_RDONLY))

    def _close(self) -> None:
        kept, self._kept = self._kept, []
        for each in kept:
            os.close(each)


SPARE_DESCRIPTORS: Final = SpareDescriptors()
