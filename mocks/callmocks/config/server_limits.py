"""Limits of sizes, nesting, connections and times, for all servers."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Sizes in bytes, times in seconds; a timeout of 0 is none."""

    # After decompression. A provider's own limit may be lower.
    body: int = 64 * 1024 * 1024
    # Of a websocket message, and of a document posted to the ARM.
    message: int = 256 * 1024
    # Of the request line, and of one header line.
    header: int = 8190
    header_lines: int = 128
    # Levels of JSON or XML. A provider's own limit may be lower.
    nesting: int = 250
    # Of all providers together.
    connections: int = 800
    # Of control, which answers while clients of providers have all of theirs.
    control_connections: int = 100
    # Requests of one server; websockets do not count.
    in_flight: int = 500
    # Of all answers above 1 MiB together, while they are made and sent.
    sending: int = 1024 * 1024 * 1024
    # From the first byte of a request, or from the connection, to the end of its header.
    header_timeout: float = 20.0
    body_timeout: float = 60.0


DEFAULT_LIMITS: Final = ServerLimits()
