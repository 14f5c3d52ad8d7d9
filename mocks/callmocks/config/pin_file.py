"""Calls pinned in bulk from a file: one JSON object a line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from callmocks.errors import Contradiction, SettingsError

if TYPE_CHECKING:
    from callmocks.history.pins import Pins


def pin_calls_from_file(pins: Pins, path: Path) -> int:
    """Pin every call of a JSON-lines file, all or none, and return how many there were.

    Blank lines are skipped. ``SettingsError`` names the file, the line and the field.
    """
    calls, lines = _read_calls(path)
    try:
        pins.add_many(calls)
    except Contradiction as error:
        place = re.fullmatch(r"\[(\d+)\]\.(.*)", error.field)
        line, field = (lines[int(place[1])], place[2]) if place else (lines[0], error.field)
        raise SettingsError(f"--calls: {path}: line {line}: {field}: {error.reason}") from None
    return len(calls)


def _read_calls(path: Path) -> tuple[list[dict[str, Any]], list[int]]:
    """The objects of the file and the lines (from 1) they stand on."""
    calls, lines = [], []
    try:
        text = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"--calls: {path}: {error.strerror}") from None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            calls.append(msgspec.json.decode(line, type=dict[str, Any]))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise SettingsError(f"--calls: {path}: line {number}: {error}") from None
        lines.append(number)
    return calls, lines
