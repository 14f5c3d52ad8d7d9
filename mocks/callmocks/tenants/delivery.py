"""How an answer's bytes leave, when a fault wants them to leave other than whole and at once.

Faults write their wishes here; the two places that put bytes on a wire, ``web.send`` and the
workplace's websocket, carry them out. A delivery nobody wished anything of is never made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Termination = Literal["", "reset", "close", "never"]
"""What happens instead of a proper end: TCP reset, plain close, or silence."""

FrameTransform = Callable[[list[bytes]], list[bytes]]


@dataclass(slots=True)
class Delivery:
    """Wishes for one answer. Seconds and bytes; zero means: not at all."""

    delay: float = 0.0
    chunk_bytes: int = 0
    """Send this many bytes at a time …"""
    pause: float = 0.0
    """… and wait so long between two of them."""
    truncate_at: int | None = None
    """Send only so many bytes of those that were announced."""
    termination: Termination = ""
    reorder_timeout: float = 0.0
    """Websocket: let the next answer go first, but wait no longer than this."""
    frame_transforms: list[FrameTransform] = field(default_factory=list)
    """Websocket: each turns the messages to send into others."""
