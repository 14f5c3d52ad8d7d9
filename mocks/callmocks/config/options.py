"""The settings as click options.

A flag wins over its environment variable, that over the key of the config file, that over the
default. An error names the one at fault and what would fit.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from callmocks.config import toml
from callmocks.config.settings import ServeSettings
from callmocks.config.types import REDIS
from callmocks.contract.similar_names import find_similar_name
from callmocks.errors import SettingsError
from callmocks.history.world_file import load_world

F = TypeVar("F", bound=Callable[..., Any])

ENV_PREFIX = "CALLMOCKS"
# Of commands whose options are settings.
CONTEXT_SETTINGS = {"auto_envvar_prefix": ENV_PREFIX}
HISTORY_SETTINGS = ("seed", "now", "timezone", "calls_per_day", "world", "history_from", "calls")
_FILE_SETTINGS = ("calls", "scenario", "assumptions", "replay", "tls_cert", "tls_key", "tls_ca_out")
_RANGE_KEYS = {"min", "max"}  # of a lag, as the admin API has it
_CONFIG_FILE = "callmocks.config_file"
# From 0 to 1; names that differ by one letter are at least so similar.
_SIMILARITY = 0.93


class SettingOption(click.Option):
    """The option of one field of ``ServeSettings``; its value is None when nothing is given."""

    name: str

    def __init__(
        self, name: str, default: Any, type: click.ParamType[Any], help: str, multiple: bool
    ) -> None:
        metavar = getattr(type, "metavar", "")  # click.BOOL has none: a switch
        self.flag = "--" + name.replace("_", "-")
        self.env_var = f"{ENV_PREFIX}_{name.upper()}"
        self.setting_default = default
        self.summary = help
        shown = f" ({default})" if isinstance(default, str | int) else ""
        super().__init__(
            [self.flag, name],
            type=type,
            metavar=metavar or None,
            is_flag=None if metavar else True,
            multiple=multiple,
            help=f"{help}{shown if metavar else ''} [{self.env_var}]",
        )


SETTINGS = {
    field.name: SettingOption(field.name, field.default, **field.metadata)
    for field in fields(ServeSettings)
}


def setting_options(names: Iterable[str] = tuple(SETTINGS)) -> Callable[[F], F]:
    def add_options(command: F) -> F:
        params: list[click.Parameter] = getattr(command, "__click_params__", [])
        command.__click_params__ = [*params, *reversed(_make_params(names))]  # type: ignore[attr-defined]
        return command

    return add_options


def make_settings(context: click.Context) -> ServeSettings:
    given = {name: context.params.get(name) for name in SETTINGS}
    settings = ServeSettings(**{name: value for name, value in given.items() if value is not None})
    _check_combinations(settings, context)
    return settings


def resolve_settings(
    flags: Mapping[str, str | Sequence[str]],
    names: Iterable[str] = tuple(SETTINGS),
    env_prefix: str | None = None,
) -> ServeSettings:
    """Settings from the texts of flags, by name; without ``env_prefix`` no variable is read."""
    command = click.Command("callmocks", params=_make_params(names))
    arguments = [
        f"--{name.replace('_', '-')}={text}"
        for name, texts in flags.items()
        for text in ([texts] if isinstance(texts, str) else texts)
    ]
    try:
        context = command.make_context("callmocks", arguments, auto_envvar_prefix=env_prefix)
    except click.BadParameter as error:
        raise SettingsError(describe_bad_parameter(error)) from None
    return make_settings(context)


def describe_bad_parameter(error: click.BadParameter) -> str:
    """The error's text behind the flag, variable or key it is about; of an argument, click's."""
    if error.ctx is None or not isinstance(error.param, click.Option):
        return error.format_message()
    return f"{_describe_source(error.ctx, error.param)}: {error.message}"


def find_similar_env_vars(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that are probably misspelt ones of ours, with the name that was meant."""
    # Others that begin with CALLMOCKS_ may come from an orchestrator, which makes some of the name
    # of a service.
    ours = [option.env_var for option in SETTINGS.values()] + [f"{ENV_PREFIX}_CONFIG"]
    found: dict[str, str] = {}
    for name in sorted(environ):
        if name.startswith(f"{ENV_PREFIX}_") and name not in ours:
            from difflib import get_close_matches  # for mistakes alone

            near = get_close_matches(name, ours, 1, _SIMILARITY)
            if near:
                found[name] = near[0]
    return found


