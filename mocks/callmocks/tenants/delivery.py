"""How the bytes of an answer leave, and how they left."""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

# Instead of a proper end: TCP reset, plain close, or no answer until the client disconnects.
Termination = Literal["", "reset", "close", "never"]

# How an exchange ended; empty: unknown. `cut` is the beginning of an answer; `reset` and `closed`
# name the end of the connection, `unanswered` a client that gave up, `client left` one that did so
# before the whole answer was taken.
Ending = Literal["", "sending", "answered", "cut", "reset", "closed", "unanswered", "client left"]

FrameTransform = Callable[[list[bytes]], list[bytes]]


class Delivery(msgspec.Struct):
    """Seconds and bytes; 0 is off."""

    delay: float = 0.0
    chunk_bytes: int = 0
    pause: float = 0.0  # between two chunks
    truncate_at: int | None = None  # bytes that are sent of those that were announced
    termination: Termination = ""
    reorder_timeout: float = 0.0  # websocket: longest wait for the next answer, to be sent first
    pieces: int = 1  # websocket: messages that the transforms make of one
    frame_transforms: list[FrameTransform] = []
    copies: int = 1  # websocket

    def count_pauses(self, size: int) -> int:
        """Of a body of so many bytes."""
        sent = size if self.truncate_at is None else min(size, self.truncate_at)
        return (sent - 1) // self.chunk_bytes if self.pause and sent else 0

    @property
    def regular_ending(self) -> Ending:
        """When the client stays to the end."""
        if self.termination == "reset":
            return "reset"
        if self.termination == "close":
            return "closed"
        return (
            "unanswered"
            if self.termination
            else "cut"
            if self.truncate_at is not None
            else "answered"
        )


class Transmission(msgspec.Struct, gc=False):
    """What became of an answer. Written after the journal's entry, which refers to it."""

    headers: Mapping[str, str] | None = None  # as sent; None: those of the reply
    delay: float = 0.0  # seconds that faults add
    ended: Ending = "answered"
