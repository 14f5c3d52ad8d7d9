from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from callmocks.cli.check import FILE, write_output
from callmocks.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callmocks.verification.call_measures import CallMeasures
    from callmocks.verification.world_fit import FittedWorld

_SHOWN_SHARES = {
    "outgoing": "calls: outgoing",
    "internal": "calls: internal",
    "missed": "incoming calls: lost",
    "repeat": "lost calls: repeated",
    "transfer": "answered calls: transferred",
    "unknown_caller": "external calls: no known user",
}
_MAX_LISTED = 10


@click.group()
def world() -> None:
    pass


@world.command()
@click.argument("recording", type=FILE, metavar="FILE.jsonl")
@click.option("--output", "-o", type=FILE, required=True, metavar="FILE.toml", help="The world.")
def fit(recording: Path, output: Path) -> None:
    """Make a world whose calls resemble those of a CDR recording: by hour and weekday, waiting,
    talk, reasons, repeated calls and team. It needs the legs of 2 000 sessions; with fewer the exit
    code is 2.
    """
    from callmocks.verification.recorded_calls import read_recorded_calls
    from callmocks.verification.world_fit import fit_world

    if output.suffix != ".toml":
        raise SettingsError(f"--output: {output}: its name has to end in .toml")
    if output.resolve() == recording.resolve():
        raise SettingsError(f"--output: {output}: it is the recording")
    recorded = read_recorded_calls(recording)
    try:
        fitted = fit_world(recorded)
    except SettingsError as error:
        raise SettingsError(f"{recording}: {error}") from None
    write_output(fitted.text.encode(), output)
    click.echo("\n".join(_describe_fit(fitted)))
    for passed_over in recorded.passed_over[:_MAX_LISTED]:
        click.echo(f"passed over: {passed_over}")


def _describe_fit(fitted: FittedWorld) -> Iterator[str]:
    from callmocks.history.walltime import date_of_day

    first, last = date_of_day(fitted.days[0]), date_of_day(fitted.days[-1])
    days = "1 day" if len(fitted.days) == 1 else f"{len(fitted.days)} days"
    yield f"{fitted.recorded.sessions} sessions, {fitted.legs} legs, {days} of {first} … {last}"
    yield f"{'':34}{'recorded':>10}{'fitted':>10}"
    pair = fitted.recorded, fitted.generated
    for (name, one), (_, other) in zip(*map(_list_values, pair, [fitted] * 2), strict=True):
        yield f"{name:34}{one:>10}{other:>10}"
    distances = (f"{name} {value:.3f}" for name, value in fitted.distances.items())
    yield f"distance, 0 to 1: {', '.join(distances)}"
    if fitted.outside:
        yield f"left out: {fitted.outside} sessions at hours that no world has calls in"
    if fitted.as_default:
        yield f"too few recorded, as in the world default: {', '.join(fitted.as_default)}"


def _list_values(measures: CallMeasures, fitted: FittedWorld) -> Iterator[tuple[str, str]]:
    yield "sessions a day", f"{measures.sessions / len(fitted.days):.0f}"
    yield "operators who had calls", f"{measures.distinct['operators']}"
    yield "lines", f"{measures.distinct['lines']}"
    for name, text in _SHOWN_SHARES.items():
        part, whole = measures.shares[name]
        yield text, f"{part / whole:.1%}" if whole else "none"
    for name, text in (("wait", "waiting"), ("talk_ms", "talk")):
        seconds = measures.lengths[name]
        median = f"{seconds[len(seconds) // 2]} s" if len(seconds) else "none"
        yield f"{text}, half of them at most", median
