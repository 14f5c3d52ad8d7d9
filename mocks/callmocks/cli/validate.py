from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from callmocks.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callmocks.contract.findings import Finding
    from callmocks.verification.detect import ValidatedFile, ValidatedMessage

MAX_BYTES = 1024 * 1024 * 1024


contract_option = click.option(
    "--contract",
    type=click.Choice(("documented", "strict")),
    default="documented",
    help="ARM: whether what the vendor's own example breaks is tolerated (documented).",
)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@contract_option
@click.option("--json", "as_json", is_flag=True, help="As JSON, one object for each file.")
def validate(files: tuple[str, ...], contract: str, as_json: bool) -> None:
    """Prints what each file is, and where each violation is. ``-`` is stdin. Exit code 0: no
    violations, 1: some, 2: a file cannot be read.
    """
    from callmocks.verification import detect

    # All are read before anything is printed.
    validated = [(name, detect.validate_file(_read_file(name), contract)) for name in files]
    if as_json:
        print(json.dumps([detect.file_to_dict(*each) for each in validated], ensure_ascii=False))
    else:
        for name, file in validated:
            print("\n".join(_format_lines(name, file)))
    sys.exit(1 if any(file.violation_count for _, file in validated) else 0)


def _read_file(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read()
        path = Path(name)
        if path.stat().st_size > MAX_BYTES:
            raise SettingsError(f"{name}: longer than {MAX_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{name}: {error.strerror}") from None


def _format_lines(name: str, file: ValidatedFile) -> Iterator[str]:
    count = file.violation_count
    found = "no violations" if not count else f"{count} violation{'s' if count > 1 else ''}"
    yield f"{name}: {file.kind}: {found}"
    for each in file.messages:
        shown = [found for found in each.findings if not (each.line and found.tolerated)]
        if each.line and (shown or each.note):
            yield f"  line {each.line}: {each.result.title}"
        for finding in shown:
            yield f"    {finding}"
            yield f"      {finding.id}"
        if each.note:
            yield f"    {each.note}"
    tolerated = [each for each in file.messages if each.line and _tolerated_findings(each)]
    if tolerated:
        yield f"  and tolerated in {len(tolerated)} messages, first in line {tolerated[0].line}:"
        yield f"    {_tolerated_findings(tolerated[0])[0]}"


def _tolerated_findings(message: ValidatedMessage) -> list[Finding]:
    return [finding for finding in message.result.findings if finding.tolerated]
