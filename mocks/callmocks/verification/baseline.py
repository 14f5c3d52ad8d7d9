"""A baseline: a TOML file with the ids of known findings, and why each of them is accepted."""

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from callmocks.config import toml
from callmocks.config.types import PROVIDER_NAMES
from callmocks.config.validation import Misfit, convert_document
from callmocks.errors import SettingsError

UNEXPLAINED = "not explained yet"
_ID = re.compile(r"[^/\s]+/[^/\s]+/\S+")
_HEADER = """\
# Known findings of `callmocks check --baseline`: any other one fails, and so does one of these that
# is gone. Say why each is accepted.
"""


class KnownFinding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    why: str = UNEXPLAINED


class BaselineFile(msgspec.Struct, forbid_unknown_fields=True):
    finding: list[KnownFinding] = []


def read_baseline(path: Path, option: str) -> dict[str, KnownFinding]:
    """By id; ``SettingsError`` names the file and the entry."""
    source = f"{option}: {path}"
    try:
        raw = toml.parse(path.read_text(encoding="utf-8"))
        entries = convert_document(raw, BaselineFile).finding
    except OSError as error:
        raise SettingsError(f"{source}: {error.strerror}") from None
    except Misfit as misfit:
        raise SettingsError(f"{source}: {_format_place(misfit.path)}{misfit.reason}") from None
    except ValueError as error:
        raise SettingsError(f"{source}: {error}") from None
    found: dict[str, KnownFinding] = {}
    for number, entry in enumerate(entries, 1):
        if not _ID.fullmatch(entry.id):
            text = (
                f"{entry.id!r} is not like cdr/legs/get.call_legs_report/result, as check shows it"
            )
            raise SettingsError(f"{source}: finding {number}: id: {text}")
        provider = entry.id.partition("/")[0]
        if provider not in PROVIDER_NAMES:
            names = ", ".join(PROVIDER_NAMES)
            raise SettingsError(f"{source}: finding {number}: id: {provider!r} is none of {names}")
        if entry.id in found:
            raise SettingsError(f"{source}: {entry.id}: it is listed twice")
        found[entry.id] = entry
    return found


def write_baseline(path: Path, entries: Iterable[KnownFinding]) -> None:
    parts = [_HEADER]
    for entry in sorted(entries, key=lambda each: each.id):
        parts.append(f"\n[[finding]]\nid = {toml.quote(entry.id)}\nwhy = {toml.quote(entry.why)}\n")
    try:
        path.write_text("".join(parts), encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"--write-baseline: {path}: {error.strerror}") from None


def _format_place(where: str) -> str:
    """``$.finding[0].id`` as ``finding 1: id``."""
    place = re.fullmatch(r"\$\.finding\[(\d+)\](?:\.(\w+))?", where)
    if place is None:
        return ""
    return f"finding {int(place[1]) + 1}: " + (f"{place[2]}: " if place[2] else "")
