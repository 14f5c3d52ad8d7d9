"""Findings that quote nothing of anybody's: harmless values, and what looks like an enumeration.

A text is taken apart into quoted texts and units between spaces. A unit stays when it is a name
or a word of the contract, a number that is no telephone number, a time, an id, or has the form of
an enumeration's value (``[a-z][a-z0-9_]{0,63}``); of all others the form is shown: ``xx9``.
"""

import re
from collections.abc import Callable
from typing import Final, Literal

from msgspec.structs import replace

from callmocks.contract.findings import Finding, mask_characters
from callmocks.provider.harmless import FieldRule, HarmlessFields, has_form
from callmocks.verification.masking import ALL_WORDS

_PART: Final = re.compile(
    r"(?P<time>\d{4}[-/]\d\d[-/]\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?![\w-]))"
    r"|(?P<uuid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?!\w))"
    r"|(?P<phone>(?<!\w)\+?\d(?:[ ().-]{0,3}\d){6,}(?!\w))"
    r'|"(?P<double>(?:[^"\\]|\\.)*)"|(?<!\w)\'(?P<single>[^\']*)\'(?!\w)'
    r"""|(?P<unit>[^\s"',;:()\[\]{}=<>/|@]+(?:@[^\s"',;:()\[\]{}=<>/|]+)*)""",
    re.DOTALL,
)
_RANGE: Final = re.compile(r"\d{1,3}-\d{1,3}", re.ASCII)  # of bytes
_FIELD: Final = re.compile(r"\w+(?=\W*$)")
# Of our own sentences, besides what has the form of an enumeration's value.
_OWN_WORDS: Final = frozenset({
    *("a", "an", "the", "A", "An", "The", "I", "none", "another", "others", "something", "else"),
    *("array", "object", "list", "null", "nil", "one", "more", "other", "neither", "either"),
    *("empty", "file", "closed", "connection", "connections", "bytes", "byte", "length", "id"),
    *("status", "page", "row", "rows", "request", "answer", "command", "header", "opcode"),
    *("messages", "upgrade", "no", "not", "and", "or", "of", "on", "from", "NULs", "SOAP"),
    *("XML", "JSON", "HTTP", "TLS", "UUID", "WSDL", "XSD", "DTD", "UTF-8", "ASCII", "Basic"),
    *("Content-Type", "Content-Encoding", "WWW-Authenticate", "JSON-RPC", "Erlang", "POST"),
    *("YYYY-MM-DD", "YYYY", "MM", "DD", "HH", "SS", "well-formed", "logged-in", "Fault"),
    *("SUCCESS", "utf-8", "soap+xml", "TEXT", "BINARY", "Null"),
})  # fmt: skip
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)


# What a text is: our own sentence, a path, a value, a value of a field that is somebody's.
TextRole = Literal["sentence", "path", "value", "personal"]


class FindingRedactor:
    """``is_secret`` knows credentials, ``hidden`` are words that a message had under a mask: with
    ``strict`` a name that only looks like an enumeration's value is none when it is among them.
    """

    def __init__(
        self,
        fields: HarmlessFields,
        is_secret: Callable[[str], bool] = lambda _: False,
        hidden: set[str] | None = None,
    ) -> None:
        self._fields = fields
        self._is_secret = is_secret
        self._hidden = set() if hidden is None else hidden
        self._strict = hidden is not None

    def redact(self, finding: Finding) -> Finding:
        field = _FIELD.search(finding.where)
        rule = self._fields.rules.get(field[0]) if field else None
        is_personal = rule is not None and rule.form is None and not rule.words
        return replace(
            finding,
            where=self.redact_text(finding.where, "path"),
            expected=self.redact_text(finding.expected, "sentence", rule),
            got=self.redact_text(finding.got, "personal" if is_personal else "value", rule),
        )

    def redact_text(
        self, text: str, role: TextRole = "value", rule: FieldRule | None = None
    ) -> str:
        """``rule`` is the one of the field that a value was found in."""

        def redact_part(part: re.Match[str]) -> str:
            whole = part[0]
            if part["time"] or part["uuid"]:
                shown = role != "personal"
            elif part["phone"]:
                shown = has_form("number", whole) and role != "personal"
            elif part["unit"]:
                # A name of several words is nobody's identifier.
                is_alone = role != "path" or not _has_neighbour(text, *part.span())
                shown = self._is_shown(whole.rstrip(".…?"), role if is_alone else "value", rule)
            else:
                quoted = part["double"] if part["double"] is not None else part["single"]
                shown = self._is_quotable(quoted, role, rule)
            return whole if shown else mask_characters(whole)

        return _PART.sub(redact_part, text)

    def _is_quotable(self, text: str, role: TextRole, rule: FieldRule | None) -> bool:
        """Whatever is quoted comes from a message, also in a sentence of our own."""
        role = "value" if role == "sentence" else role
        if self._is_shown(text, role, rule) or has_form("time", text):
            return True
        words = re.findall(r"\w+", text)
        known = self._fields.words | self._fields.names
        return bool(words) and all(word in known for word in words)

    def _is_shown(self, unit: str, role: TextRole, rule: FieldRule | None) -> bool:
        if self._is_secret(unit):
            return False
        if self._is_known(unit):
            return True
        if has_form("number", unit) or _RANGE.fullmatch(unit):
            return role != "personal"
        if "." in unit and role == "path":
            return all(self._is_shown(part, role, rule) for part in unit.split("."))
        if "." in unit:
            return all(self._is_known(part) or part.isdecimal() for part in unit.split("."))
        if rule is not None and rule.form and self._fields.allows(rule, unit, in_answer=True):
            return not self._is_hidden(unit)
        is_word = has_form("word", unit)
        if role == "path" and not self._strict:
            is_word = is_identifier(unit)
        return is_word and (role == "sentence" or not self._is_hidden(unit))

    def _is_hidden(self, unit: str) -> bool:
        return unit in self._hidden or ALL_WORDS in self._hidden

    def _is_known(self, unit: str) -> bool:
        is_sign = not any(char.isalnum() for char in unit)
        fields = self._fields
        return is_sign or unit in fields.names or unit in fields.words or unit in _OWN_WORDS


def _has_neighbour(text: str, start: int, end: int) -> bool:
    """Whether a word stands beside a word, with nothing but a space between them."""
    before, after = text[:start], text[end:]
    return bool(re.search(r"\w $", before) or re.match(r" \w", after))


def is_identifier(text: str) -> bool:
    return _IDENTIFIER.fullmatch(text) is not None
