"""What ``callmocks serve`` can be told, and the four places it can be told in.

A flag wins over its environment variable, that over the key of the config file, that over the
default. Whatever is wrong is a ``SettingsError`` that names the flag, variable or key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from callmocks.config import toml, types
from callmocks.config.server_limits import DEFAULT_LIMITS, ServerLimits
from callmocks.errors import SettingsError
from callmocks.history.world import load_world
from callmocks.tenants.settings import ArmSettings, TenantSettings


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Settings of one running suite. Port 0 takes a free port."""

    host: str = "127.0.0.1"
    arm_port: int = 8086
    cdr_port: int = 8087
    onec_port: int = 8088
    control_port: int = 8080
    seed: int = 42
    now: str = "real"
    timezone: str = "Europe/Moscow"
    calls_per_day: int | None = None
    """None: as many as the world says."""
    world: str = "default"
    history_from: str = "2015-01-01"
    calls: Path | None = None
    """JSON lines of calls to pin for the tenant ``demo``."""
    replay: Path | None = None
    """A recording whose answers are served instead of the mock's own."""
    public_url: str = ""
    """How clients reach the suite, when not by ``http://HOST:PORT``; see ``public``."""
    allowed_hosts: tuple[str, ...] = ()
    """Further names by which it is reached: control answers to them, ``tls auto`` certifies them.
    ``*.example`` stands for every name of one more label."""
    tls: str = "off"
    """``auto``: https and wss with a certificate from a CA of the suite's own."""
    tls_cert: Path | None = None
    """PEM file with the certificate to serve with, its chain and, without ``tls_key``, its key."""
    tls_key: Path | None = None
    tls_ca_out: Path | None = None
    """Where the certificate of the suite's own CA is written, as PEM."""
    limits: str = "documented"
    contract: str = "documented"
    self_check: bool = True
    state: str = "memory"
    """``memory``, or the address of a Redis or Valkey that replicas share their tenants in."""
    workers: int = 1
    """Processes that the command line starts on the same ports."""
    only: tuple[str, ...] = types.PROVIDERS
    """The providers to start; control always is."""
    max_body: int = DEFAULT_LIMITS.body
    """Bytes; this and the following: see ``bounds.Bounds``."""
    max_message: int = DEFAULT_LIMITS.message
    max_header: int = DEFAULT_LIMITS.header
    max_nesting: int = DEFAULT_LIMITS.nesting
    max_connections: int = DEFAULT_LIMITS.connections
    max_in_flight: int = DEFAULT_LIMITS.in_flight
    header_timeout: int = int(DEFAULT_LIMITS.header_timeout)
    body_timeout: int = int(DEFAULT_LIMITS.body_timeout)
    admin_token: str = ""
    """What the admin API asks for, as Bearer or as the password of Basic; empty: nothing."""
    log: str = "off"
    json: bool = False

    @property
    def scheme(self) -> str:
        """``https`` when the servers speak TLS."""
        return "https" if self.tls == "auto" or self.tls_cert is not None else "http"

    def find_public_url(self, server: str, port: int) -> str:
        """How clients reach a server, without a path of the provider's; empty when nobody said."""
        chosen = types.split_public_url(self.public_url)
        return chosen.get(server, chosen.get("", "")).replace("{port}", str(port))

    def host_names(self) -> tuple[str, ...]:
        """Names that the settings give to the machine or to the way there, each once."""
        public = (
            urlsplit(url.replace("{port}", "1")).hostname
            for url in types.split_public_url(self.public_url).values()
        )
        names = (self.host, *public, *self.allowed_hosts)
        return tuple(dict.fromkeys(name for name in names if name))

    @property
    def server_limits(self) -> ServerLimits:
        """What is taken from clients at most."""
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
        """Settings of the tenant that exists from the start."""
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


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: how it is called, read and explained."""

    name: str
    parse: Callable[[str], Any]
    """The value from text; ``SettingsError`` says what is expected."""
    help: str
    metavar: str = ""
    """What the value looks like; empty for a switch that needs none."""

    @property
    def flag(self) -> str:
        """``--arm-port``."""
        return "--" + self.name.replace("_", "-")

    @property
    def env_var(self) -> str:
        """``CALLMOCKS_ARM_PORT``."""
        return "CALLMOCKS_" + self.name.upper()


_PORT = types.int_range(0, 65535)
_BYTES = types.int_range(4096, 2**30)
_SECONDS = types.int_range(0, 86_400)

SETTINGS: tuple[Setting, ...] = (
    Setting("host", types.parse_host, "Address to listen on.", "ADDRESS"),
    Setting("arm_port", _PORT, "Port of the workplace (ARM); 0 takes a free one.", "PORT"),
    Setting("cdr_port", _PORT, "Port of the Data API (CDR).", "PORT"),
    Setting("onec_port", _PORT, "Port of 1C-Connect.", "PORT"),
    Setting("control_port", _PORT, "Port of the admin API.", "PORT"),
    Setting(
        "seed",
        types.int_range(-(2**63), 2**63 - 1),
        "Which history: same seed, same bytes.",
        "NUMBER",
    ),
    Setting(
        "now",
        types.parse_now,
        "An ISO time freezes the clock; real follows the machine.",
        "real|TIME",
    ),
    Setting("timezone", types.parse_timezone, "Zone of the contact centre's wall clock.", "NAME"),
    Setting(
        "calls_per_day",
        types.int_range(0, 200_000),
        "Mean of a weekday; else the world's.",
        "NUMBER",
    ),
    Setting("world", types.parse_world, "A world that comes along, or a file.", "NAME|FILE"),
    Setting("history_from", types.parse_history_from, "First day with calls.", "DATE"),
    Setting("calls", types.parse_readable_file, "Calls to pin, one JSON object a line.", "FILE"),
    Setting("replay", types.parse_readable_file, "Serve the answers of a recording.", "FILE"),
    Setting(
        "public_url", types.parse_public_url, "How clients reach the suite; may hold {port}.", "URL"
    ),
    Setting(
        "allowed_hosts", types.parse_host_list, "Further names the suite is reached by.", "NAME,…"
    ),
    Setting("tls", types.one_of("off", "auto"), "auto: https by a CA of its own.", "off|auto"),
    Setting("tls_cert", types.parse_readable_file, "https with this certificate (PEM).", "FILE"),
    Setting(
        "tls_key",
        types.parse_readable_file,
        "Its key, when it stands in a file of its own.",
        "FILE",
    ),
    Setting(
        "tls_ca_out", types.parse_writable_file, "Write the certificate of that CA here.", "FILE"
    ),
    Setting(
        "limits", types.one_of("documented", "off"), "Count requests or not.", "documented|off"
    ),
    Setting(
        "contract",
        types.one_of("documented", "strict"),
        "Profile of the ARM.",
        "documented|strict",
    ),
    Setting("self_check", types.parse_boolean, "Check our own answers too.", "on|off"),
    Setting(
        "state", types.parse_state, "What replicas share: a Redis or Valkey.", "memory|redis://…"
    ),
    Setting(
        "workers",
        types.int_range(1, 64),
        "Processes on the same ports; they share state.",
        "NUMBER",
    ),
    Setting("only", types.parse_providers, "Start these alone, with control.", "arm,cdr,onec"),
    Setting("max_body", _BYTES, "Longest body of a request, in bytes.", "BYTES"),
    Setting("max_message", _BYTES, "Longest message of a websocket, in bytes.", "BYTES"),
    Setting(
        "max_header", types.int_range(1024, 65536), "Longest line of a request's head.", "BYTES"
    ),
    Setting(
        "max_nesting", types.int_range(32, 250), "Levels of JSON or XML in a request.", "NUMBER"
    ),
    Setting("max_connections", types.int_range(1, 100_000), "Connections open at once.", "NUMBER"),
    Setting(
        "max_in_flight", types.int_range(1, 100_000), "Requests at once, for each server.", "NUMBER"
    ),
    Setting("header_timeout", _SECONDS, "For a request's head; 0: for ever.", "SECONDS"),
    Setting("body_timeout", _SECONDS, "For a request's body; 0: for ever.", "SECONDS"),
    Setting(
        "admin_token", types.parse_token, "Ask for it at the admin API and dashboard.", "TOKEN"
    ),
    Setting("log", types.one_of("off", "json"), "A line on stderr for every exchange.", "off|json"),
    Setting("json", types.parse_boolean, "Say where everything is as one line of JSON."),
)
SETTINGS_BY_NAME = {setting.name: setting for setting in SETTINGS}
HISTORY_SETTINGS = ("seed", "now", "timezone", "calls_per_day", "world", "history_from", "calls")
"""The settings that shape a history."""
_SIMILARITY = 0.93
"""How like another a name is, from 0 to 1, that has a letter too few, too many or another."""
_FILE_SETTINGS = ("calls", "replay", "tls_cert", "tls_key", "tls_ca_out")


def resolve_settings(
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    names: Iterable[str] = tuple(SETTINGS_BY_NAME),
) -> ServeSettings:
    """Settings from flags (by setting name, None when not given), environment and config file.

    The config file is the flag ``config`` or the variable ``CALLMOCKS_CONFIG``. Its keys for
    settings outside ``names`` are checked and left alone: one file serves all commands.
    """
    config = flags.get("config") or environ.get("CALLMOCKS_CONFIG")
    filed = _read_config(Path(config)) if config else {}
    chosen: dict[str, Any] = {}
    places: dict[str, str] = {}
    for setting in map(SETTINGS_BY_NAME.__getitem__, names):
        flag, variable = flags.get(setting.name), environ.get(setting.env_var)
        if flag is None and not variable and setting.name in filed:
            chosen[setting.name] = filed[setting.name]
            places[setting.name] = f"config {config}: {setting.name}"
        elif flag is not None or variable:
            places[setting.name] = setting.flag if flag is not None else setting.env_var
            text = flag if flag is not None else variable or ""
            chosen[setting.name] = _parse_value(setting, text, places[setting.name])
    settings = ServeSettings(**chosen)
    _check_combinations(settings, places)
    return settings


def find_similar_env_vars(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that are all but one of ours, and which: nobody else would have set them.

    Others that begin with ``CALLMOCKS_`` may be anybody's: an orchestrator makes some of the name
    of a service.
    """
    ours = [setting.env_var for setting in SETTINGS] + ["CALLMOCKS_CONFIG"]
    found: dict[str, str] = {}
    for name in sorted(environ):
        if name.startswith("CALLMOCKS_") and name not in ours:
            near = get_close_matches(name, ours, 1, _SIMILARITY)
            if near:
                found[name] = near[0]
    return found


