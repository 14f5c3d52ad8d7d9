"""A proxy with its sockets, its recording and its journal, for as long as it is wanted."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from aiohttp import web

from callmocks.errors import SettingsError
from callmocks.history.factory import HistoryFactory
from callmocks.history.generator import fresh_key
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from callmocks.verification.exchange_processor import Traffic, prepare
from callmocks.verification.masking import Mask
from callmocks.verification.proxy import Proxy
from callmocks.verification.recording import FORMAT, Header, Recorder

TENANT = "proxy"
"""Whose journal holds what went by: ``/api/tenants/proxy/journal``."""
_STOP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """Settings of one proxy. Port 0 takes a free port; without a control port there is none."""

    provider: str
    upstream: str
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int | None = None
    record: Path | None = None
    contract: str = "documented"
    tls: ssl.SSLContext | bool = True


class Running:
    """A proxy that serves inside ``async with``; ``SettingsError`` when it cannot."""

    def __init__(self, settings: ProxySettings, tell: Callable[[str], None]) -> None:
        self.settings = settings
        self.url = ""
        """Where clients find it: the path is the provider's."""
        self.control = ""
        """Where its journal is; empty without a control port."""
        self._tell = tell
        self._runners: list[web.AppRunner] = []
        self._sockets: list[socket.socket] = []

    async def __aenter__(self) -> Running:
        settings = self.settings
        try:
            listener = self._listen(settings.port, "--port")
            control = None
            if settings.control_port is not None:
                control = self._listen(settings.control_port, "--control-port")
            prepare(settings.provider, settings.contract)
            registry = Registry(HistoryFactory())
            tenant = registry.create(TenantSettings(TENANT, world="empty"))
            recorder = None
            if settings.record is not None:
                at = tenant.clock.now().isoformat(timespec="milliseconds")
                header = Header(FORMAT, settings.provider, settings.upstream, at)
                recorder = Recorder(settings.record, header, self._tell)
            self.traffic = Traffic(
                tenant, Mask(fresh_key()), settings.contract, recorder, self._tell
            )
            proxy = Proxy(settings.provider, settings.upstream, self.traffic, settings.tls)
            self.url = self._url(listener) + proxy.path
            await self._serve(proxy.app, listener)
            if control is not None:
                from callmocks.verification.proxy_control import make_app

                self.control = self._url(control)
                await self._serve(make_app(registry), control)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        for listener in self._sockets:
            listener.close()

    async def _serve(self, app: web.Application, listener: socket.socket) -> None:
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=_STOP_SECONDS, auto_decompress=False
        )
        self._runners.append(runner)
        await runner.setup()
        await web.SockSite(runner, listener).start()

    def _listen(self, port: int, flag: str) -> socket.socket:
        host = self.settings.host
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            family, _, _, _, address = found[0]
            listener = socket.create_server(address, family=family)
        except socket.gaierror as error:
            raise SettingsError(f"--host: {host}: {error.strerror}") from None
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise SettingsError(f"{flag}: {host}:{port}: {reason}") from None
        self._sockets.append(listener)
        return listener

    def _url(self, listener: socket.socket) -> str:
        host = self.settings.host
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{listener.getsockname()[1]}"
