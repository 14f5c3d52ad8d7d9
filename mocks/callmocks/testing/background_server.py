from __future__ import annotations

import asyncio
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING

from callmocks.server.mock_server import MockServer

if TYPE_CHECKING:
    from callmocks.config.settings import ServeSettings


class BackgroundServer:
    """A server on a thread of its own, with an event loop of its own."""

    def __init__(self, settings: ServeSettings) -> None:
        self.mock_server = MockServer(settings)
        self._thread = Thread(target=self._run_loop, name="callmocks", daemon=True)
        self._ready: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop
        self._stopped: asyncio.Event

    def start(self) -> None:
        self._thread.start()
        self._ready.result()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def _run_loop(self) -> None:
        try:
            # Not by the event loop policy: that is the caller's.
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._serve_until_stopped())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _serve_until_stopped(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        async with self.mock_server:
            self._ready.set_result(None)
            await self._stopped.wait()
