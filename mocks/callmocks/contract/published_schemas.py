"""The schemas and tables that users may take away: all files of ``schemas/``."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import NamedTuple

from callmocks.contract.resources import schema_path

MEDIA_TYPES = {
    ".xsd": "application/xml",
    ".wsdl": "application/xml",
    ".json": "application/json",
    ".csv": "text/csv",
    ".toml": "application/toml",
    ".txt": "text/plain",
}
# By a pattern of names; the first that fits.
_MEANINGS = {
    "arm/operator_call_history.xsd": "ARM: the vendor's XSD, byte for byte",
    "arm/*.documented.xsd": "ARM: the same with two edits by which its own answers are valid",
    "arm/*.xsd": "ARM: reconstructed or assumed, as a comment in it says",
    "cdr/openrpc.json": "CDR: OpenRPC of the served methods",
    "cdr/errors.csv": "CDR: errors and when they come",
    "cdr/*reason*.csv": "CDR: finish reasons, and what a row with one looks like",
    "cdr/release_causes.csv": "CDR: release causes of legs",
    "cdr/session_outcomes.csv": "CDR: outcomes of a call and the reason of its session",
    "cdr/*_fields.csv": "CDR: fields, their types, filters and sorts",
    "cdr/*.csv": "CDR: values, operators and components",
    "onec/*.wsdl": "1C: WSDL of the served operations; a service puts its address in for LOCATION",
    "onec/operations.toml": "1C: parameters, limits and columns of the served operations",
    "onec/operations.txt": "1C: the names of all operations",
    "assumptions.toml": "the ledger of assumptions",
    "scenario.json": "the JSON schema of scenario files",
}


class PublishedSchema(NamedTuple):
    """``name`` is the path below ``schemas/``."""

    name: str
    media_type: str
    meaning: str
    path: Path


@cache
def list_published() -> dict[str, PublishedSchema]:
    """By name, in its order."""
    root = schema_path("")
    paths = sorted(path for path in root.rglob("*") if path.suffix in MEDIA_TYPES)
    published = [_describe_file(path, path.relative_to(root).as_posix()) for path in paths]
    return {each.name: each for each in published}


def _describe_file(path: Path, name: str) -> PublishedSchema:
    meanings = (text for pattern, text in _MEANINGS.items() if fnmatchcase(name, pattern))
    return PublishedSchema(name, MEDIA_TYPES[path.suffix], next(meanings, ""), path)
