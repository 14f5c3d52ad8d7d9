"""``callmocks history``: look at a history, write it out, take its fingerprint."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from callmocks.cli.options import setting_options
from callmocks.config.settings import HISTORY_SETTINGS, resolve_settings
from callmocks.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl

    from callmocks.cli.history_views import ExportWindow
    from callmocks.tenants.tenant import Tenant

_VIEWS = ("arm", "cdr-legs", "cdr-sessions", "onec", "truth")
_DAY_MS = 86_400_000


@click.group()
def history() -> None:
    """Look at the calls behind the servers."""


def _window_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--till", metavar="TIME", help="Calls that start before it (now)."),
        click.option("--from", "from_", metavar="TIME", help="Calls that start at it or later."),
        click.option("--operator", metavar="NUMBER", help="Whose workplace, in the view arm."),
        click.option("--view", metavar="|".join(_VIEWS), default="cdr-legs", help="(cdr-legs)"),
    ):
        command = option(command)
    return command


@history.command()
@_window_options
@click.option("--limit", metavar="NUMBER", default="20", help="Rows to print at most (20).")
@setting_options(HISTORY_SETTINGS)
def show(
    view: str, operator: str | None, from_: str | None, till: str | None, limit: str, **flags: str
) -> None:
    """Print the first calls of a window as a table; without times, of the last 24 hours."""
    if not limit.isdecimal() or not int(limit):
        raise SettingsError(f"--limit: {limit!r} is not a whole number from 1")
    tenant = _open_tenant(flags)
    window = _parse_window(tenant, from_, till)
    frames = _read_frames(tenant, view, operator, window)
    _print_table(frames, view, int(limit))


@history.command()
@_window_options
@click.option("--format", "form", metavar="jsonl|csv|parquet", help="(by --output, else jsonl)")
@click.option("--output", "-o", metavar="FILE", help="A file instead of stdout.")
@setting_options(HISTORY_SETTINGS)
def export(
    view: str,
    operator: str | None,
    from_: str | None,
    till: str | None,
    form: str | None,
    output: str | None,
    **flags: str,
) -> None:
    """Write all calls of a window as JSON lines, CSV or Parquet."""
    from callmocks.cli.export import FORMATS, choose_format, write_frames

    if form is not None and form not in FORMATS:
        raise SettingsError(f"--format: {form!r} is none of {', '.join(FORMATS)}")
    output = None if output == "-" else output
    tenant = _open_tenant(flags)
    window = _parse_window(tenant, from_, till)
    frames = _show_progress(_read_frames(tenant, view, operator, window), tenant, window)
    write_frames(frames, choose_format(form, output), output)


@history.command()
@setting_options(HISTORY_SETTINGS)
def fingerprint(**flags: str) -> None:
    """Print the hash of the history's reference window: equal hashes, equal bytes."""
    tenant = _open_tenant(flags)
    from callmocks.history.fingerprint import compute_fingerprint as hashed

    click.echo(hashed(tenant.history))


def _open_tenant(flags: dict[str, str]) -> Tenant:
    """The tenant that ``serve`` would start with the same settings."""
    from callmocks.server.mock_server import DEFAULT_TENANT, open_registry

    tenant = open_registry(resolve_settings(flags, os.environ, HISTORY_SETTINGS)).get(
        DEFAULT_TENANT
    )
    assert tenant is not None
    return tenant


def _parse_window(tenant: Tenant, from_: str | None, till: str | None) -> ExportWindow:
    from callmocks.cli.history_views import ExportWindow, parse_time_ms
    from callmocks.history.walltime import datetime_to_ms

    now = datetime_to_ms(tenant.clock.now())
    till_ms = parse_time_ms(till, "--till", now)
    from_ms = parse_time_ms(from_, "--from", till_ms - _DAY_MS)
    if from_ms >= till_ms:
        raise SettingsError("--from: the window ends before it begins")
    return ExportWindow(from_ms, till_ms, now)


def _read_frames(
    tenant: Tenant, view: str, operator: str | None, window: ExportWindow
) -> Iterator[pl.DataFrame]:
    from callmocks.cli.history_views import check_operator, read_frames

    if view not in _VIEWS:
        raise SettingsError(f"--view: {view!r} is none of {', '.join(_VIEWS)}")
    return read_frames(tenant.history, view, check_operator(tenant.history, view, operator), window)


def _show_progress(
    frames: Iterator[pl.DataFrame], tenant: Tenant, window: ExportWindow
) -> Iterator[pl.DataFrame]:
    """The same frames, with a bar on stderr when that is a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (TextColumn("days"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    days = len(list(window.iter_days(tenant.history)))
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("days", total=days)
        for frame in frames:
            yield frame
            progress.advance(task)
        progress.update(task, completed=days)


def _format_cell(value: object) -> str:
    """A value as people read it: of lists and structures only what is in them."""
    if isinstance(value, dict):
        return " ".join(filter(None, map(_format_cell, value.values())))
    if isinstance(value, list):
        return ", ".join(map(_format_cell, value))
    return "" if value is None or value is False else str(value)


def _print_table(frames: Iterator[pl.DataFrame], view: str, limit: int) -> None:
    import polars as pl
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from callmocks.cli.history_views import VIEWS

    found: list[pl.DataFrame] = []
    rows = 0
    for frame in frames:
        found.append(frame.head(limit + 1 - rows))
        rows += found[-1].height
        if rows > limit:
            break
    if not rows:
        click.echo("no calls")
        return
    table = Table(show_edge=False, pad_edge=False)
    whole = pl.concat(found, how="vertical_relaxed").head(limit)
    brief = [name for name in VIEWS[view].brief_columns if name in whole.columns] or whole.columns
    for name in brief:
        table.add_column(name, justify="right" if whole[name].dtype.is_numeric() else "left")
    for row in whole.select(brief).iter_rows():
        table.add_row(*(Text(_format_cell(value)) for value in row))
    console = Console()
    if not console.is_terminal:
        console.width = 1000  # whoever reads from a pipe wants whole rows
    console.print(table)
    if rows > limit:
        click.echo(f"… and more: these are the first {limit}")
