"""Three providers and control over one registry of tenants, on one event loop.

Ports are bound first, before anything slow is imported, so that a busy one is reported at once.
Control is imported when somebody connects to it: an idle server does without it.
Used in tests::

    async with MockServer(ServeSettings(arm_port=0, cdr_port=0, onec_port=0, control_port=0)) as it:
        it.urls["cdr"]
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from callmocks.config.options import SETTINGS
from callmocks.config.settings import ServeSettings
from callmocks.config.types import is_loopback
from callmocks.contract.kept_modules import keep_modules
from callmocks.contract.urls import format_origin
from callmocks.errors import SettingsError
from callmocks.provider.listeners import (
    BACKLOG,
    URL_PATHS,
    Listener,
    close_listener,
    open_listener,
    port_of,
    wait_for_connection,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from aiohttp import web

    from callmocks.control.log_writer import LogWriter
    from callmocks.control.metrics import Metrics
    from callmocks.replication.replica import Replica
    from callmocks.server.connections import ConnectionLimiter
    from callmocks.server.planned_tenants import PlannedTenant
    from callmocks.server.tls import TlsIdentity
    from callmocks.tenants.registry import Registry
    from callmocks.tenants.settings import TenantSettings
    from callmocks.verification.recording import RecordedExchange

DEFAULT_TENANT = "demo"
_log = logging.getLogger(__name__)
_CONTROL_RETRY_SECONDS = 1.0


class MockServer:
    """``listeners`` (by server) and ``identity`` are given where several processes share them."""

    # Set by `start`.
    registry: Registry

    def __init__(
        self,
        settings: ServeSettings,
        listeners: Mapping[str, Listener] | None = None,
        identity: TlsIdentity | None = None,
        log_writer: LogWriter | None = None,
    ) -> None:
        self.settings = settings
        self._log_writer = log_writer
        self._listeners = dict(listeners or {})
        self._runners: list[web.AppRunner] = []
        self._identity = identity
        self._limiter: ConnectionLimiter | None = None
        self._replica: Replica | None = None
        self._control_start: asyncio.Task[None] | None = None
        self._recording: list[RecordedExchange] = []

    @property
    def ca_pem(self) -> bytes | None:
        """With ``tls auto``, while it runs: the certificate that clients have to trust."""
        return self._identity.ca_pem if self._identity else None

    @property
    def urls(self) -> dict[str, str]:
        return {name: self._format_url(name) for name in URL_PATHS if name in self._listeners}

    @property
    def demo_settings(self) -> TenantSettings:
        """Of the tenant ``demo``: those of flags or of a scenario."""
        demo = self.registry.get(DEFAULT_TENANT) if hasattr(self, "registry") else None
        if demo is not None:
            return demo.settings
        return plan_tenants(self.settings)[DEFAULT_TENANT].settings.with_defaults()

    def get_port(self, name: str) -> int:
        return port_of(self._listeners[name])

    async def start(self) -> None:
        """``SettingsError`` when it cannot serve."""
        _refuse_forked_process()
        try:
            self._listeners = self._listeners or open_listeners(self.settings)[0]
            if self.settings.scheme == "https" and self._identity is None:
                from callmocks.server.tls import open_identity

                self._identity = open_identity(self.settings)
            self._read_recording()
            planned = plan_tenants(self.settings)
            self._open_registry()
            self._open_limiter()
            apps = self._make_apps()
            # After the long imports: they block the loop, and Redis would time out.
            await self._create_tenants(planned)
            for name, app in apps.items():
                await self._start_site(name, app)
            await self._plan_control()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        if self._control_start is not None:
            self._control_start.cancel()
            await asyncio.gather(self._control_start, return_exceptions=True)
            self._control_start = None
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        if self._limiter is not None:
            await self._limiter.close()
        if self._replica is not None:
            await self._replica.stop()
            self._replica = None
        for listener in self._listeners.values():
            close_listener(listener)
        self._runners.clear()
        self._listeners.clear()
        self._identity = None

    async def __aenter__(self) -> MockServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _open_registry(self) -> None:
        if self.settings.state == "memory":
            self.registry = create_registry()
            return
        from callmocks.replication.replica import Replica
        from callmocks.server.providers import PROVIDERS

        self._replica = Replica(self.settings.state, PROVIDERS)
        self.registry = self._replica.registry

    async def _create_tenants(self, planned: dict[str, PlannedTenant]) -> None:
        from callmocks.server.planned_tenants import check_planned_tenants, create_tenants
        from callmocks.tenants.tenant_store import TenantStore

        store = TenantStore(self.registry)
        if self._replica is not None:
            if self.settings.scenario:
                await check_planned_tenants(planned.values())
            store, demo = self._replica, planned[DEFAULT_TENANT]
            keep_found = demo.found is not None
            await self._replica.start(
                demo.settings, demo.fill_tenant, demo.calls, keep_found=keep_found
            )
        await create_tenants(store, planned.values())

    def _open_limiter(self) -> None:
        from callmocks.server.connections import ConnectionLimiter
        from callmocks.server.descriptors import fit_connections

        limits = self.settings.server_limits
        fitting = fit_connections(limits)
        if fitting != limits:
            _log.warning(
                "callmocks: warning: this process may open few files (ulimit -n), so that at most "
                "%d of %d connections to providers and %d of %d to control are taken at the same "
                "time",
                fitting.connections,
                limits.connections,
                fitting.control_connections,
                limits.control_connections,
            )
        self._limiter = ConnectionLimiter(fitting)

    def _make_apps(self) -> dict[str, web.Application]:
        from callmocks.server.providers import PROVIDERS

        served = [provider for name, provider in PROVIDERS.items() if name in self._listeners]
        apps = {provider.name: provider.create_app(self.registry) for provider in served}
        if self.settings.replay is not None:
            apps |= self._make_replay_apps(self.settings.replay)
            self._recording = []
        return apps

    async def _plan_control(self) -> None:
        from callmocks.control.metrics import observe_exchanges
        from callmocks.tenants.descriptors import SPARE_DESCRIPTORS, is_out_of_descriptors

        metrics = observe_exchanges(self.registry)
        if self.settings.log == "json":  # of all exchanges
            await self._start_control(metrics)
            return

        async def start_when_connected() -> None:
            await wait_for_connection(self._listeners["control"])
            while True:
                try:
                    return await self._start_control(metrics)
                except Exception as error:
                    if is_out_of_descriptors(error):
                        SPARE_DESCRIPTORS.warn_none_left()
                    else:
                        _log.exception("control does not start; tried again in a second")
                    await asyncio.sleep(_CONTROL_RETRY_SECONDS)

        self._control_start = asyncio.create_task(start_when_connected(), name="callmocks control")

    async def _start_control(self, metrics: Metrics) -> None:
        with keep_modules():
            from callmocks.control.addresses import Addresses
            from callmocks.control.server import make_app
            from callmocks.control.tenants import WORLD_FILES_ALLOWED

        app = make_app(
            self.registry,
            Addresses(**self.urls),
            defaults=self.settings.make_tenant_settings(DEFAULT_TENANT),
            token=self.settings.admin_token,
            hosts=self.settings.host_names(),
            log=sys.stderr if self.settings.log == "json" else None,
            log_writer=self._log_writer,
            store=self._replica,
            metrics=metrics,
        )
        app[WORLD_FILES_ALLOWED] = is_loopback(self.settings.host)
        await self._start_site("control", app)

    def _read_recording(self) -> None:
        path = self.settings.replay
        if path is None:
            return
        from callmocks.verification.recording import read_recording
        from callmocks.verification.replay import find_recording_time

        self._recording = read_recording(path, "--replay")
        if self.settings.replay_now == "recorded":
            now = find_recording_time(self._recording, f"--replay-now: {path}")
            self.settings = replace(self.settings, now=now.isoformat())

    def _make_replay_apps(self, path: Path) -> dict[str, web.Application]:
        from callmocks.verification.replay import make_apps

        apps = make_apps(self.registry, self._recording, self.settings.replay_match)
        served = {name: app for name, app in apps.items() if name in self._listeners}
        if not served:
            names = ", ".join(apps)
            raise SettingsError(f"--replay: {path}: {names} is recorded, which --only leaves out")
        return served

    async def _start_site(self, name: str, app: web.Application) -> None:
        from aiohttp import web

        from callmocks.provider.bodies import SERVER_LIMITS, UPLOAD_BUDGET
        from callmocks.provider.server import PUBLIC_URL, SEND_BUDGET, UNHANDLED
        from callmocks.server.connections import http_log, rerun_when_overtaken
        from callmocks.server.sites import start_sites

        limiter = self._limiter
        assert limiter is not None
        limits = limiter.limits
        if self._replica is not None:
            app.middlewares.insert(0, rerun_when_overtaken)
        app[PUBLIC_URL] = self.settings.find_public_url(name, self.get_port(name))
        app[SERVER_LIMITS] = limits
        app[UPLOAD_BUDGET] = limiter.upload_budget
        app[SEND_BUDGET] = limiter.send_budget
        app[UNHANDLED] = limiter.unhandled
        runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=0.5,
            logger=http_log,
            max_line_size=limits.header,
            max_field_size=limits.header,
            max_headers=limits.header_lines,
        )
        self._runners.append(runner)
        await runner.setup()
        ssl_context = self._identity.ssl_context if self._identity else None
        pool = limiter.control if name == "control" else limiter.providers
        await start_sites(limiter, pool, runner, self._listeners[name], ssl_context)

    def _format_url(self, name: str) -> str:
        settings, port = self.settings, self.get_port(name)
        origin = settings.find_public_url(name, port)
        return (origin or format_origin(settings.scheme, settings.hosts[0], port)) + URL_PATHS[name]


_served_by: set[int] = set()  # the process that started a server, or the one it was forked from


def _refuse_forked_process() -> None:
    # The threads that polars computes with do not survive a fork: it would wait for them for ever.
    _served_by.add(os.getpid())
    if len(_served_by) > 1:
        raise SettingsError(
            "this process was forked from one that had a suite, and cannot have one of its own; "
            "use the suite of the parent process, or start processes by spawn: "
            'multiprocessing.get_context("spawn")'
        )


def create_registry() -> Registry:
    from callmocks.history.factory import HistoryFactory
    from callmocks.server.providers import PROVIDERS
    from callmocks.tenants.registry import Registry

    return Registry(HistoryFactory(), PROVIDERS)


def plan_tenants(settings: ServeSettings) -> dict[str, PlannedTenant]:
    from callmocks.server import planned_tenants

    return planned_tenants.plan_tenants(settings)


def open_registry(settings: ServeSettings) -> Registry:
    """A registry with the tenant ``demo``, the calls of the settings pinned."""
    from callmocks.tenants.worker import run_at_once

    registry = create_registry()
    demo = plan_tenants(settings)[DEFAULT_TENANT]
    run_at_once(demo.fill_tenant(registry.create(demo.settings)))
    return registry


def open_listeners(settings: ServeSettings, count: int = 1) -> list[dict[str, Listener]]:
    """Sockets by server, for each of some mock servers that share their ports."""
    opened: list[dict[str, Listener]] = [{} for _ in range(count)]
    try:
        for name in (*settings.only, "control"):
            shared = _open_shared_sockets(name, settings, count)
            for listeners, listener in zip(opened, shared, strict=True):
                listeners[name] = listener
    except BaseException:
        for listener in (each for listeners in opened for each in listeners.values()):
            close_listener(listener)
        raise
    return opened


def _open_shared_sockets(name: str, settings: ServeSettings, count: int) -> Iterator[Listener]:
    # Sockets at one port have a queue each: the system distributes connections.
    setting = SETTINGS[f"{name}_port"]
    port: int = getattr(settings, setting.name)

    def open_at(port: int, *, shared: bool) -> Listener:
        return open_listener(settings.hosts, port, setting.flag, backlog=BACKLOG, reuse_port=shared)

    first = open_at(port, shared=count > 1 and not port)
    if count > 1 and port:
        # SO_REUSEPORT also succeeds if another process has the port: the exclusive bind was a test.
        close_listener(first)
        first = open_at(port, shared=True)
    yield first
    for _ in range(1, count):
        yield open_at(port_of(first), shared=True)
