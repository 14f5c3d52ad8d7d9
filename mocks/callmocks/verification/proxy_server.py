"""A running proxy: its sockets, its recording and its journal."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from callmocks.contract.urls import format_origin
from callmocks.control.log_writer import LogWriter
from callmocks.history.factory import HistoryFactory
from callmocks.history.generator import make_random_key
from callmocks.provider.base import Provider
from callmocks.provider.listeners import Listener, close_listener, open_listener, port_of
from callmocks.server.providers import PROVIDERS
from callmocks.tenants.detached import detached_exchange
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from callmocks.verification.exchange_processor import ExchangeProcessor
from callmocks.verification.mask_message import MessageMasker, UnknownPolicy
from callmocks.verification.proxy import Proxy
from callmocks.verification.recording import FORMAT, Recorder, RecordingHeader
from callmocks.verification.tunnels import ForwardHost, Tunnels

# aiohttp's own log quotes what cannot be read as HTTP.
_silent_log = logging.getLogger(f"{__name__}.silent")
_silent_log.addHandler(logging.NullHandler())
_silent_log.propagate = False
PROXY_TENANT = "proxy"  # the tenant whose journal has the exchanges: `/api/tenants/proxy/journal`
STOP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """Port 0 takes a free port."""

    provider: Provider
    upstream: str
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int | None = None  # the journal is not served without it
    record: Path | None = None
    record_unknown: UnknownPolicy = "hash"
    contract: str = "documented"
    tls: ssl.SSLContext | bool = True
    listen_tls: ssl.SSLContext | None = None  # clients connect by https
    forward: tuple[ForwardHost, ...] = ()
    tunnel_tls: ssl.SSLContext | None = None  # inside of connections to the hosts of `forward`


class ProxyServer:
    """Serves inside ``async with``; ``SettingsError`` when it cannot."""

    def __init__(
        self,
        settings: ProxySettings,
        on_event: Callable[[str], None],
        log_writer: LogWriter | None = None,
    ) -> None:
        self.settings = settings
        self._log_writer = log_writer
        self.url = ""  # for clients, with the path of the provider
        self.control_url = ""  # empty without a control port
        self._hosts = settings.host.split(",")
        self._on_event = on_event
        self._runners: list[web.AppRunner] = []
        self._listeners: list[Listener] = []

    async def __aenter__(self) -> ProxyServer:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def _start(self) -> None:
        settings, provider = self.settings, self.settings.provider
        listener = self._open_listener(settings.port, "--port")
        control = None
        if settings.control_port is not None:
            control = self._open_listener(settings.control_port, "--control-port")
        detached_exchange(provider)  # loads the history, so that the first exchange need not wait
        provider.preload_validator(settings.contract)
        registry = Registry(HistoryFactory(), PROVIDERS)
        tenant = registry.create(TenantSettings(PROXY_TENANT, world="empty"))
        recorder = None
        if settings.record is not None:
            at = tenant.clock.now().isoformat(timespec="milliseconds")
            header = RecordingHeader(FORMAT, provider.name, settings.upstream, at)
            recorder = Recorder(settings.record, header, self._on_event)
        masker = MessageMasker(make_random_key(), provider, settings.record_unknown)
        self.processor = ExchangeProcessor(
            provider,
            settings.upstream,
            tenant,
            masker,
            settings.contract,
            recorder,
            self._on_event,
        )
        tunnels = None
        if settings.tunnel_tls is not None:
            tunnels = Tunnels(settings.forward, settings.tunnel_tls)
        proxy = Proxy(settings.upstream, self.processor, settings.tls, tunnels)
        scheme = "http" if settings.listen_tls is None else "https"
        self.url = format_origin(scheme, self._hosts[0], port_of(listener)) + proxy.path
        runner = await self._start_app(proxy.create_app(), listener, settings.listen_tls)
        if tunnels is not None:
            tunnels.server = runner.server
        if control is not None:
            from callmocks.verification.proxy_control import make_app

            self.control_url = format_origin("http", self._hosts[0], port_of(control))
            await self._start_app(make_app(registry, self._log_writer), control)

    async def _stop(self) -> None:
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        for listener in self._listeners:
            close_listener(listener)

    async def _start_app(
        self,
        app: web.Application,
        listener: Listener,
        tls: ssl.SSLContext | None = None,
    ) -> web.AppRunner:
        runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=STOP_SECONDS,
            auto_decompress=False,
            logger=_silent_log,
            handler_cancellation=True,  # a client that goes away ends its request
        )
        self._runners.append(runner)
        await runner.setup()
        for each in listener:
            await web.SockSite(runner, each, ssl_context=tls).start()
        return runner

    def _open_listener(self, port: int, flag: str) -> Listener:
        self._listeners.append(open_listener(self._hosts, port, flag))
        return self._listeners[-1]
