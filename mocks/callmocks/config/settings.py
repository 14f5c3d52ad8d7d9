"""Settings of ``callmocks serve``; ``options.py`` reads them from flags, variables and files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from callmocks.config import types
from callmocks.config.server_limits import DEFAULT_LIMITS, ServerLimits
from callmocks.tenants.settings import ArmSettings, TenantSettings


def setting(
    default: Any, type: click.ParamType[Any] | Callable[[str], Any], help: str, metavar: str = ""
) -> Any:
    """A field of ``ServeSettings`` and its option; without a metavar a switch."""
    if isinstance(type, click.Choice):
        metavar = "|".join(type.choices)
    elif not isinstance(type, click.ParamType):
        type = types.ParsedText(type)
    return field(default=default, metadata={"type": type, "help": help, "metavar": metavar})


_PORT = types.IntRange(0, 65535)
_BYTES = types.IntRange(4096, 2**30)
_COUNT = types.IntRange(1, 100_000)
_SECONDS = types.IntRange(0, 86_400)
_SEED = types.IntRange(-(2**63), 2**63 - 1)


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Settings of one running server. Port 0 takes a free port."""

    host: str = setting("127.0.0.1", types.parse_host, "Address to listen on.", "ADDRESS")
    arm_port: int = setting(8086, _PORT, "Port of the workplace (ARM); 0 takes a free one.", "PORT")
    cdr_port: int = setting(8087, _PORT, "Port of the Data API (CDR).", "PORT")
    onec_port: int = setting(8088, _PORT, "Port of 1C-Connect.", "PORT")
    control_port: int = setting(8080, _PORT, "Port of the admin API.", "PORT")
    seed: int = setting(42, _SEED, "Which history: same seed, same bytes.", "NUMBER")
    now: str = setting(
        "real",
        types.parse_now,
        "An ISO time freezes the clock; real follows the machine.",
        "real|TIME",
    )
    timezone: str = setting(
        "Europe/Moscow", types.parse_timezone, "Zone of the contact centre's wall clock.", "NAME"
    )
    calls_per_day: int | None = setting(
        None, types.IntRange(0, 200_000), "Mean of a weekday; else the world's.", "NUMBER"
    )
    world: str = setting(
        "default", types.parse_world, "A world that comes along, or a file.", "NAME|FILE"
    )
    history_from: str = setting(
        "2015-01-01", types.parse_history_from, "First day with calls.", "DATE"
    )
    calls: Path | None = setting(
        None, types.parse_readable_file, "Calls to pin, one JSON object a line.", "FILE"
    )
    replay: Path | None = setting(
        None, types.parse_readable_file, "Serve the answers of a recording.", "FILE"
    )
    public_url: str = setting(
        "", types.parse_public_url, "How clients reach the suite; may hold {port}.", "URL"
    )
    allowed_hosts: tuple[str, ...] = setting(
        (), types.parse_host_list, "Further names the suite is reached by.", "NAME,…"
    )
    """Control answers to them and ``tls auto`` certifies them; ``*.example`` stands for every name
    of one more label."""
    tls: str = setting("off", click.Choice(("off", "auto")), "auto: https by a CA of its own.")
    tls_cert: Path | None = setting(
        None, types.parse_readable_file, "https with this certificate (PEM).", "FILE"
    )
    """With its chain and, without ``tls_key``, its key."""
    tls_key: Path | None = setting(
        None, types.parse_readable_file, "Its key, when it stands in a file of its own.", "FILE"
    )
    tls_ca_out: Path | None = setting(
        None, types.parse_writable_file, "Write the certificate of that CA here.", "FILE"
    )
    limits: str = setting(
        "documented", click.Choice(("documented", "off")), "Count requests or not."
    )
    contract: str = setting(
        "documented", click.Choice(("documented", "strict")), "Profile of the ARM."
    )
    self_check: bool = setting(True, click.BOOL, "Check our own answers too.", "on|off")
    state: str = setting(
        "memory", types.parse_state, "What replicas share: a Redis or Valkey.", "memory|redis://…"
    )
    workers: int = setting(
        1, types.IntRange(1, 64), "Processes on the same ports; they share state.", "NUMBER"
    )
    only: tuple[str, ...] = setting(
        types.PROVIDERS, types.parse_providers, "Start these alone, with control.", "arm,cdr,onec"
    )
    max_body: int = setting(
        DEFAULT_LIMITS.body, _BYTES, "Longest body of a request, in bytes.", "BYTES"
    )
    max_message: int = setting(
        DEFAULT_LIMITS.message, _BYTES, "Longest message of a websocket, in bytes.", "BYTES"
    )
    max_header: int = setting(
        DEFAULT_LIMITS.header,
        types.IntRange(1024, 65536),
        "Longest line of a request's head.",
        "BYTES",
    )
    max_nesting: int = setting(
        DEFAULT_LIMITS.nesting,
        types.IntRange(32, 250),
        "Levels of JSON or XML in a request.",
        "NUMBER",
    )
    max_connections: int = setting(
        DEFAULT_LIMITS.connections, _COUNT, "Connections open at once.", "NUMBER"
    )
    max_in_flight: int = setting(
        DEFAULT_LIMITS.in_flight, _COUNT, "Requests at once, for each server.", "NUMBER"
    )
    header_timeout: int = setting(
        int(DEFAULT_LIMITS.header_timeout),
        _SECONDS,
        "For a request's head; 0: for ever.",
        "SECONDS",
    )
    body_timeout: int = setting(
        int(DEFAULT_LIMITS.body_timeout), _SECONDS, "For a request's body; 0: for ever.", "SECONDS"
    )
    admin_token: str = setting(
        "", types.parse_token, "Ask for it at the admin API and dashboard.", "TOKEN"
    )
    """As Bearer or as the password of Basic; empty: nothing is asked for."""
    log: str = setting("off", click.Choice(("off", "json")), "A line on stderr for every exchange.")
    json: bool = setting(False, click.BOOL, "Say where everything is as one line of JSON.")

    @property
    def scheme(self) -> str:
        return "https" if self.tls == "auto" or self.tls_cert is not None else "http"

    def find_public_url(self, server: str, port: int) -> str:
        """The public URL of a server, without a path of the provider; empty when none is set."""
        chosen = types.split_public_url(self.public_url)
        return chosen.get(server, chosen.get("", "")).replace("{port}", str(port))

    def host_names(self) -> tuple[str, ...]:
        """Names of this host in the settings, each once."""
        public = (
            urlsplit(url.replace("{port}", "1")).hostname
            for url in types.split_public_url(self.public_url).values()
        )
        names = (self.host, *public, *self.allowed_hosts)
        return tuple(dict.fromkeys(name for name in names if name))

    @property
    def server_limits(self) -> ServerLimits:
        return ServerLimits(
            body=self.max_body,
            message=self.max_message,
            header=self.max_header,
            nesting=self.max_nesting,
            connections=self.max_connections,
            in_flight=self.max_in_flight,
            header_timeout=self.header_timeout,
            body_timeout=self.body_timeout,
        )

    def make_tenant_settings(self, name: str = "demo") -> TenantSettings:
        return TenantSettings(
            name=name,
            seed=self.seed,
            world=self.world,
            calls_per_day=self.calls_per_day,
            now=self.now,
            timezone=self.timezone,
            history_from=self.history_from,
            limits=self.limits,
            self_check=self.self_check,
            arm=ArmSettings(contract=self.contract),
        )
