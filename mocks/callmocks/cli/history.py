from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from callmocks.cli.history_import import import_history
from callmocks.config import options
from callmocks.config.types import IntRange, ParsedText, parse_time
from callmocks.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl

    from callmocks.cli.history_views import ViewReader
    from callmocks.tenants.tenant import Tenant

F = TypeVar("F", bound="Callable[..., Any]")

_VIEWS = ("arm", "cdr-legs", "cdr-sessions", "onec", "truth")
_FORMATS = ("jsonl", "csv", "parquet")
_TIME = ParsedText(parse_time, "TIME")
# The environment holds settings alone.
_option = partial(click.option, allow_from_autoenv=False)


@click.group()
def history() -> None:
    pass


history.add_command(import_history)


def _window_options(command: F) -> F:
    for name, metavar, type, help in (
        ("--till", "TIME", _TIME, "Calls that start before it (now)."),
        ("--from", "TIME", _TIME, "Calls that start at it or later."),
        ("--operator", "NUMBER", click.STRING, "Whose workplace, in the view arm."),
    ):
        command = _option(name, metavar=metavar, type=type, help=help)(command)
    view = click.Choice(_VIEWS)
    return _option(
        "--view", metavar="|".join(_VIEWS), type=view, default="cdr-legs", help="(cdr-legs)"
    )(command)


@history.command(context_settings=options.CONTEXT_SETTINGS)
@_window_options
@_option(
    "--limit", metavar="NUMBER", type=IntRange(1), default=20, help="Rows to print at most (20)."
)
@options.setting_options(options.HISTORY_SETTINGS)
@click.pass_context
def show(context: click.Context, /, limit: int, **_: object) -> None:
    """Print the first calls of a window as a table; without times, of the last 24 hours."""
    _print_table(_open_view(context), limit)


@history.command(context_settings=options.CONTEXT_SETTINGS)
@_window_options
@_option(
    "--format",
    "file_format",
    metavar="|".join(_FORMATS),
    type=click.Choice(_FORMATS),
    help="(by --output, else jsonl)",
)
@_option("--output", "-o", metavar="FILE", help="A file instead of stdout.")
@_option("--bom", is_flag=True, help="CSV with a byte order mark, for Excel.")
@options.setting_options(options.HISTORY_SETTINGS)
@click.pass_context
def export(
    context: click.Context, /, file_format: str | None, output: str | None, bom: bool, **_: object
) -> None:
    """Write all calls of a window as JSON lines, CSV or Parquet."""
    from callmocks.cli.export import choose_format, write_frames

    output = None if output == "-" else output
    file_format = choose_format(file_format, output, bom)
    write_frames(_show_progress(_open_view(context)), file_format, output, bom)


@history.command(context_settings=options.CONTEXT_SETTINGS)
@options.setting_options(options.HISTORY_SETTINGS)
@click.pass_context
def fingerprint(context: click.Context, /, **_: object) -> None:
    """Print the hash of the history's reference window: equal hashes, equal bytes."""
    tenant = _open_tenant(context)
    from callmocks.history.fingerprint import compute_fingerprint

    click.echo(compute_fingerprint(tenant.history))


def _open_tenant(context: click.Context) -> Tenant:
    settings = options.make_settings(context)
    from callmocks.server.mock_server import DEFAULT_TENANT, open_registry

    tenant = open_registry(settings).get(DEFAULT_TENANT)
    assert tenant is not None
    return tenant


def _open_view(context: click.Context) -> ViewReader:
    from callmocks.cli.history_views import ViewReader, check_operator
    from callmocks.history.views.lists import LISTS
    from callmocks.history.walltime import datetime_to_ms

    tenant, params = _open_tenant(context), context.params
    now = tenant.clock.now()
    till = params["till"] or now
    start = params["from"] or till - timedelta(days=1)
    if start >= now:
        raise SettingsError(
            f"--from: nothing has happened yet at {start}; it is {now:%Y-%m-%d %H:%M:%S}"
        )
    if start >= till:
        raise SettingsError("--from: the window ends before it begins")
    operator = check_operator(tenant.history, params["view"], params["operator"], now.date())
    times = map(datetime_to_ms, (start, till, now))
    return ViewReader(tenant.history, LISTS[params["view"]], operator, *times)


def _show_progress(reader: ViewReader) -> Iterator[pl.DataFrame]:
    from rich import progress
    from rich.console import Console

    console, days = Console(stderr=True), len(reader.days)
    columns = (
        progress.TextColumn("days"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("days", total=days)
        for frame in reader.read_frames():
            yield frame
            bar.advance(task)
        bar.update(task, completed=days)


def _format_cell(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(filter(None, map(_format_cell, value.values())))
    if isinstance(value, list):
        return ", ".join(map(_format_cell, value))
    return "" if value is None or value is False else str(value)


def _print_table(reader: ViewReader, limit: int) -> None:
    import polars as pl
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    found: list[pl.DataFrame] = []
    rows = 0
    for frame in reader.read_frames():
        found.append(frame.head(limit + 1 - rows))
        rows += found[-1].height
        if rows > limit:
            break
    if not rows:
        click.echo("no calls")
        return
    table = Table(show_edge=False, pad_edge=False)
    whole = pl.concat(found, how="vertical_relaxed").head(limit)
    terminal = [column.name for column in reader.view.columns if column.terminal]
    brief = [name for name in terminal if name in whole.columns] or whole.columns
    for name in brief:
        table.add_column(name, justify="right" if whole[name].dtype.is_numeric() else "left")
    for row in whole.select(brief).iter_rows():
        table.add_row(*(Text(_format_cell(value)) for value in row))
    console = Console()
    if not console.is_terminal:
        console.width = 1000  # a pipe gets whole rows
    console.print(table)
    if rows > limit:
        click.echo(f"… and more: these are the first {limit}")
