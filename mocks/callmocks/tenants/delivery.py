"""How the bytes of an answer leave when a fault changes that."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

# Instead of a proper end: TCP reset, plain close, or no answer until the client disconnects.
Termination = Literal["", "reset", "close", "never"]

FrameTransform = Callable[[list[bytes]], list[bytes]]


@dataclass(slots=True)
class Delivery:
    """Seconds and bytes; 0 is off."""

    delay: float = 0.0
    chunk_bytes: int = 0
    pause: float = 0.0  # between two chunks
    truncate_at: int | None = None  # bytes that are sent of those that were announced
    termination: Termination = ""
    reorder_timeout: float = 0.0  # websocket: longest wait for the next answer, to be sent first
    frame_transforms: list[FrameTransform] = field(default_factory=list)
