"""The ledger of what is unknown outside the vendors, ``schemas/assumptions.toml``, and choices."""

import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from callmocks.contract.column_list import parse_columns
from callmocks.contract.quoting import quote_text
from callmocks.contract.resources import schema_path
from callmocks.contract.similar_names import suggest_name
from callmocks.contract.xml import FORBIDDEN_IN_LINE
from callmocks.errors import SettingsError

MAX_CHOICE_CHARS = 2000


class Assumption(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``alternatives`` are the other choices; with ``"*"`` among them, any text is one.

    Without alternatives ``no_alternative`` says why there are none. With ``fields``, by type, a
    choice is a list of columns that show them.
    """

    id: str
    provider: str
    topic: str
    statement: str
    why: str
    default: str
    alternatives: tuple[str, ...] = ()
    no_alternative: str = ""
    fields: dict[str, str] = {}


@cache
def load_ledger() -> dict[str, Assumption]:
    entries = msgspec.convert(_parse_ledger(), list[Assumption])
    return {entry.id: entry for entry in entries}


def _parse_ledger() -> list[dict[str, Any]]:
    text = schema_path("assumptions.toml").read_text(encoding="utf-8")
    entries: list[dict[str, Any]] = tomllib.loads(text)["assumption"]
    return entries


@cache
def load_default_choices() -> Mapping[str, str]:
    """By the id of the assumption."""
    # All that answers need of a long text, of which the ledger is made when somebody reads it.
    return {entry["id"]: entry["default"] for entry in _parse_ledger()}


def describe_unknown_assumption(name: str) -> str:
    hint = suggest_name(name, load_ledger())
    return f"there is no assumption {quote_text(name)} in the ledger; {hint}"


def _check_text(choice: str) -> None:
    # It goes into answers, most of which are XML.
    if len(choice) > MAX_CHOICE_CHARS:
        raise SettingsError(f"it has {len(choice)} characters, more than {MAX_CHOICE_CHARS}")
    if found := FORBIDDEN_IN_LINE.search(choice):
        raise SettingsError(f"it holds {found[0]!r}, which no line of XML can hold")


class Assumptions:
    def __init__(self, chosen: dict[str, str] | None = None) -> None:
        self._chosen: dict[str, str] = {}
        self.choices = dict(load_default_choices())  # by the id of the assumption
        for assumption, choice in (chosen or {}).items():
            self.set_choice(assumption, choice)

    def set_choice(self, assumption: str, choice: str) -> None:
        """``SettingsError`` lists the choices that there are, or names the column at fault."""
        entry = load_ledger().get(assumption)
        if entry is None:
            raise SettingsError(describe_unknown_assumption(assumption))
        allowed = (entry.default, *entry.alternatives)
        if choice not in allowed and "*" not in entry.alternatives:
            known = ", ".join(allowed)
            raise SettingsError(f"assumption {assumption}: {quote_text(choice)} is none of {known}")
        try:
            if "*" in entry.alternatives:
                _check_text(choice)
            if entry.fields:
                parse_columns(choice, entry.fields)
        except SettingsError as error:
            raise SettingsError(f"assumption {assumption}: {error}") from None
        self._chosen[assumption] = self.choices[assumption] = choice

    def copy(self) -> "Assumptions":
        return Assumptions(self._chosen)

    def explicit_choices(self) -> dict[str, str]:
        """Those that were set, defaults among them."""
        return dict(self._chosen)

    def changed_choices(self) -> dict[str, str]:
        defaults = load_default_choices()
        return {key: value for key, value in self._chosen.items() if value != defaults[key]}

    def reset(self) -> None:
        self._chosen.clear()
        self.choices = dict(load_default_choices())
