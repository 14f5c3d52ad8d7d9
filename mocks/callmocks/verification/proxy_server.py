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
from callmocks.history.generator import make_random_key
from callmocks.server.providers import PROVIDERS
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from callmocks.verification.exchange_processor import ExchangeProcessor, preload_validators
from callmocks.verification.masking import MessageMasker
from callmocks.verification.proxy import Proxy
from callmocks.verification.recording import FORMAT, Recorder, RecordingHeader

PROXY_TENANT = "proxy"
"""Whose journal holds what went by: ``/api/tenants/proxy/journal``."""
STOP_SECONDS = 0.5


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


class ProxyServer:
    """A proxy that serves inside ``async with``; ``SettingsError`` when it cannot."""

    def __init__(self, settings: ProxySettings, on_event: Callable[[str], None]) -> None:
        self.settings = settings
        self.url = ""
        """Where clients find it: the path is the provider's."""
        self.control_url = ""
        """Where its journal is; empty without a control port."""
        self._on_event = on_event
        self._runners: list[web.AppRunner] = []
        self._sockets: list[socket.socket] = []

    async def __aenter__(self) -> ProxyServer:
        settings = self.settings
        try:
            listener = self._open_socket(settings.port, "--port")
            control = None
            if settings.control_port is not None:
                control = self._open_socket(settings.control_port, "--control-port")
            preload_validators(settings.provider, settings.contract)
            registry = Registry(HistoryFactory(), PROVIDERS)
            tenant = registry.create(TenantSettings(PROXY_TENANT, world="empty"))
            recorder = None
            if settings.record is not None:
                at = tenant.clock.now().isoformat(timespec="milliseconds")
                header = RecordingHeader(FORMAT, settings.provider, settings.upstream, at)
                recorder = Recorder(settings.record, header, self._on_event)
            self.processor = ExchangeProcessor(
                tenant,
                MessageMasker(make_random_key()),
                settings.contract,
                recorder,
                self._on_event,
            )
            proxy = Proxy(settings.provider, settings.upstream, self.processor, settings.tls)
            self.url = self._format_url(listener) + proxy.path
            await self._start_app(proxy.app, listener)
            if control is not None:
                from callmocks.verification.proxy_control import make_app

                self.control_url = self._format_url(control)
                await self._start_app(make_app(registry), control)
        except BaseException:
            await self._stop_servers()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop_servers()

    async def _stop_servers(self) -> None:
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        for listener in self._sockets:
            listener.close()

    async def _start_app(self, app: web.Application, listener: socket.socket) -> None:
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=STOP_SECONDS, auto_decompress=False
        )
        self._runners.append(runner)
        await runner.setup()
        await web.SockSite(runner, listener).start()

    def _open_socket(self, port: int, flag: str) -> socket.socket:
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

    def _format_url(self, listener: socket.socket) -> str:
        host = self.settings.host
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{listener.getsockname()[1]}"
