"""Memory for large answers, from the making of their bytes until these have left."""

from threading import Lock
from typing import Final

from callmocks.errors import SendLimitReached

# An answer of no more bytes is not counted.
LARGE_ANSWER_BYTES: Final = 1024 * 1024


class SendBudget:
    """Bytes of all large answers that a process makes and sends; without a limit none is refused.

    One alone may have any size: otherwise it could never be had.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._used = 0
        self._lock = Lock()  # an answer may grow in another thread

    @property
    def bytes_used(self) -> int:
        return self._used

    def resize(self, reserved: int, size: int) -> int:
        """Count an answer as ``size`` bytes instead of ``reserved`` ones, and return ``size``."""
        with self._lock:
            others, grows = self._used - reserved, size > reserved
            if self._limit is not None and others and grows and others + size > self._limit:
                text = f"the answers that are being sent have {self._limit} bytes together already"
                raise SendLimitReached(text)
            self._used = others + size
        return size


UNLIMITED: Final = SendBudget()
