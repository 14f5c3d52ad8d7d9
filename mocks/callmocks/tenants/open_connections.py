"""The websockets of a tenant that this process serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from callmocks.contract.connections import Connection, EndMethod


END_REASON = "ended by the admin API"


class OpenConnection(Protocol):
    @property
    def id(self) -> str: ...

    def describe_connection(self) -> Connection: ...

    def end_connection(self, how: EndMethod, reason: str) -> None:
        """Begin to end it; whoever serves it notices."""


class OpenConnections:
    """Oldest first."""

    def __init__(self) -> None:
        self._open: dict[str, OpenConnection] = {}
        self._closed = False

    def __iter__(self) -> Iterator[OpenConnection]:
        return iter(tuple(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: OpenConnection) -> None:
        self._open[connection.id] = connection
        if self._closed:
            self.close()

    def remove(self, connection: OpenConnection) -> None:
        """Nothing happens when it was removed already."""
        self._open.pop(connection.id, None)

    def list_connections(self) -> list[Connection]:
        return [connection.describe_connection() for connection in self]

    def end_connections(
        self, how: EndMethod, reason: str, id: str | None = None
    ) -> list[Connection]:
        """End all, or that of one id; how they were before."""
        ended = [each for each in self if id in (None, each.id)]
        found = [connection.describe_connection() for connection in ended]
        for connection in ended:
            self.remove(connection)
            connection.end_connection(how, reason)
        return found

    def close(self) -> None:
        """The tenant is deleted: end all, and those that are still being opened."""
        self._closed = True
        self.end_connections("close", "the tenant was deleted")
