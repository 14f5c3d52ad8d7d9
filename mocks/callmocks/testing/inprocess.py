from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import AsyncContextDecorator, ContextDecorator
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import quote

from callmocks.contract.urls import format_origin
from callmocks.errors import CallmocksError, SettingsError
from callmocks.provider.listeners import LOOPBACK_OF_WILDCARD
from callmocks.testing.mocks import Mocks
from callmocks.testing.operations import TimeInput
from callmocks.testing.unmet_faults import warn_of_unmet_faults

if TYPE_CHECKING:
    from callmocks.server.mock_server import MockServer

_PORTS = ("arm_port", "cdr_port", "onec_port", "control_port")
_CLI_ONLY = ("json", "log", "config", "workers")
_START_SECONDS = 60
_STOP_SECONDS = 30


def running(
    *,
    seed: int = 42,
    now: TimeInput = "real",
    world: str = "default",
    calls_per_day: int | None = None,
    limits: str = "off",
    **settings: object,
) -> InProcessSuite:
    """A suite in this process, on free ports, for ``with`` or to ``start`` and ``stop``.

    The settings are those of ``callmocks serve`` with underscores (``timezone``, ``only``,
    ``tls``, …) and shape the tenant ``demo``; environment variables are ignored. It answers from a
    thread of its own, so the client may block or be asynchronous. ``SettingsError`` says which
    setting cannot be used.
    """
    sizes = {"world": world, "calls_per_day": calls_per_day, "limits": limits}
    return InProcessSuite({"seed": seed, "now": now, **sizes, **settings})


def arunning(
    *,
    seed: int = 42,
    now: TimeInput = "real",
    world: str = "default",
    calls_per_day: int | None = None,
    limits: str = "off",
    **settings: object,
) -> AsyncInProcessSuite:
    """``running`` for ``async with``: the loop goes on while the suite starts and stops.

    The methods of ``Mocks`` are plain calls here too, of a few milliseconds each.
    """
    sizes = {"world": world, "calls_per_day": calls_per_day, "limits": limits}
    return AsyncInProcessSuite({"seed": seed, "now": now, **sizes, **settings})


class InProcessSuite(ContextDecorator):
    """It runs from ``start`` to ``stop`` or the end of the process, whether or not this is kept."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._settings = settings
        self._server: BackgroundServer | None = None
        self._mocks: Mocks | None = None

    def start(self) -> Mocks:
        if self._server is not None:
            raise CallmocksError("this suite has been started already")
        self._server = _start_server(**self._settings)
        self._mocks = _make_handles(self._server)
        return self._mocks

    def stop(self) -> None:
        """Nothing happens when it does not run, or was started before this process was forked.

        An ``UnmetFaultWarning`` tells of each fault that was to be applied so many ``times``, and
        was not.
        """
        self.close(warn=True)

    def close(self, *, warn: bool) -> None:
        server, self._server = self._server, None
        if server is None or self._mocks is None:
            return
        control = self._mocks.control
        try:
            if warn and server.is_own:
                for tenant in sorted(control.tenants_with_counted_faults):
                    warn_of_unmet_faults(control, tenant, stacklevel=3)
        finally:
            control.close()
            server.stop()

    def __enter__(self) -> Mocks:
        return self.start()

    def __exit__(self, error: object, *_: object) -> None:
        self.close(warn=error is None)

    def _recreate_cm(self) -> InProcessSuite:  # each call of a decorated function has a suite
        return InProcessSuite(self._settings)


class AsyncInProcessSuite(AsyncContextDecorator):
    def __init__(self, settings: Mapping[str, object]) -> None:
        self._suite = InProcessSuite(settings)

    async def start(self) -> Mocks:
        starting = asyncio.ensure_future(asyncio.to_thread(self._suite.start))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait((starting,))  # it has to be undone
            if starting.exception() is None:
                await self.stop()
            raise

    async def stop(self) -> None:
        await asyncio.to_thread(self._suite.stop)

    async def __aenter__(self) -> Mocks:
        return await self.start()

    async def __aexit__(self, error: object, *_: object) -> None:
        await asyncio.to_thread(self._suite.close, warn=error is None)

    def _recreate_cm(self) -> AsyncInProcessSuite:
        return AsyncInProcessSuite(self._suite._settings)


def _open_loop() -> asyncio.AbstractEventLoop:
    from callmocks.history.clock import read_stopwatch

    loop = asyncio.SelectorEventLoop()
    # Its timers go on when a test stops the clocks of Python.
    loop.time = read_stopwatch  # type: ignore[method-assign]
    return loop


class BackgroundServer:
    """A server on a thread of its own, with an event loop of its own."""

    def __init__(self, mock_server: MockServer) -> None:
        self.mock_server = mock_server
        self._thread = Thread(target=self._run_loop, name="callmocks", daemon=True)
        self._ready: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop
        self._stopped: asyncio.Event
        self._process_id = os.getpid()

    def start(self) -> None:
        self._thread.start()
        try:
            self._ready.result(_START_SECONDS)
        except FutureTimeoutError:
            text = f"the suite did not start within {_START_SECONDS} s"
            raise CallmocksError(
                f"{text}; was this process forked from one with threads?"
            ) from None

    @property
    def is_own(self) -> bool:
        """Whether this process started it, and not the one that this was forked from."""
        return os.getpid() == self._process_id

    def stop(self) -> None:
        if not self.is_own:
            return  # the thread, and the clients, are those of the parent process
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive():
            raise CallmocksError(f"the suite did not stop within {_STOP_SECONDS} s")

    def _run_loop(self) -> None:
        try:
            # Not by the event loop policy: that is the caller's.
            with asyncio.Runner(loop_factory=_open_loop) as runner:
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
    from callmocks.config.options import SETTINGS, format_flag_values, resolve_settings
    from callmocks.server.mock_server import MockServer

    for name in settings:
        if name not in SETTINGS or name in _CLI_ONLY:
            known = ", ".join(name for name in SETTINGS if name not in _CLI_ONLY)
            raise TypeError(f"running() has no setting {name!r}; there are {known}")
    given = {name: value for name, value in settings.items() if value is not None}
    texts = {name: ["0"] for name in _PORTS}
    texts |= {name: format_flag_values(SETTINGS[name], value) for name, value in given.items()}
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
    host = LOOPBACK_OF_WILDCARD.get(settings.hosts[0], settings.hosts[0])
    origin = format_origin(settings.scheme, host, suite.get_port("control"))
    if settings.admin_token:
        origin = origin.replace("://", f"://callmocks:{quote(settings.admin_token, safe='')}@", 1)
    return Mocks(origin, suite.ca_pem)
