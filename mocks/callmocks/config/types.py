"""Types of setting values: those of click, and text that a function parses."""

import os
import re
from collections.abc import Callable
from datetime import date, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, urlsplit

import click

from callmocks.errors import SettingsError
from callmocks.history.clock import parse_clock_time, parse_wall_time
from callmocks.history.lags import MAX_LAG_SECONDS, LagRange, check_lag

_NOT_A_HOST = re.compile(r"[/\[\]]|^[^:]*:\d*$")  # a URL, brackets, or a port behind it
_LAG = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(?:-(\d{1,9}(?:\.\d{1,9})?))?", re.ASCII)
ProviderName = Literal["arm", "cdr", "onec"]
PROVIDER_NAMES: tuple[ProviderName, ...] = get_args(ProviderName)
PROVIDER_TITLES: dict[str, str] = {"arm": "ARM", "cdr": "CDR", "onec": "1C"}
REDIS = "redis://127.0.0.1:6379/0"
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


class IntRange(click.IntRange):
    """click's own does not name the range when the text is no number."""

    def __init__(self, min: int, max: int | None = None, metavar: str = "NUMBER") -> None:
        super().__init__(min, max)
        self.metavar = metavar

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            limits = f"from {self.min}" if self.max is None else f"in {self.min} … {self.max}"
            self.fail(f"{value!r} is not a whole number {limits}", param, ctx)


class ParsedText(click.ParamType[Any]):
    name = "text"

    def __init__(self, parse: Callable[[str], Any], metavar: str) -> None:
        self._parse = parse
        self.metavar = metavar

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._parse(value)
        except SettingsError as error:
            self.fail(str(error), param, ctx)


class CheckedText(ParsedText):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        super().convert(value, param, ctx)
        return value


class ReadableFiles(ParsedText):
    """A variable holds several as PATH does."""

    envvar_list_splitter = os.pathsep

    def __init__(self, metavar: str) -> None:
        super().__init__(parse_readable_file, metavar)


class OneOf(click.Choice[str]):
    def __init__(self, *choices: str) -> None:
        super().__init__(choices)
        self.metavar = "|".join(choices)


class OnOff(click.types.BoolParamType):
    metavar = "on|off"


def parse_hosts(text: str) -> str:
    """Addresses and names, separated by commas."""
    hosts = [host.strip() for host in text.split(",")]
    for host in hosts:
        if not host or host.split() != [host]:
            raise SettingsError(f"{host!r} is not an address")
        if _NOT_A_HOST.search(host):
            text = "is not an address or a name alone, such as 127.0.0.1, ::1 or localhost"
            raise SettingsError(f"{host!r} {text}; ports have flags of their own")
    return ",".join(hosts)


def parse_time(text: str) -> datetime:
    try:
        return parse_wall_time(text)
    except SettingsError as error:
        raise SettingsError(str(error).removeprefix("now: ")) from None


def parse_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{text!r} is not a date such as 2026-03-01") from None


def parse_now(text: str) -> str:
    if text.isalpha() and text != "real":
        raise SettingsError(f"{text!r} is neither real nor an ISO time such as 2026-03-02T12:00:00")
    if text != "real":
        try:
            parse_clock_time(text)
        except SettingsError as error:
            raise SettingsError(str(error).removeprefix("now: ")) from None
    return text


def parse_lag(text: str) -> float | LagRange:
    """Seconds, or ``MIN-MAX``."""
    match = _LAG.fullmatch(text)
    if match is None:
        limits = f"60 or 0-600, at most {MAX_LAG_SECONDS}"
        raise SettingsError(f"{text!r} is not a number of seconds such as {limits}")
    low = float(match[1])
    lag = low if match[2] is None else LagRange(low, float(match[2]))
    check_lag(text, lag)
    return lag


def parse_readable_file(text: str) -> Path:
    path = Path(text)
    try:
        path.open("rb").close()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except ValueError as error:  # a zero byte in its name
        raise SettingsError(f"{text!r}: {error}") from None
    return path


def parse_token(text: str) -> str:
    if not text.isascii() or not text.isprintable() or text.split() != [text]:
        raise SettingsError("not a token: use printable ASCII without blanks")
    return text


def split_public_url(public_url: str) -> dict[str, str]:
    """The parts of ``arm=URL,cdr=URL``; a single address, for all servers, stands under ""."""
    if "=" not in public_url.partition("://")[0]:
        return {"": public_url} if public_url else {}
    return {name: url for name, _, url in (part.partition("=") for part in public_url.split(","))}


def parse_public_url(text: str) -> str:
    """An address, or one for each server: ``arm=URL,cdr=URL``."""
    for server, url in split_public_url(text).items():
        if server not in ("", *PROVIDER_NAMES, "control"):
            raise SettingsError(f"{server!r} is none of {', '.join(PROVIDER_NAMES)}, control")
        try:
            whole = url.replace("{port}", "1")
            parts = urlsplit(whole)
            good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            good = good and not {"{", "}"} & set(whole)
        except ValueError:
            good = False
        if not good or parts.query or parts.fragment:
            raise SettingsError(
                f"{url!r} is not like https://mocks.example or http://mocks:{{port}}"
            )
    return text.replace("/,", ",").rstrip("/")


def parse_host_list(text: str) -> tuple[str, ...]:
    """Names of hosts, in the form in which clients send them."""
    names = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        try:
            names.append(str(ip_address(name)))
            continue
        except ValueError:
            pass
        wild = "*." if name.startswith("*.") else ""
        try:  # browsers and clients send names of other alphabets in this form
            plain = name.removeprefix("*.").encode("idna").decode().lower()
        except UnicodeError:
            plain = ""
        if not _HOST.fullmatch(plain):
            raise SettingsError(f"{name!r} is not a host name such as mocks.example")
        names.append(wild + plain)
    return tuple(dict.fromkeys(names))


def parse_writable_file(text: str) -> Path:
    path = Path(text)
    try:
        good = path.parent.is_dir() and not path.is_dir()
    except (OSError, ValueError):  # a name that no file can have
        good = False
    if not good:
        raise SettingsError(f"{path}: no file can be written there")
    return path


def parse_state(text: str) -> str:
    if text == "memory":
        return text
    if not text.startswith(("redis://", "rediss://")):
        raise SettingsError(f"{text!r} is neither memory nor like {REDIS}")
    try:
        parts = urlsplit(text)
        database = re.fullmatch(r"/?|/\d{1,4}", parts.path)
        good = bool(parts.hostname and parts.port != 0 and database and not parts.fragment)
        options = [name for name, _ in parse_qsl(parts.query, strict_parsing=bool(parts.query))]
    except ValueError:
        good, options = False, []
    known = text.startswith("rediss://") and all(name.startswith("ssl_") for name in options)
    if not good or (options and not known):
        raise SettingsError(f"not an address like {REDIS}")  # it may hold a password: no echo
    return text


def parse_providers(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in PROVIDER_NAMES:
            raise SettingsError(f"{name!r} is none of {', '.join(PROVIDER_NAMES)}")
    return tuple(name for name in PROVIDER_NAMES if name in names)


def is_loopback(hosts: str) -> bool:
    """Whether all of them are of this machine alone."""
    return all(_is_loopback_host(host) for host in hosts.split(","))


def _is_loopback_host(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
