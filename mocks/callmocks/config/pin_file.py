"""Calls to pin, one JSON object a line; blank lines are skipped."""

import re
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any

from callmocks.config.validation import convert_document, read_json
from callmocks.errors import Contradiction, SettingsError
from callmocks.history.pins import Pins


def pin_calls_from_file(pins: Pins, path: Path) -> int:
    """Pin all calls of a file or none, and return how many there are.

    ``SettingsError`` names the file, the line and the field.
    """
    calls: list[dict[str, Any]] = []
    numbers: list[int] = []
    try:
        text = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"--calls: {path}: {error.strerror}") from None
    for number, line in enumerate(split_lines(text), 1):
        if not line.strip():
            continue
        try:
            calls.append(convert_document(read_json(line), dict[str, Any]))
        except (ValueError, RecursionError) as error:
            reason = str(error).removeprefix("$.")
            raise SettingsError(f"--calls: {path}: line {number}: {reason}") from None
        numbers.append(number)
    try:
        pins.add_many(calls)
    except Contradiction as error:
        index, field = locate_contradiction(error)
        source = f"--calls: {path}: line {numbers[index]}"
        raise SettingsError(f"{source}: {field}: {error.reason}") from None
    return len(calls)


def split_lines(text: bytes) -> list[bytes]:
    return text.removeprefix(BOM_UTF8).splitlines()


def locate_contradiction(error: Contradiction) -> tuple[int, str]:
    """The index of the call among many that were pinned together, and its field."""
    path = re.fullmatch(r"\[(\d+)\]\.(.*)", error.field)
    return (int(path[1]), path[2]) if path else (0, error.field)
