"""A file of choices: ``[assumptions]``, then ``"cdr.error-limits" = "absent"`` for each."""

from pathlib import Path

from callmocks.config import toml
from callmocks.config.types import parse_readable_file
from callmocks.contract.assumptions import (
    Assumptions,
    describe_unknown_assumption,
    load_ledger,
)
from callmocks.errors import SettingsError

_TABLE = "assumptions"


def read_assumptions(path: Path) -> dict[str, str]:
    """``SettingsError`` names the file and the entry."""
    try:
        found = toml.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from None
    others = sorted(found.keys() - {_TABLE})
    choices = found.get(_TABLE)
    if others or not isinstance(choices, dict):
        got = f", got {others[0]!r}" if others else ""
        raise SettingsError(f"{path}: expected the table [{_TABLE}] and nothing else{got}")
    checked = Assumptions()
    for assumption, choice in choices.items():
        where = f'{path}: "{assumption}"'
        if isinstance(choice, dict):
            quoted = f'"{assumption}.{next(iter(choice), "NAME")}"'
            raise SettingsError(f"{where}: a table; write {quoted} = … in quotes")
        if assumption not in load_ledger():
            raise SettingsError(f"{where}: {describe_unknown_assumption(assumption)}")
        if not isinstance(choice, str):
            raise SettingsError(f"{where}: expected a text in quotes, got {choice!r}")
        try:
            checked.set_choice(assumption, choice)
        except SettingsError as error:
            reason = str(error).removeprefix(f"assumption {assumption}: ")
            raise SettingsError(f"{where}: {reason}") from None
    return checked.explicit_choices()


def parse_assumption_file(text: str) -> Path:
    path = parse_readable_file(text)
    read_assumptions(path)
    return path
