"""Settings of ``callmocks serve``; ``options.py`` reads them from flags, variables and files."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

import click

from callmocks.config import types
from callmocks.config.assumption_file import parse_assumption_file, read_assumptions
from callmocks.config.server_limits import DEFAULT_LIMITS as LIMITS
from callmocks.config.server_limits import ServerLimits
from callmocks.history.clock import load_time_zone
from callmocks.history.lags import LagRange
from callmocks.history.walltime import parse_first_date
from callmocks.history.world import CALLS_PER_DAY_MAX
from callmocks.history.world_file import load_world
from callmocks.tenants.settings import ArmSettings, TenantSettings

ReplayMatch = Literal["exact", "operation", "window"]


def setting(default: Any, type: click.ParamType[Any], help: str, *, multiple: bool = False) -> Any:
    """A field of ``ServeSettings`` and its option; a ``multiple`` one has a tuple."""
    return field(default=default, metadata={"type": type, "help": help, "multiple": multiple})


_PROFILE = types.OneOf("documented", "strict")
_PORT = types.IntRange(0, 65535, "PORT")
_COUNT = types.IntRange(1, 100_000, "NUMBER")
_CALLS = types.IntRange(0, CALLS_PER_DAY_MAX, "NUMBER")
_WORKERS = types.IntRange(1, 64, "NUMBER")
_SEED = types.IntRange(-(2**63), 2**63 - 1, "NUMBER")
_BYTES = types.IntRange(4096, 2**30, "BYTES")
_SENDING_BYTES = types.IntRange(2**20, 2**40, "BYTES")
_HEADER_BYTES = types.IntRange(1024, 65536, "BYTES")
_LEVELS = types.IntRange(32, 250, "NUMBER")
_SECONDS = types.IntRange(0, 86_400, "SECONDS")
_ADDRESS = types.ParsedText(types.parse_hosts, "ADDRESS,…")
_NOW = types.ParsedText(types.parse_now, "real|TIME")
_ZONE = types.CheckedText(load_time_zone, "NAME")
_WORLD = types.CheckedText(load_world, "NAME|FILE")
_DATE = types.ParsedText(lambda text: parse_first_date(text).isoformat(), "DATE")
_LAG = types.ParsedText(types.parse_lag, "SECONDS|MIN-MAX")
_FILE = types.ParsedText(types.parse_readable_file, "FILE")
_FILES = types.ReadableFiles("FILE")
_CHOICES = types.ParsedText(parse_assumption_file, "FILE")
_NEW_FILE = types.ParsedText(types.parse_writable_file, "FILE")
_URL = types.ParsedText(types.parse_public_url, "URL")
_NAMES = types.ParsedText(types.parse_host_list, "NAME,…")
_STATE = types.ParsedText(types.parse_state, "memory|redis://…")
_PROVIDERS = types.ParsedText(types.parse_providers, "arm,cdr,onec")
_MATCH = types.OneOf(*get_args(ReplayMatch))
_TOKEN = types.ParsedText(types.parse_token, "TOKEN")


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Settings of one running server. Port 0 takes a free port."""

    host: str = setting("127.0.0.1", _ADDRESS, "Where to listen; :: is everywhere.")
    arm_port: int = setting(8086, _PORT, "Port of the workplace (ARM); 0 takes a free one.")
    cdr_port: int = setting(8087, _PORT, "Port of the Data API (CDR).")
    onec_port: int = setting(8088, _PORT, "Port of 1C-Connect.")
    control_port: int = setting(8080, _PORT, "Port of the admin API.")
    seed: int = setting(42, _SEED, "Which history: same seed, same bytes.")
    now: str = setting(
        "real", _NOW, "An ISO time of 1970 to 2199 freezes the clock; real follows the machine."
    )
    timezone: str = setting("Europe/Moscow", _ZONE, "Zone of the contact centre's wall clock.")
    calls_per_day: int | None = setting(None, _CALLS, "Mean of a weekday; else the world's.")
    world: str = setting("default", _WORLD, "A world that comes along, or a file.")
    history_from: str = setting("2015-01-01", _DATE, "First day with calls.")
    arm_lag: float | LagRange = setting(0, _LAG, "Seconds from a call's end to its row in the ARM.")
    cdr_lag: float | LagRange = setting(0, _LAG, "The same for the Data API.")
    onec_lag: float | LagRange = setting(0, _LAG, "The same for 1C-Connect.")
    records_lag: float | LagRange = setting(0, _LAG, "Seconds from a row to its record's audio.")
    calls: Path | None = setting(None, _FILE, "Calls to pin, one JSON object a line.")
    scenario: tuple[Path, ...] = setting(
        (), _FILES, "Tenants with all they hold; more than once for several.", multiple=True
    )
    assumptions: Path | None = setting(None, _CHOICES, "Choices of the ledger, for all tenants.")
    """As ``callmocks learn`` writes them; a tenant may change them."""
    replay: Path | None = setting(None, _FILE, "Serve the answers of a recording.")
    replay_match: ReplayMatch = setting(
        "exact", _MATCH, "Its answers to equal requests, to the nearest, or its rows by window."
    )
    replay_now: str = setting(
        "real", types.OneOf("real", "recorded"), "recorded: the clock stands at its last exchange."
    )
    public_url: str = setting("", _URL, "How clients reach the suite; may hold {port}.")
    allowed_hosts: tuple[str, ...] = setting((), _NAMES, "Further names the suite is reached by.")
    """Control answers to them, ``tls auto`` certifies them; ``*.example``: one more label."""
    tls: str = setting("off", types.OneOf("off", "auto"), "auto: https by a CA of its own.")
    tls_cert: Path | None = setting(None, _FILE, "https with this certificate (PEM).")
    """With its chain and, without ``tls_key``, its key."""
    tls_key: Path | None = setting(None, _FILE, "Its key, when it stands in a file of its own.")
    tls_ca_out: Path | None = setting(None, _NEW_FILE, "Write the certificate of that CA here.")
    limits: str = setting("documented", types.OneOf("documented", "off"), "Count requests or not.")
    contract: str = setting("documented", _PROFILE, "Profile of the ARM.")
    self_check: bool = setting(True, types.OnOff(), "Check our own answers too.")
    state: str = setting("memory", _STATE, "What replicas share: a Redis or Valkey.")
    workers: int = setting(1, _WORKERS, "Processes on the same ports; they share state.")
    only: tuple[str, ...] = setting(
        types.PROVIDER_NAMES, _PROVIDERS, "Start these alone, with control."
    )
    max_body: int = setting(LIMITS.body, _BYTES, "Longest body of a request, in bytes.")
    max_message: int = setting(LIMITS.message, _BYTES, "Longest message of a websocket, in bytes.")
    max_header: int = setting(LIMITS.header, _HEADER_BYTES, "Longest line of a request's head.")
    max_nesting: int = setting(LIMITS.nesting, _LEVELS, "Levels of JSON or XML in a request.")
    max_connections: int = setting(LIMITS.connections, _COUNT, "Connections to providers at once.")
    max_in_flight: int = setting(LIMITS.in_flight, _COUNT, "Requests at once, for each server.")
    max_sending: int = setting(
        LIMITS.sending, _SENDING_BYTES, "Bytes of large answers that are sent at once."
    )
    header_timeout: int = setting(
        int(LIMITS.header_timeout), _SECONDS, "For a request's head; 0: for ever."
    )
    body_timeout: int = setting(
        int(LIMITS.body_timeout), _SECONDS, "For a request's body; 0: for ever."
    )
    admin_token: str = setting("", _TOKEN, "Ask for it at the admin API and dashboard.")
    """As Bearer or as the password of Basic; empty: none is needed."""
    log: str = setting("off", types.OneOf("off", "json"), "A line on stderr for every exchange.")
    json: bool = setting(False, click.BOOL, "Say where everything is as one line of JSON.")

    @property
    def scheme(self) -> str:
        return "https" if self.tls == "auto" or self.tls_cert is not None else "http"

    @property
    def hosts(self) -> list[str]:
        return self.host.split(",")

    def find_public_url(self, server: str, port: int) -> str:
        """The public URL of a server, without a path of the provider; empty when none is set."""
        chosen = types.split_public_url(self.public_url)
        return chosen.get(server, chosen.get("", "")).replace("{port}", str(port))

    def host_names(self) -> tuple[str, ...]:
        public = (
            urlsplit(url.replace("{port}", "1")).hostname
            for url in types.split_public_url(self.public_url).values()
        )
        names = (*self.hosts, *public, *self.allowed_hosts)
        return tuple(dict.fromkeys(name for name in names if name))

    @property
    def server_limits(self) -> ServerLimits:
        names = ("body", "message", "header", "nesting", "connections", "in_flight", "sending")
        limits = {name: getattr(self, f"max_{name}") for name in names}
        return ServerLimits(
            **limits, header_timeout=self.header_timeout, body_timeout=self.body_timeout
        )

    def make_tenant_settings(self, name: str = "demo") -> TenantSettings:
        common = set(TenantSettings.__struct_fields__) & set(self.__slots__)
        values = {field_name: getattr(self, field_name) for field_name in common}
        values["assumptions"] = read_assumptions(self.assumptions) if self.assumptions else {}
        return TenantSettings(name=name, arm=ArmSettings(contract=self.contract), **values)
