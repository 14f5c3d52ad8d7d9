from __future__ import annotations

import os
import selectors
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from http.client import HTTPConnection

_MAX_KEPT = 4
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


class KeptConnections:
    """Connections between two requests; any thread may take one."""

    def __init__(self) -> None:
        self._kept: list[HTTPConnection] = []
        self._process_id = os.getpid()

    def take(self) -> HTTPConnection | None:
        """One that the server has not closed."""
        if os.getpid() != self._process_id:  # after a fork they are still the parent's
            self.close()
            self._process_id = os.getpid()
        while (connection := self._pop()) is not None:
            if not _has_input(connection):
                return connection
            connection.close()
        return None

    def put(self, connection: HTTPConnection) -> None:
        """After its answer was read."""
        if len(self._kept) < _MAX_KEPT and connection.sock is not None:
            self._kept.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        while (connection := self._pop()) is not None:
            connection.close()

    def _pop(self) -> HTTPConnection | None:
        try:
            return self._kept.pop()
        except IndexError:
            return None


def _has_input(connection: HTTPConnection) -> bool:
    # No answer is due: what can be read is the end of the connection.
    with _Selector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(0))
