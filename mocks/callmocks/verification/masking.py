"""Messages without credentials, names and telephone numbers, otherwise byte for byte the same.

Values are found by the names of fields in the text itself, so that a message which no parser
accepts is masked too, and lengths that a message declares of itself stay right::

    "employee_full_name": "Иванов П."   JSON member or attribute of a frame   ─┐
    remote_digits="79161234567"         attribute of a document               ─┼─▶ Cipher
    <Value …>Иванов</Value>             cell of a table, by its column        ─┘

Ids stay as they are, except those that give access to a voice record.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from callmocks.arm import tag
from callmocks.provider.base import MaskKind, Provider
from callmocks.verification.cipher import Cipher

MaskFunction = Callable[[str], str]

MIN_SECRET_LENGTH = 6  # shorter credentials are masked in their own field only
PHONE = r"(?<![\w.-])\+?7\d{10}(?![\w-])"
FREE_PHONE = re.compile(PHONE)
# Patterns take linear time: a string without an end goes on to the end of the text, and a name is
# matched from its first character only.
STRING_CONTENT = r'[^"\\]*+(?:\\(?:.|\Z)[^"\\]*+)*+'
JSON_MEMBER = re.compile(
    rf'"(?P<key>\w+)"(?P<between>\s*:\s*)"(?P<value>{STRING_CONTENT})(?P<end>"|\Z)'
    r'|"(?P<list>(?:call|wav_call|voice_mail)_records)"(?P<open>\s*:\s*\[)(?P<items>[^\]]*)'
    rf'|"(?P<bare>{STRING_CONTENT})(?P<close>"|\Z)',
    re.DOTALL,
)
XML_ATTRIBUTE = re.compile(
    r"""(?<![\w.:-])(?P<key>[\w.:-]++)(?P<between>\s*+=\s*+)"""
    r"""(?:"(?P<double>[^"<]*)(?P<end>"|\Z)|'(?P<single>[^'<]*)(?P<close>'|\Z))"""
    r"|(?P<opening><url>)(?P<url>[^<]*)"
    rf"|(?P<phone>{PHONE})"
)
JSON_STRING = re.compile(rf'"({STRING_CONTENT})("|\Z)', re.DOTALL)
JSON_CHARS = re.compile(r"\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL)
XML_CHARS = re.compile(r"&#x[0-9a-fA-F]+;|&#[0-9]+;|&\w+;|.", re.DOTALL)
TABLE_COLUMN = re.compile(r"<(?:\w+:)?column>\s*<(?:\w+:)?Name>([^<]*)<")
TABLE_ROW = re.compile(r"<(?:\w+:)?row>.*?(?:</(?:\w+:)?row>|\Z)", re.DOTALL)
TABLE_CELL = re.compile(r"(<(?:\w+:)?Value\b[^<>]*?)(?:/>|>([^<]*))")
RESPONSE_ELEMENT = re.compile(r"<(?:\w+:)?(\w+)Response[\s>]")


class Notation(NamedTuple):
    escape: str
    characters: re.Pattern[str]
    decode: Callable[[str], str]
    encode: Callable[[str, str], str]  # original as written, masked

    def mask(self, raw: str, mask: MaskFunction) -> str:
        if self.escape not in raw:
            return mask(raw)
        parts = self.characters.findall(raw)
        plain = "".join(map(self.decode, parts))
        triples = zip(parts, plain, mask(plain), strict=False)
        return "".join(part if a == b else self.encode(part, b) for part, a, b in triples)


class MessageMasker:
    def __init__(self, key: bytes, provider: Provider) -> None:
        self.cipher = Cipher(key)
        self.provider = provider
        self._known_secrets: dict[str, str] = {}
        self._masks: dict[MaskKind, MaskFunction] = {
            "secret": self._mask_secret,
            "name": self.cipher.mask_name,
            "number": self.cipher.mask_number,
            "url": self._mask_url,
            "tag": self._mask_tag,
            "year": partial(re.sub, r"^(\s*\d{4})-\d\d-\d\d", r"\1-01-01"),
        }

    def mask_message(self, body: bytes, filter_names: Collection[str] = ()) -> bytes:
        """``filter_names`` are those of ``Provider.find_filter_names``."""
        text = body.decode("utf-8", "replace")  # what is not UTF-8 is lost
        if self.provider.masks_table_cells:
            masked = self._mask_table(text)
        elif text.lstrip()[:1] == "<":
            masked = XML_ATTRIBUTE.sub(partial(self._mask_attribute, filter_names), text)
        else:
            masked = JSON_MEMBER.sub(partial(self._mask_member, filter_names), text)
        return self._replace_known_secrets(masked).encode("utf-8", "surrogatepass")

    def mask_free_text(self, text: str) -> str:
        """Telephone numbers and known credentials, in a text of unknown form."""
        text = self._replace_known_secrets(text)
        return FREE_PHONE.sub(lambda match: self.cipher.mask_number(match[0]), text)

    def _replace_known_secrets(self, text: str) -> str:
        for secret, masked in self._known_secrets.items():
            text = text.replace(secret, masked)
        return text

    def _get_mask(self, field: str, operation: str = "") -> MaskFunction | None:
        kind = self.provider.mask_kind(field, operation)
        return None if kind is None else self._masks[kind]

    def _mask_value(self, field: str, filter_names: Collection[str], text: str) -> str:
        mask = self._get_mask(field)
        if mask is None and text in filter_names:
            mask = self.cipher.mask_name
        if mask is not None:
            return mask(text)
        return text if field == "call_ref" else self.mask_free_text(text)

    def _mask_member(self, filter_names: Collection[str], match: re.Match[str]) -> str:
        if match["list"]:
            mask_hex = self.cipher.mask_hex
            items = JSON_STRING.sub(lambda m: f'"{mask_hex(m[1])}{m[2]}', match["items"])
            return f'"{match["list"]}"{match["open"]}{items}'
        mask = partial(self._mask_value, match["key"] or "", filter_names)
        if match["bare"] is not None:
            return f'"{JSON.mask(match["bare"], mask)}{match["close"]}'
        value = JSON.mask(match["value"], mask)
        return f'"{match["key"]}"{match["between"]}"{value}{match["end"]}'

    def _mask_attribute(self, filter_names: Collection[str], match: re.Match[str]) -> str:
        if match["phone"]:
            return self.cipher.mask_number(match["phone"])
        if match["opening"]:
            return match["opening"] + self._mask_url(match["url"])
        mask = partial(self._mask_value, match["key"], filter_names)
        if match["single"] is None:
            value = f'"{XML.mask(match["double"], mask)}{match["end"]}'
        else:
            value = f"'{XML.mask(match['single'], mask)}{match['close']}"
        return f"{match['key']}{match['between']}{value}"

    def _mask_table(self, text: str) -> str:
        """Cells of personal columns; in a table without any, telephone numbers."""
        response = RESPONSE_ELEMENT.search(text)
        operation = response[1] if response else ""
        masks = [self._get_mask(name, operation) for name in TABLE_COLUMN.findall(text)]
        first = TABLE_ROW.search(text)
        if first is None or not any(masks):
            return self.mask_free_text(text)
        rows = TABLE_ROW.sub(lambda row: self._mask_row(row[0], masks), text[first.start() :])
        return text[: first.start()] + rows

    def _mask_row(self, row: str, masks: list[MaskFunction | None]) -> str:
        columns = iter(masks)

        def mask_cell(cell: re.Match[str]) -> str:
            mask = next(columns, None)
            if cell[2] is None or mask is None:
                return cell[0]
            return f"{cell[1]}>{XML.mask(cell[2], mask)}"

        return TABLE_CELL.sub(mask_cell, row)

    def _mask_secret(self, text: str) -> str:
        masked = self.cipher.mask_secret(text)
        if len(text) >= MIN_SECRET_LENGTH:
            self._known_secrets[text] = masked
        return masked

    def _mask_url(self, text: str) -> str:
        head, slash, last = text.rpartition("/")
        stem, dot, suffix = last.partition(".")
        return head + slash + self.cipher.mask_hex(stem) + dot + suffix

    def _mask_tag(self, text: str) -> str:
        """A paging tag contains the filters of its first request."""
        try:
            cursor = tag.decode(text)
        except tag.TagError:
            return self._mask_foreign_tag(text)
        filters = tuple((name, (self._get_mask(name) or str)(v)) for name, v in cursor.filters)
        return tag.encode(replace(cursor, filters=filters))

    def _mask_foreign_tag(self, text: str) -> str:
        """A tag of a real ARM: numbers and Cyrillic words in it, with their lengths kept."""
        try:
            data = b64decode(text, validate=True)
        except (Base64Error, ValueError):
            return self.mask_free_text(text)
        data = re.sub(rb"7\d{10}", lambda n: self.cipher.mask_number(n[0].decode()).encode(), data)
        words = rb"(?:[\xd0\xd1][\x80-\xbf])+"  # each of them is UTF-8
        data = re.sub(words, lambda w: self.cipher.mask_name(w[0].decode()).encode(), data)
        return b64encode(data).decode()


def _decode_json_char(part: str) -> str:
    if len(part) == 6:
        return chr(int(part[2:], 16))
    return "\\" if len(part) == 2 else part


def _encode_json_char(part: str, masked: str) -> str:
    return f"\\u{ord(masked):04x}" if len(part) == 6 else masked


def _decode_xml_char(part: str) -> str:
    if part[:3] == "&#x":
        return chr(int(part[3:-1], 16))
    if part[:2] == "&#":
        return chr(int(part[2:-1]))
    return "&" if len(part) > 1 else part


def _encode_xml_char(part: str, masked: str) -> str:
    if part[:3] == "&#x":
        return f"&#x{ord(masked):x};"
    return f"&#{ord(masked)};" if part[:2] == "&#" else masked


JSON = Notation("\\", JSON_CHARS, _decode_json_char, _encode_json_char)
XML = Notation("&", XML_CHARS, _decode_xml_char, _encode_xml_char)
