"""XML with masked values, otherwise byte for byte the same: layout, prefixes, quotes, entities."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from callmocks.provider.harmless import UNDECLARED, FieldRule
from callmocks.verification.masking import ValueMasker, mask_parts

TOKEN = re.compile(
    r"<!--(?P<comment>.*?)-->|<!\[CDATA\[(?P<cdata>.*?)\]\]>|<\?(?P<instruction>.*?)\?>"
    r"|</(?P<closing>[^>]*)>|<(?P<opening>(?:[^\"'>]|\"[^\"]*\"|'[^']*')*)>|(?P<text>[^<]+)",
    re.DOTALL,
)
TAG_NAME = re.compile(r"[^\s/>]+")
ATTRIBUTE = re.compile(r"""([^\s=/"']+)(\s*=\s*)(?:"([^"]*)"|'([^']*)')""")
ENTITIES = re.compile(r"&#x[0-9a-fA-F]{1,6};|&#[0-9]{1,7};|&\w+;|.", re.DOTALL)
DECLARATION = re.compile(
    r"""xml\s+version\s*=\s*["']1\.0["'](?:\s+encoding\s*=\s*["'](?:utf-8|us-ascii)["'])?"""
    r"""(?:\s+standalone\s*=\s*["'](?:yes|no)["'])?\s*""",
    re.IGNORECASE,
)
TABLE_PARTS = ("column", "row")


@dataclass(slots=True)
class OpenElement:
    name: str  # without its prefix
    property_name: str = ""
    columns: list[str] = field(default_factory=list)  # of the table that it holds
    cells: int = 0  # of the row that it is


class XmlMasker:
    """Of one well-formed document without a document type: this is not checked again."""

    def __init__(self, values: ValueMasker, operation: str, *, in_answer: bool) -> None:
        self._values = values
        self._fields = values.fields
        self._columns = values.fields.find_columns(operation)
        self._in_answer = in_answer
        self._stack: list[OpenElement] = []

    def mask_text(self, document: str) -> str:
        return TOKEN.sub(self._mask_token, document)

    def _mask_token(self, token: re.Match[str]) -> str:
        kind = token.lastgroup
        content = token[kind] if kind else ""
        if kind == "text":
            return self._mask_content(content, entities=True)
        if kind == "opening":
            return f"<{self._open_element(content)}>"
        if kind == "closing":
            self._close_element()
            return f"</{self._mask_name(content.rstrip())}{content[len(content.rstrip()) :]}>"
        if kind == "cdata":
            return f"<![CDATA[{self._mask_content(content, entities=False)}]]>"
        if kind == "comment":
            return f"<!--{self._mask(UNDECLARED, content)}-->"
        if DECLARATION.fullmatch(content):
            return token[0]
        return f"<?{self._mask(UNDECLARED, content)}?>"

    def _open_element(self, tag: str) -> str:
        name = TAG_NAME.match(tag)
        spelt = name[0] if name else ""
        local = spelt.rpartition(":")[2]
        parent = self._stack[-1] if self._stack else None
        if parent is not None and local == "Value":
            parent.cells += 1
        element = OpenElement(local)
        mask = partial(self._mask_attribute, element)
        attributes = ATTRIBUTE.sub(mask, tag[len(spelt) :])
        if not tag.endswith("/"):
            self._stack.append(element)
        return self._mask_name(spelt) + attributes

    def _close_element(self) -> None:
        self._stack.pop()

    def _mask_attribute(self, element: OpenElement, attribute: re.Match[str]) -> str:
        name, equals, double, single = attribute.groups()
        raw, quote = (single, "'") if double is None else (double, '"')
        prefix, _, local = name.rpartition(":")
        rule = self._fields.find_rule("xmlns" if prefix == "xmlns" else local)
        if not prefix and local == "name":
            element.property_name = decode_entities(raw)
        value = mask_entities(raw, lambda text: self._mask(rule, text))
        return f"{self._mask_name(name)}{equals}{quote}{value}{quote}"

    def _mask_content(self, raw: str, *, entities: bool) -> str:
        if not raw.strip():
            return raw
        rule = self._find_rule(decode_entities(raw) if entities else raw)
        start, end = len(raw) - len(raw.lstrip()), len(raw.rstrip())
        inner = raw[start:end]
        masked = mask_entities(inner, lambda text: self._mask(rule, text)) if entities else ""
        return raw[:start] + (masked if entities else self._mask(rule, inner)) + raw[end:]

    def _find_rule(self, text: str) -> FieldRule:
        """Of a text in the innermost element."""
        if not self._stack:
            return UNDECLARED
        element = self._stack[-1]
        parent = self._stack[-2] if len(self._stack) > 1 else OpenElement("")
        if element.name == "Name" and parent.name == "column" and len(self._stack) > 2:
            self._stack[-3].columns.append(text.strip())
        if element.name != "Value" or parent.name in ("Code", "Subcode"):
            return self._fields.find_rule(element.name)
        if parent.name == "row" and len(self._stack) > 2:
            columns = self._stack[-3].columns
            column = columns[parent.cells - 1] if parent.cells <= len(columns) else ""
            return self._columns.get(column, UNDECLARED)
        return self._fields.find_rule(parent.property_name)

    def _mask_name(self, name: str) -> str:
        prefix, colon, local = name.rpartition(":")
        if prefix == "xmlns":
            return f"xmlns:{self._values.mask_prefix(local)}"
        masked = self._values.mask_name(local, in_answer=self._in_answer)
        return f"{self._values.mask_prefix(prefix)}:{masked}" if colon else masked

    def _mask(self, rule: FieldRule, text: str) -> str:
        return self._values.mask_value(rule, text, in_answer=self._in_answer)


def decode_entities(raw: str) -> str:
    return raw if "&" not in raw else "".join(map(_decode_entity, ENTITIES.findall(raw)))


def mask_entities(raw: str, mask: Callable[[str], str]) -> str:
    """``mask`` gets the plain text; a character reference has another one as its mask."""
    if "&" not in raw:
        return mask(raw)
    return mask_parts(ENTITIES.findall(raw), _decode_entity, _encode_entity, mask)


def _decode_entity(part: str) -> str:
    if part[:2] == "&#":
        code = int(part[3:-1], 16) if part[2] == "x" else int(part[2:-1])
        is_character = code <= sys.maxunicode and not 0xD800 <= code < 0xE000
        return chr(code) if is_character else "&"
    return "&" if len(part) > 1 else part


def _encode_entity(part: str, char: str) -> str:
    if part[:3] == "&#x":
        return f"&#x{ord(char):x};"
    return f"&#{ord(char)};" if part[:2] == "&#" else char
