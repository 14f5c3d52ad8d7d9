"""What a suite takes from its clients at most: sizes, depths, numbers and patience.

One table of bounds for all servers. ``gate.py`` keeps those that hold for connections, ``web.py``
those of a body, and the providers, with ``depth.py``, those of a document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Bounds of a running suite. A timeout of 0 seconds is none."""

    body: int = 64 * 1024 * 1024
    """Bytes of a request's body, after decompression. A provider's own bound may be lower."""
    message: int = 256 * 1024
    """Bytes of a websocket message, and of a document posted to the workplace."""
    header: int = 8190
    """Bytes of the request line, and of one header line."""
    header_lines: int = 128
    nesting: int = 250
    """Levels of JSON or XML inside one another. A provider's own bound may be lower."""
    connections: int = 800
    """Open connections of all servers together."""
    in_flight: int = 500
    """Requests being answered by one server at the same time; websockets do not count."""
    header_timeout: float = 20.0
    """Seconds from the first byte of a request, or from the connection, to the end of its head."""
    body_timeout: float = 60.0
    """Seconds for the whole body."""


DEFAULT_LIMITS: Final = ServerLimits()
