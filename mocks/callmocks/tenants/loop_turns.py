"""Turns of the event loop for long pieces of work: of all tasks together, some milliseconds of it.

::

    one turn of the loop
    ┌─ callbacks of others ─┬─ piece ─┬─ piece ─┬─ the time is over: the rest waits ─┐
    └───────────────────────┴─────────┴─────────┴────────────────────────────────────┘

``asyncio.sleep(0)`` lets others run, but two hundred tasks that all do it have two hundred pieces
in every turn, and a request that needs a few turns waits for a thousand pieces.
"""

import asyncio
import threading
from collections import deque
from typing import Final

from callmocks.history.clock import read_stopwatch

# Of pieces in one turn of the loop, after which no other is begun.
PIECE_SECONDS: Final = 0.004
# Of a piece while other tasks wait for their turn: many may begin in one.
SHARED_PIECE_SECONDS: Final = PIECE_SECONDS / 16
# Tasks that are woken for one turn: most pieces are short.
_MAX_WOKEN: Final = 16

_local = threading.local()


class LoopTurns:
    """First come, first served. Nothing is held: who was woken has no duty to the others."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_serving = False
        self._deferred = 0  # tasks that were woken in this turn when its time was over
        self._ends_at: float | None = None  # None until the turn's first piece begins

    @property
    def is_contended(self) -> bool:
        return bool(self._waiting)

    async def wait(self) -> None:
        turn = self.loop.create_future()
        self._waiting.append(turn)
        if not self._is_serving:
            self._is_serving = True
            self.loop.call_soon(self._wake_next)
        while True:
            await turn
            now = read_stopwatch()
            if self._ends_at is None:
                self._ends_at = now + PIECE_SECONDS
                return
            if now < self._ends_at:
                return
            turn = self.loop.create_future()
            self._waiting.insert(self._deferred, turn)  # before those that came later
            self._deferred += 1

    def _wake_next(self) -> None:
        self._ends_at, self._deferred, woken = None, 0, 0
        while self._waiting and woken < _MAX_WOKEN:
            turn = self._waiting.popleft()
            if not turn.done():  # else its task was cancelled
                turn.set_result(None)
                woken += 1
        # It runs behind the tasks that it woke, also once more when these were the last.
        self._is_serving = bool(woken)
        if woken:
            self.loop.call_soon(self._wake_next)


def is_piece_over(seconds: float) -> bool:
    """Whether a piece that took so long should let others run."""
    if seconds <= SHARED_PIECE_SECONDS:
        return False
    turns: LoopTurns | None = getattr(_local, "turns", None)
    return seconds > PIECE_SECONDS or (turns is not None and turns.is_contended)


async def wait_for_turn() -> None:
    """Wait until the running loop has time for a long piece of work, one turn of it at least."""
    loop = asyncio.get_running_loop()
    turns: LoopTurns | None = getattr(_local, "turns", None)
    if turns is None or turns.loop is not loop:
        turns = _local.turns = LoopTurns(loop)
    await turns.wait()
