"""A stream of lines that never blocks its writer, whoever reads them or not.

::

    event loop ── write ── queue ── thread ── descriptor
"""

import io
import json
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

MAX_LINES: Final = 10_000
MAX_BYTES: Final = 16 * 1024 * 1024
# For the last lines to be read when the process ends.
_CLOSE_SECONDS: Final = 0.5


def describe_dropped_lines(count: int) -> str:
    return f"callmocks: {count} lines of the log were dropped: nothing read them"


def describe_dropped_lines_as_json(count: int) -> str:
    return json.dumps({"event": "log lines dropped", "lines": count, "level": "warning"})


class LogWriter(io.TextIOBase):
    """For a descriptor that may be a pipe nobody reads: then lines are dropped and counted.

    At most ``MAX_LINES`` wait. One line says how many were dropped when the pipe drains.
    """

    def __init__(
        self, descriptor: int, describe_drops: Callable[[int], str] = describe_dropped_lines
    ) -> None:
        super().__init__()
        self.dropped = 0
        self._descriptor = descriptor
        self._describe_drops = describe_drops
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._unfinished = ""
        self._unreported = 0
        self._ended = False
        self._changed = threading.Condition()
        # A daemon: while nobody reads, it does not come back from its system call.
        self._thread = threading.Thread(target=self._write_lines, name="callmocks log", daemon=True)
        self._thread.start()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with self._changed:
            *lines, self._unfinished = (self._unfinished + text).split("\n")
            for line in lines:
                self._add_line(line.encode(errors="backslashreplace") + b"\n")
            self._changed.notify()
        return len(text)

    def close(self) -> None:
        """Waits a moment for the lines that are left, and gives them up then."""
        if self.closed:
            return
        super().close()
        with self._changed:
            if self._unfinished:
                self._add_line(self._unfinished.encode(errors="backslashreplace"))
            self._ended = True
            self._changed.notify()
        self._thread.join(_CLOSE_SECONDS)

    def _add_line(self, line: bytes) -> None:
        if len(self._lines) >= MAX_LINES or self._bytes + len(line) > MAX_BYTES:
            self.dropped += 1
            self._unreported += 1
            return
        self._lines.append(line)
        self._bytes += len(line)

    def _write_lines(self) -> None:
        while (line := self._take_line()) is not None:
            if not self._write_line(line):
                with self._changed:
                    self.dropped += 1

    def _take_line(self) -> bytes | None:
        with self._changed:
            while not self._lines and not self._unreported and not self._ended:
                self._changed.wait()
            if self._lines:
                line = self._lines.popleft()
                self._bytes -= len(line)
                return line
            if self._unreported:
                count, self._unreported = self._unreported, 0
                return self._describe_drops(count).encode() + b"\n"
            return None

    def _write_line(self, line: bytes) -> bool:
        view = memoryview(line)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:  # another process made the pipe a non-blocking one
                select.select([], [self._descriptor], [])
            except OSError:  # its reader has closed it
                return False
        return True
