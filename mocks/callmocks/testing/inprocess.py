from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import quote

from callmocks.contract.urls import format_origin
from callmocks.errors import SettingsError
from callmocks.provider.listeners import LOOPBACK_OF_WILDCARD
from callmocks.testing.mocks import Mocks
from callmocks.testing.operations import TimeInput

if TYPE_CHECKING:
    from callmocks.server.mock_server import MockServer

_PORTS = ("arm_port", "cdr_port", "onec_port", "control_port")
_CLI_ONLY = ("json", "log", "config", "workers")


@contextmanager
def running(
    *,
    seed: int = 42,
    now: TimeInput = "real",
    world: str = "default",
    calls_per_day: int | None = None,
    limits: str = "off",
    **settings: object,
) -> Iterator[Mocks]:
    """A suite in this process, on free ports, until the block ends.

    The settings are those of ``callmocks serve`` with underscores (``timezone``, ``only``,
    ``tls``, …) and shape the tenant ``demo``; environment variables are ignored. It answers from a
    thread of its own, so the client may block or be asynchronous. ``SettingsError`` says which
    setting cannot be used.
    """
    server = _start_server(
        seed=seed, now=now, world=world, calls_per_day=calls_per_day, limits=limits, **settings
    )
    try:
        yield _make_handles(server)
    finally:
        server.stop()


@asynccontextmanager
async def arunning(
    *,
    seed: int = 42,
    now: TimeInput = "real",
    world: str = "default",
    calls_per_day: int | None = None,
    limits: str = "off",
    **settings: object,
) -> AsyncIterator[Mocks]:
    """``running`` for ``async with``: the loop goes on while the suite starts and stops.

    The methods of ``Mocks`` are plain calls here too, of a few milliseconds each.
    """
    suite = running(
        seed=seed, now=now, world=world, calls_per_day=calls_per_day, limits=limits, **settings
    )
    starting = asyncio.ensure_future(asyncio.to_thread(suite.__enter__))
    try:
        yield await asyncio.shield(starting)
    finally:
        await asyncio.wait((starting,))  # a start that was cancelled has to be undone too
        if starting.exception() is None:
            await asyncio.to_thread(suite.__exit__, None, None, None)


class BackgroundServer:
    """A server on a thread of its own, with an event loop of its own."""

    def __init__(self, mock_server: MockServer) -> None:
        self.mock_server = mock_server
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


def _start_server(**settings: object) -> BackgroundServer:
    from callmocks.config.options import SETTINGS, format_flag_value, resolve_settings
    from callmocks.server.mock_server import MockServer

    for name in settings:
        if name not in SETTINGS or name in _CLI_ONLY:
            known = ", ".join(name for name in SETTINGS if name not in _CLI_ONLY)
            raise TypeError(f"running() has no setting {name!r}; there are {known}")
    texts = dict.fromkeys(_PORTS, "0")
    texts |= {key: format_flag_value(v) for key, v in settings.items() if v is not None}
    try:
        server = BackgroundServer(MockServer(resolve_settings(texts)))
        server.start()
    except SettingsError as error:
        text = re.sub(r"^--([a-z-]+)", lambda flag: flag[1].replace("-", "_"), str(error))
        raise SettingsError(text) from None
    return server


def _make_handles(server: BackgroundServer) -> Mocks:
    """Handles that use the bound address, not the public one."""
    settings, suite = server.mock_server.settings, server.mock_server
    host = LOOPBACK_OF_WILDCARD.get(settings.host, settings.host)
    origin = format_origin(settings.scheme, host, suite.get_port("control"))
    if settings.admin_token:
        origin = origin.replace("://", f"://callmocks:{quote(settings.admin_token, safe='')}@", 1)
    return Mocks(origin, suite.ca_pem)