def _parse_value(setting: Setting, text: str, source: str) -> Any:
    try:
        return setting.parse(text)
    except SettingsError as error:
        raise SettingsError(f"{source}: {error}") from None


def _read_config(path: Path) -> dict[str, Any]:
    try:
        raw = toml.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"config {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits too
        raise SettingsError(f"config {path}: {error}") from None
    found = {}
    for key, value in raw.items():
        name = key.replace("-", "_")
        setting = SETTINGS_BY_NAME.get(name)
        if setting is None:
            near = get_close_matches(name, SETTINGS_BY_NAME, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"config {path}: {key}: there is no such setting{hint}")
        text = _to_flag_text(value)
        if text is None:
            raise SettingsError(f"config {path}: {key}: a table cannot be a value")
        found[name] = _parse_value(
            setting, _resolve_path(path, name, text), f"config {path}: {key}"
        )
    return found


def _to_flag_text(value: object) -> str | None:
    """A TOML value as the text that a flag would have."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    return None if isinstance(value, dict) else str(value)


def _resolve_path(config_file: Path, name: str, text: str) -> str:
    """Files that a config names are looked for beside it, not in the working directory."""
    names_file = name in _FILE_SETTINGS or (name == "world" and text.endswith(".toml"))
    return str(config_file.parent / text) if names_file else text


def _check_combinations(settings: ServeSettings, sources: Mapping[str, str]) -> None:
    """What single settings cannot show."""
    used: dict[int, str] = {}
    for name in (f"{server}_port" for server in (*settings.only, "control")):
        port = getattr(settings, name)
        if port and port in used:
            place, other = (
                sources.get(name, SETTINGS_BY_NAME[name].flag),
                SETTINGS_BY_NAME[used[port]].flag,
            )
            raise SettingsError(f"{place}: {port} is the port of {other} already")
        used[port] = name
    _check_tls(settings, sources)
    if settings.workers > 1 and settings.state == "memory":
        place = sources["workers"]
        raise SettingsError(f"{place}: processes have to share their state: --state {types.REDIS}")
    if settings.calls_per_day is not None:
        try:
            load_world(settings.world).with_calls_per_day(settings.calls_per_day)
        except SettingsError as error:
            raise SettingsError(f"{sources['calls_per_day']}: {error}") from None


def _check_tls(settings: ServeSettings, sources: Mapping[str, str]) -> None:
    auto = settings.tls == "auto"
    if auto and settings.tls_cert is not None:
        raise SettingsError(f"{sources['tls_cert']}: tls auto makes a certificate of its own")
    if settings.tls_key is not None and settings.tls_cert is None:
        raise SettingsError(f"{sources['tls_key']}: there is no certificate to go with it")
    if settings.tls_ca_out is not None and not auto:
        raise SettingsError(f"{sources['tls_ca_out']}: only tls auto has a CA of its own")
