"""What of a provider's messages belongs to nobody: all else is masked before it is written.

Each provider declares it from its contract tables (``arm/harmless.py``, ``cdr/harmless.py``,
``onec/harmless.py``). A value stays when its field is declared and it has the form of the field;
so a telephone number in a field of durations is masked too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from callmocks.contract.cached_property import cached_property

# How a value that does not stay is masked; `year` keeps the year of a date.
MaskKind = Literal["text", "message", "secret", "number", "url", "tag", "year"]
ValueForm = Literal["number", "reference", "time", "flag", "uuid", "word", "code", "name", "zone"]

# Telephone numbers have 11 to 15 digits, or 10 without the country, mobile ones from 9 on.
_NUMBER: Final = r"-?(?:\d{1,9}|[0-8]\d{9})(?:\.\d{1,6})?"
_DATE: Final = r"\d{4}([-/])\d\d\1\d\d"
_CLOCK: Final = r"\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?"
_FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    "number": re.compile(_NUMBER, re.ASCII),
    "reference": re.compile(rf"{_NUMBER}|\d{{16,20}}", re.ASCII),
    "time": re.compile(rf"{_DATE}(?:[ T]{_CLOCK})?", re.ASCII),
    "flag": re.compile("true|false|0|1"),
    "uuid": re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII),
    "word": re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII),
    "code": re.compile(r"[A-Z][A-Z0-9_]{0,63}", re.ASCII),
}
# New values of enumerations and new codes are a provider's own words, never a client's.
_FORMS_OF_ANSWERS: Final = ("word", "code")
# Too short to name anybody: `ten` for a number.
_SHORT: Final = re.compile(r"[a-z]{1,3}")
_INDEX: Final = re.compile(r"\d{1,4}", re.ASCII)
_IDENTIFIER: Final = re.compile(r"[A-Za-z][A-Za-z_]*", re.ASCII)
_NAME_PART: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


class FieldRule(NamedTuple):
    form: ValueForm | None = None
    mask: MaskKind = "text"
    words: frozenset[str] = frozenset()  # texts that stay, besides those of the form


UNDECLARED: Final = FieldRule()


@dataclass(frozen=True)
class HarmlessFields:
    """``names`` are those of members, elements, attributes, types and operations; ``words`` those
    of the contract's own sentences; ``siblings`` the members whose value another member names.
    """

    names: frozenset[str]
    words: frozenset[str]
    operations: frozenset[str]
    rules: Mapping[str, FieldRule]
    siblings: Mapping[str, str] = field(default_factory=dict)
    find_columns: Callable[[str], Mapping[str, FieldRule]] = lambda _: {}
    is_zone: Callable[[str], bool] = lambda _: False

    @classmethod
    def empty(cls) -> HarmlessFields:
        """Of a message that is no provider's."""
        return cls(frozenset(), frozenset(), frozenset(), {})

    def find_rule(self, name: str) -> FieldRule:
        return self.rules.get(name, UNDECLARED)

    def is_declared_name(self, name: str, *, in_answer: bool = False) -> bool:
        """A provider's new field is made of its words: ``call_rating``, ``CallRating``."""
        if name in self.names:
            return True
        if not in_answer or not _IDENTIFIER.fullmatch(name):
            return False
        parts = _NAME_PART.findall(name)
        return len(parts) > 1 and any(part.lower() in self.name_parts for part in parts)

    @cached_property
    def name_parts(self) -> frozenset[str]:
        parts = (part.lower() for name in self.names for part in _NAME_PART.findall(name))
        return frozenset(part for part in parts if len(part) > 2)

    def allows(self, rule: FieldRule, text: str, *, in_answer: bool) -> bool:
        """Whether a value may be written as it is."""
        if not text or text in rule.words:
            return True
        if rule.form == "name":
            return all(part in self.names or _INDEX.fullmatch(part) for part in split_name(text))
        if rule.form == "zone":
            return self.is_zone(text)
        if rule.form is not None and _SHORT.fullmatch(text):
            return True
        if rule.form is None or (rule.form in _FORMS_OF_ANSWERS and not in_answer):
            return False
        return _FORMS[rule.form].fullmatch(text) is not None


def split_name(text: str) -> list[str]:
    """The parts of a dotted path or of a name with a prefix."""
    return re.split("[.:]", text)


def has_form(form: ValueForm, text: str) -> bool:
    return _FORMS[form].fullmatch(text) is not None


def split_words(*texts: str) -> frozenset[str]:
    return frozenset(word for text in texts for word in re.findall(r"[^\W\d_]+", text))
