"""The ledger of everything nobody outside the vendors knows, and what each tenant chose.

The ledger is ``schemas/assumptions.toml``. Code asks ``exchange.assume("cdr.sort-nulls")`` and
gets the tenant's choice; the journal then names the assumption, so that users learn where their
client leans on something nobody promised.
"""

import tomllib
from functools import cache

import msgspec

from callmocks.contract.resources import schema_path
from callmocks.errors import SettingsError


class Assumption(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the ledger.

    ``alternatives`` are the other choices; where the list holds ``"*"`` any text will do.
    """

    id: str
    provider: str
    statement: str
    why: str
    default: str
    alternatives: tuple[str, ...]


@cache
def load_ledger() -> dict[str, Assumption]:
    """All assumptions by id, in the ledger's order."""
    raw = tomllib.loads(schema_path("assumptions.toml").read_text(encoding="utf-8"))
    entries = msgspec.convert(raw["assumption"], list[Assumption])
    return {entry.id: entry for entry in entries}


@cache
def _load_defaults() -> dict[str, str]:
    return {entry.id: entry.default for entry in load_ledger().values()}


class Assumptions:
    """One tenant's choices."""

    def __init__(self, chosen: dict[str, str] | None = None) -> None:
        self._chosen: dict[str, str] = {}
        self.choices = _load_defaults().copy()
        """What this tenant holds true, by the assumption's id."""
        for assumption, choice in (chosen or {}).items():
            self.set_choice(assumption, choice)

    def get_choice(self, assumption: str) -> str:
        return self.choices[assumption]

    def set_choice(self, assumption: str, choice: str) -> None:
        """Choose the default or an alternative; ``SettingsError`` says what there is."""
        entry = load_ledger().get(assumption)
        if entry is None:
            raise SettingsError(f"no assumption {assumption!r} in the ledger")
        allowed = (entry.default, *entry.alternatives)
        if choice not in allowed and "*" not in entry.alternatives:
            known = ", ".join(allowed)
            raise SettingsError(f"assumption {assumption}: {choice!r} is none of {known}")
        self._chosen[assumption] = self.choices[assumption] = choice

    def copy(self) -> "Assumptions":
        """The same choices, to be changed without these."""
        return Assumptions(self._chosen)

    def explicit_choices(self) -> dict[str, str]:
        """Every choice that was made, the ledger's defaults among them."""
        return dict(self._chosen)

    def changed_choices(self) -> dict[str, str]:
        """Choices that differ from the ledger's defaults."""
        return {
            key: value for key, value in self._chosen.items() if value != load_ledger()[key].default
        }

    def reset(self) -> None:
        """Back to the ledger's defaults."""
        self._chosen.clear()
        self.choices = _load_defaults().copy()
