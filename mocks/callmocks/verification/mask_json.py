"""JSON with masked values, otherwise byte for byte the same: spaces, escapes, order of members."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from callmocks.provider.harmless import UNDECLARED, FieldRule
from callmocks.verification.masking import ValueMasker, mask_parts

STRING = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
TOKEN = re.compile(
    rf"{STRING}(?P<colon>\s*:)?|(?P<number>-?\d[\d.eE+-]*)|(?P<bracket>[{{}}\[\]])|[^\"\d{{}}\[\]-]+",
    re.DOTALL,
)
ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL
)
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(slots=True)
class Container:
    """An object, or an array, whose members belong to the ``key`` it stands under."""

    is_object: bool
    key: str = ""
    names: dict[str, str] = field(default_factory=dict)  # members that name others' fields
    waiting: list[tuple[int, str, str, bool]] = field(default_factory=list)


class JsonMasker:
    """Of one message that is JSON: this is not checked again."""

    def __init__(self, values: ValueMasker, *, in_answer: bool) -> None:
        self._values = values
        self._fields = values.fields
        self._in_answer = in_answer
        self._stack: list[Container] = []
        self._output: list[str] = []

    def mask_text(self, text: str) -> str:
        for match in TOKEN.finditer(text):
            if match["colon"]:
                self._add_key(match)
            elif match[1] is not None:
                self._add_value(match[1], is_number=False)
            elif match["number"]:
                self._add_value(match["number"], is_number=True)
            else:
                self._output.append(match[0])
                if match["bracket"]:
                    self._enter_or_leave(match["bracket"])
        return "".join(self._output)

    def _add_key(self, match: re.Match[str]) -> None:
        name = decode_string(match[1])
        if self._stack:
            self._stack[-1].key = name
        mask = self._values.mask_name
        masked = mask_escaped(match[1], lambda text: mask(text, in_answer=self._in_answer))
        self._output.append(f'"{masked}"{match["colon"]}')

    def _add_value(self, raw: str, *, is_number: bool) -> None:
        key = self._stack[-1].key if self._stack else ""
        owner = next((each for each in reversed(self._stack) if each.is_object), None)
        if owner is not None and not is_number and key in self._fields.siblings.values():
            owner.names[key] = decode_string(raw)
        if owner is not None and key in self._fields.siblings:
            owner.waiting.append((len(self._output), key, raw, is_number))
            self._output.append("")
            return
        self._output.append(self._mask(self._fields.find_rule(key), raw, is_number))

    def _enter_or_leave(self, bracket: str) -> None:
        if bracket in "{[":
            key = self._stack[-1].key if self._stack else ""
            self._stack.append(Container(bracket == "{", "" if bracket == "{" else key))
            return
        container = self._stack.pop()
        for position, key, raw, is_number in container.waiting:
            named = container.names.get(self._fields.siblings[key])
            rule = self._fields.find_rule(named) if named else UNDECLARED
            self._output[position] = self._mask(rule, raw, is_number)

    def _mask(self, rule: FieldRule, raw: str, is_number: bool) -> str:
        in_answer = self._in_answer
        if is_number:
            return self._values.mask_number(rule, raw, in_answer=in_answer)
        mask = self._values.mask_value
        return f'"{mask_escaped(raw, lambda text: mask(rule, text, in_answer=in_answer))}"'


def decode_string(raw: str) -> str:
    return raw if "\\" not in raw else "".join(map(_decode_escape, ESCAPES.findall(raw)))


def mask_escaped(raw: str, mask: Callable[[str], str]) -> str:
    """``mask`` gets the plain text; an escaped character has an escaped mask."""
    if "\\" not in raw:
        return mask(raw)
    return mask_parts(ESCAPES.findall(raw), _decode_escape, _encode_escape, mask)


def _decode_escape(part: str) -> str:
    if len(part) == 12:
        units = bytes.fromhex(part[2:6] + part[8:])
        return units.decode("utf-16-be")
    if len(part) == 6:
        return chr(int(part[2:], 16))
    return ESCAPED.get(part[1], part[1]) if len(part) == 2 else part


def _encode_escape(part: str, char: str) -> str:
    if len(part) == 1:
        return char
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
