"""Columns of a table as text, the choice of an assumption: ``ClientID string?, Name string(50)``.

A column is its name, its type with qualifiers in brackets, and ``?`` when its type lists Null. It
shows the field of its name, or another one: ``TaxNumber=INN string(12)``; ``none`` is always empty.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from callmocks.errors import SettingsError

NO_FIELD: Final = "none"
MAX_COLUMNS: Final = 100
_NAME: Final = r"[A-Za-zА-Яа-яЁё_][A-Za-zА-Яа-яЁё0-9_]*"
_COLUMN: Final = re.compile(
    rf"(?P<name>{_NAME})(?:=(?P<field>{_NAME}))?\s+"
    r"(?P<type>[A-Za-z]+)(?:\((?P<qualifiers>[^()]*)\))?(?P<nullable>\?)?"
)
_FORM: Final = "NAME TYPE or NAME=FIELD TYPE, such as ClientID string? or Name string(50)"
_INTEGER: Final = re.compile(r"[0-9]{1,4}")
# By type: what its qualifiers may be, in order; a pattern or words, the first word being implied.
_QUALIFIERS: Final[Mapping[str, tuple[re.Pattern[str] | tuple[str, ...], ...]]] = {
    "string": (_INTEGER, ("Variable", "Fixed")),
    "decimal": (_INTEGER, _INTEGER, ("Any", "Nonnegative")),
    "dateTime": (("DateTime", "Date", "Time"),),
    "boolean": (),
}


class ListedColumn(NamedTuple):
    """``qualifiers`` are complete, in the order of the core schema's elements."""

    name: str
    field: str
    type: str
    qualifiers: tuple[str, ...]
    nullable: bool


def parse_columns(text: str, fields: Mapping[str, str]) -> list[ListedColumn]:
    """``fields`` are those there are, by type; ``SettingsError`` names the column."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > MAX_COLUMNS:
        raise SettingsError(f"{len(parts)} columns, where {MAX_COLUMNS} are the most")
    columns: list[ListedColumn] = []
    for number, part in enumerate(parts, 1):
        try:
            column = _parse_column(part, fields)
            if column.name in {other.name for other in columns}:
                raise SettingsError(f"the name {column.name} is there already")
        except SettingsError as error:
            raise SettingsError(f"column {number} ({part[:80]!r}): {error}") from None
        columns.append(column)
    return columns


def format_column(name: str, kind: str, qualifiers: tuple[str, ...], nullable: bool) -> str:
    """A column in the notation, without qualifiers that go without saying."""
    said = list(qualifiers)
    while said and said[-1] == _get_implied(_QUALIFIERS[kind][len(said) - 1]):
        said.pop()
    brackets = f"({' '.join(said)})" if said else ""
    return f"{name} {kind}{brackets}{'?' if nullable else ''}"


def _parse_column(text: str, fields: Mapping[str, str]) -> ListedColumn:
    match = _COLUMN.fullmatch(text)
    if match is None:
        raise SettingsError(f"expected {_FORM}")
    name, kind = match["name"], match["type"]
    field = match["field"] or name
    if kind not in _QUALIFIERS:
        raise SettingsError(f"no type {kind}; there are {', '.join(_QUALIFIERS)}")
    if field not in fields and field != NO_FIELD:
        known = ", ".join(fields)
        form = "" if match["field"] else f", as {name}=FIELD or {name}={NO_FIELD}"
        raise SettingsError(f"no field {field}; there are {known}{form}")
    own_type = {"uuid": "string"}.get(fields.get(field, kind), fields.get(field, kind))
    if kind not in (own_type, "string"):
        allowed = " or ".join(dict.fromkeys((own_type, "string")))
        raise SettingsError(f"{field} can be shown as {allowed}, not as {kind}")
    words = (match["qualifiers"] or "").split()
    if match["qualifiers"] is not None and not words:
        raise SettingsError("empty brackets")
    qualifiers = tuple(_complete_qualifiers(kind, words))
    return ListedColumn(name, field, kind, qualifiers, match["nullable"] is not None)


def _complete_qualifiers(kind: str, words: list[str]) -> Iterator[str]:
    rules = _QUALIFIERS[kind]
    if len(words) > len(rules):
        raise SettingsError(f"{kind} has at most {len(rules)} qualifiers")
    for position, rule in enumerate(rules):
        word = words[position] if position < len(words) else _get_implied(rule)
        if isinstance(rule, re.Pattern):
            if rule.fullmatch(word) is None:
                raise SettingsError(f"qualifier {word!r} of {kind} is no number up to 9999")
            word = str(int(word))
        elif word not in rule:
            raise SettingsError(f"qualifier {word!r} of {kind} is none of {', '.join(rule)}")
        yield word


def fits_notation(kind: str, qualifiers: tuple[str, ...]) -> bool:
    rules = _QUALIFIERS.get(kind)
    return rules is not None and len(rules) == len(qualifiers)


def _get_implied(rule: re.Pattern[str] | tuple[str, ...]) -> str:
    return "0" if isinstance(rule, re.Pattern) else rule[0]
