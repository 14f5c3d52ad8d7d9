"""Limits of sizes, nesting, connections and times, for all servers.

``server.connections`` enforces those of connections, ``provider.bodies`` those of a body, and the
providers, with ``contract.nesting``, those of a document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Sizes in bytes, times in seconds; a timeout of 0 is none."""

    body: int = 64 * 1024 * 1024
    """After decompression. A provider's own limit may be lower."""
    message: int = 256 * 1024
    """Of a websocket message, and of a document posted to the ARM."""
    header: int = 8190
    """Of the request line, and of one header line."""
    header_lines: int = 128
    nesting: int = 250
    """Levels of JSON or XML. A provider's own limit may be lower."""
    connections: int = 800
    """Of all servers together."""
    in_flight: int = 500
    """Requests of one server; websockets do not count."""
    header_timeout: float = 20.0
    """From the first byte of a request, or from the connection, to the end of its header."""
    body_timeout: float = 60.0


DEFAULT_LIMITS: Final = ServerLimits()
