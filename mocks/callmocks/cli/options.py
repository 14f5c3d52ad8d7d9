"""Command-line options made from the table of settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from callmocks.config.settings import SETTINGS_BY_NAME, ServeSettings

F = TypeVar("F", bound=Callable[..., Any])


def setting_options(names: Iterable[str]) -> Callable[[F], F]:
    """An option for each setting, and ``--config``.

    Values stay text, None when not given: ``settings.resolve`` reads flags, variables and the
    config file alike, so that a mistake reads the same wherever it was made.
    """

    def add_options(command: F) -> F:
        command = click.option(
            "--config", metavar="FILE", help="A TOML file with settings. [CALLMOCKS_CONFIG]"
        )(command)
        for setting in reversed([SETTINGS_BY_NAME[name] for name in names]):
            default = getattr(ServeSettings(), setting.name)
            shown = f" ({default})" if isinstance(default, str | int) and setting.metavar else ""
            text = f"{setting.help}{shown} [{setting.env_var}]"
            if setting.metavar:
                option = click.option(
                    setting.flag, setting.name, metavar=setting.metavar, help=text
                )
            else:
                option = click.option(setting.flag, setting.name, flag_value="on", help=text)
            command = option(command)
        return command

    return add_options
