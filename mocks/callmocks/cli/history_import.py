from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from callmocks.cli.check import FILE
from callmocks.errors import SettingsError

if TYPE_CHECKING:
    from callmocks.verification.history_import import ImportedHistory
    from callmocks.verification.recorded_calls import RecordedCalls

_MAX_LISTED = 10


@click.command("import")
@click.argument("recording", type=FILE, metavar="FILE.jsonl")
@click.option("--output", type=FILE, required=True, metavar="FILE.jsonl", help="The calls to pin.")
@click.option(
    "--world-output", type=FILE, required=True, metavar="FILE.toml", help="The world they need."
)
@click.option(
    "--map-output",
    type=FILE,
    metavar="FILE.json",
    help="Recorded and new ids, and what was left out (OUTPUT.map.json).",
)
def import_history(
    recording: Path, output: Path, world_output: Path, map_output: Path | None
) -> None:
    """Turn the sessions and legs of a CDR recording into pinned calls and the world they need, for
    `serve --calls FILE.jsonl --world FILE.toml`. Exit code 2: no call can be imported.
    """
    from callmocks.verification.history_import import import_calls, write_file
    from callmocks.verification.recorded_calls import read_recorded_calls

    map_output = map_output or output.with_suffix(".map.json")
    paths = {"--output": output, "--world-output": world_output, "--map-output": map_output}
    if len({path.resolve() for path in (recording, *paths.values())}) < len(paths) + 1:
        raise SettingsError(f"{', '.join(paths)}: give a file of its own for each")
    if world_output.suffix != ".toml":
        raise SettingsError(f"--world-output: {world_output}: its name has to end in .toml")
    recorded = read_recorded_calls(recording)
    try:
        result = import_calls(recorded)
    except SettingsError as error:
        raise SettingsError(f"{recording}: {error}") from None
    contents = (result.render_calls(), result.world.encode(), result.render_map().encode())
    for (flag, path), content in zip(paths.items(), contents, strict=True):
        write_file(path, content, flag)
    click.echo(_describe_result(result, recorded))


def _describe_result(result: ImportedHistory, recorded: RecordedCalls) -> str:
    first, last = result.calls[0]["start"][:10], result.calls[-1]["start"][:10]
    counts = ", ".join(f"{count} {name}" for name, count in result.summary.items() if count)
    lines = [
        f"{_count(len(result.calls), 'call')} of {first} … {last}, {len(result.legs)} legs",
        f"world: {counts}",
    ]
    if result.strangers:
        numbers = [number for number, _ in result.strangers.most_common()]
        calls = _count(result.strangers.total(), "call")
        lines.append(f"strangers: {len(numbers)} in {calls}: {_join_some(numbers)}")
    if result.skipped:
        skipped = [f"session {session}: {why}" for session, why in result.skipped.items()]
        lines.append(f"not imported: {_count(len(skipped), 'call')}: {_join_some(skipped)}")
    lines += [f"passed over: {each}" for each in recorded.passed_over[:_MAX_LISTED]]
    if len(recorded.passed_over) > _MAX_LISTED:
        lines.append(f"passed over: {len(recorded.passed_over) - _MAX_LISTED} exchanges more")
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _join_some(texts: list[str]) -> str:
    more = f", and {len(texts) - _MAX_LISTED} more" if len(texts) > _MAX_LISTED else ""
    return ", ".join(texts[:_MAX_LISTED]) + more