def format_flag_values(option: SettingOption, value: object) -> list[str]:
    """One for each time that the flag is given."""
    if option.multiple and isinstance(value, list | tuple):
        return [format_flag_value(each) for each in value]
    return [format_flag_value(value)]


def format_flag_value(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict) and value.keys() == _RANGE_KEYS:
        return f"{value['min']}-{value['max']}"
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return value.isoformat() if isinstance(value, date) else str(value)


def _make_params(names: Iterable[str]) -> list[click.Parameter]:
    config = click.Option(
        ["--config"],
        metavar="FILE",
        help=f"A TOML file with settings. [{ENV_PREFIX}_CONFIG]",
        is_eager=True,
        expose_value=False,
        callback=_load_config,
    )
    return [*(SETTINGS[name] for name in names), config]


def _load_config(context: click.Context, _: click.Parameter, file: str | None) -> None:
    if not file:
        return
    context.meta[_CONFIG_FILE] = file
    defaults = {}
    for key, value in _read_config(Path(file)).items():
        name = key.replace("-", "_")
        option = SETTINGS.get(name)
        if isinstance(value, dict) and (option is None or value.keys() != _RANGE_KEYS):
            text = "it is a table; settings stand at the top of the file, each with its value"
            raise SettingsError(f"config {file}: {key}: {text}")
        if option is None:
            near = find_similar_name(name, SETTINGS)
            hint = f"; did you mean {near}?" if near else ""
            raise SettingsError(f"config {file}: {key}: there is no such setting{hint}")
        texts = format_flag_values(option, value)
        if name in _FILE_SETTINGS or (name == "world" and texts[0].endswith(".toml")):
            folder = Path(file).parent  # relative to it, not to the working directory
            texts = [str(folder / text) for text in texts]
        defaults[name] = texts if option.multiple else texts[0]
        try:  # keys of other commands too: one file serves all commands
            for text in texts:
                option.type.convert(text, option, context)
        except click.BadParameter as error:
            raise SettingsError(f"config {file}: {key}: {error.message}") from None
    context.default_map = defaults


def _read_config(path: Path) -> dict[str, Any]:
    try:
        return toml.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"config {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits too
        raise SettingsError(f"config {path}: {error}") from None


def _describe_source(context: click.Context, param: click.Parameter) -> str:
    """``--seed``, ``CALLMOCKS_SEED`` or ``config FILE: seed``."""
    source = context.get_parameter_source(param.name or "")
    if source is ParameterSource.ENVIRONMENT:
        return str(param.envvar or f"{context.auto_envvar_prefix}_{(param.name or '').upper()}")
    if source is ParameterSource.DEFAULT_MAP:
        return f"config {context.meta[_CONFIG_FILE]}: {param.name}"
    return param.opts[0] if isinstance(param, click.Option) else param.make_metavar(context)


def _check_combinations(settings: ServeSettings, context: click.Context) -> None:
    def refuse(name: str, reason: str) -> None:
        raise SettingsError(f"{_describe_source(context, SETTINGS[name])}: {reason}")

    used: dict[int, str] = {}
    for name in (f"{server}_port" for server in (*settings.only, "control")):
        port = getattr(settings, name)
        if port and port in used:
            refuse(name, f"{port} is the port of {SETTINGS[used[port]].flag} already")
        used[port] = name
    auto = settings.tls == "auto"
    if auto and settings.tls_cert is not None:
        refuse("tls_cert", "tls auto makes a certificate of its own")
    if settings.tls_key is not None and settings.tls_cert is None:
        refuse("tls_key", "there is no certificate to go with it")
    if settings.tls_ca_out is not None and not auto:
        refuse("tls_ca_out", "only tls auto has a CA of its own")
    if settings.workers > 1 and settings.state == "memory":
        refuse("workers", f"processes have to share their state: --state {REDIS}")
    for name, default in (("replay_match", "exact"), ("replay_now", "real")):
        if settings.replay is None and getattr(settings, name) != default:
            refuse(name, "there is no recording: --replay FILE")
    if settings.replay_now == "recorded" and settings.now != "real":
        refuse("replay_now", "--now sets the clock already")
    if settings.calls_per_day is not None:
        try:
            load_world(settings.world).with_calls_per_day(settings.calls_per_day)
        except SettingsError as error:
            refuse("calls_per_day", str(error))
