"""Messages without credentials, names and telephone numbers, otherwise byte for byte the same.

What is masked is found by the names of fields in the text itself, so that a message which no
parser takes is masked too, and lengths that a message declares of itself stay right::

    "employee_full_name": "Иванов П."   JSON member or attribute of a frame   ─┐
    remote_digits="79161234567"         attribute of a document               ─┼─▶ Cipher
    <Value …>Иванов</Value>             cell of a table, by its column        ─┘

Ids stay as they are, except those that play a recording to whoever has them.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable

import msgspec

from callmocks.arm import pii as arm
from callmocks.arm import tag
from callmocks.cdr import pii as cdr
from callmocks.onec import pii as onec
from callmocks.verification.cipher import Cipher

MaskFunction = Callable[[str], str]

MIN_SECRET_LENGTH = 6
"""Characters of the shortest credential that is looked for outside its own field."""
PHONE = r"(?<![\w.-])\+?7\d{10}(?![\w-])"
FREE_PHONE = re.compile(PHONE)
# Patterns are linear in the text: strings go on to its end where their own end is missing, and what
# may begin anywhere in a word is tried at its beginning alone.
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


class MessageMasker:
    """Masks for one recording, under a key of its own."""

    def __init__(self, key: bytes) -> None:
        self.cipher = Cipher(key)
        self._known_secrets: dict[str, str] = {}

    def mask_message(self, provider: str, body: bytes, filter_names: Iterable[str] = ()) -> bytes:
        """The message masked; what is not UTF-8 in it is lost.

        ``about`` are texts of its request that are somebody's (see ``asked_about``).
        """
        text = body.decode("utf-8", "replace")
        if provider == "onec":
            masked = self._mask_table(text)
        elif provider == "arm" and text.lstrip()[:1] == "<":
            masked = XML_ATTRIBUTE.sub(self._mask_attribute, text)
        else:
            kinds = self._arm_mask if provider == "arm" else self._cdr_mask
            own: dict[str, MaskFunction] = dict.fromkeys(filter_names, self.cipher.mask_name)
            masked = JSON_MEMBER.sub(lambda found: self._mask_member(found, kinds, own), text)
        for secret, instead in self._known_secrets.items():
            masked = masked.replace(secret, instead)
        return masked.encode("utf-8", "surrogatepass")

    def find_filter_names(self, provider: str, body: bytes) -> frozenset[str]:
        """Names in the filter of a Data API request: the field stands beside the value there."""
        if provider != "cdr":
            return frozenset()
        try:
            request = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return frozenset()
        params = request.get("params") if isinstance(request, dict) else None
        found: set[str] = set()
        work = [params.get("filter")] if isinstance(params, dict) else []
        while work:
            node = work.pop()
            if not isinstance(node, dict):
                continue
            children = node.get("filters")
            work += children if isinstance(children, list) else []
            if cdr.is_name(str(node.get("field"))):
                value = node.get("value")
                values = value if isinstance(value, list) else [value]
                found |= {each for each in values if isinstance(each, str)}
        return frozenset(found)

    def mask_free_text(self, text: str) -> str:
        """A text of no known shape, without telephone numbers and known credentials."""
        for secret, instead in self._known_secrets.items():
            text = text.replace(secret, instead)
        return FREE_PHONE.sub(lambda found: self.cipher.mask_number(found[0]), text)

    def _cdr_mask(self, key: str) -> MaskFunction | None:
        if key in cdr.CREDENTIALS:
            return self._mask_secret
        if cdr.is_name(key):
            return self.cipher.mask_name
        if cdr.is_number(key):
            return self.cipher.mask_number
        return self._mask_url if key in cdr.LINKS else None

    def _arm_mask(self, key: str) -> MaskFunction | None:
        if key in arm.CREDENTIALS:
            return self._mask_secret
        if key in arm.NAMES:
            return self.cipher.mask_name
        if key in arm.NUMBERS:
            return self.cipher.mask_number
        if key == "tag":
            return self._mask_tag
        return self._mask_url if key in arm.ADDRESSES else None

    def _mask_member(
        self,
        match: re.Match[str],
        mask_for: Callable[[str], MaskFunction | None],
        filter_masks: dict[str, MaskFunction],
    ) -> str:
        if match["bare"] is not None:
            return '"' + self._mask_json_string(match["bare"], None, filter_masks) + match["close"]
        if match["list"]:
            items = JSON_STRING.sub(
                lambda each: f'"{self.cipher.mask_hex(each[1])}{each[2]}', match["items"]
            )
            return f'"{match["list"]}"{match["open"]}{items}'
        value = self._mask_json_string(
            match["value"], mask_for(match["key"]), filter_masks, match["key"]
        )
        return f'"{match["key"]}"{match["between"]}"{value}{match["end"]}'

    def _mask_json_string(
        self,
        raw: str,
        mask: MaskFunction | None,
        filter_masks: dict[str, MaskFunction],
        key: str = "",
    ) -> str:
        if "\\" not in raw:
            return self._mask_text(raw, mask, filter_masks, key)
        parts = JSON_CHARS.findall(raw)
        plain = "".join(map(_decode_json_char, parts))
        masked = self._mask_text(plain, mask, filter_masks, key)
        return "".join(map(_encode_json_char, parts, plain, masked))

    def _mask_text(
        self, text: str, mask: MaskFunction | None, filter_masks: dict[str, MaskFunction], key: str
    ) -> str:
        mask = mask or filter_masks.get(text)
        if mask is not None:
            return mask(text)
        return text if key == "call_ref" else self.mask_free_text(text)

    def _mask_attribute(self, match: re.Match[str]) -> str:
        if match["phone"]:
            return self.cipher.mask_number(match["phone"])
        if match["opening"]:
            return match["opening"] + self._mask_url(match["url"])
        make = self._arm_mask(match["key"])
        single = match["single"] is not None
        value = match["single"] if single else match["double"]
        if make is not None:
            value = self._mask_xml_text(value, make)
        elif match["key"] != "call_ref":
            value = self.mask_free_text(value)
        value = f"'{value}{match['close']}" if single else f'"{value}{match["end"]}'
        return f"{match['key']}{match['between']}{value}"

    @staticmethod
    def _mask_xml_text(raw: str, mask: MaskFunction) -> str:
        if "&" not in raw:
            return mask(raw)
        parts = XML_CHARS.findall(raw)
        plain = "".join(map(_decode_xml_char, parts))
        return "".join(map(_encode_xml_char, parts, plain, mask(plain)))

    def _mask_table(self, text: str) -> str:
        """The cells of personal columns; anything else that looks like a number."""
        columns = TABLE_COLUMN.findall(text)
        answer = RESPONSE_ELEMENT.search(text)
        named = answer is not None and answer[1] not in onec.IMPERSONAL
        make = [self._column_mask(name, named) for name in columns]
        if not any(make):
            return self.mask_free_text(text)
        first = TABLE_ROW.search(text)
        if first is None:
            return self.mask_free_text(text)
        rows = TABLE_ROW.sub(lambda row: self._mask_row(row[0], make), text[first.start() :])
        return text[: first.start()] + rows

    def _mask_row(self, row: str, masks: list[MaskFunction | None]) -> str:
        columns = iter(masks)

        def mask_cell(found: re.Match[str]) -> str:
            column = next(columns, None)
            if found[2] is None or column is None:
                return found[0]
            return f"{found[1]}>{self._mask_xml_text(found[2], column)}"

        return TABLE_CELL.sub(mask_cell, row)

    def _column_mask(self, name: str, has_names: bool) -> MaskFunction | None:
        if name in onec.DATES:
            return _truncate_to_year
        if name in onec.NUMBERS:
            return self.cipher.mask_number
        return self.cipher.mask_name if name in onec.NAMES and has_names else None

    def _mask_secret(self, text: str) -> str:
        masked = self.cipher.mask_secret(text)
        if len(text) >= MIN_SECRET_LENGTH:
            self._known_secrets[text] = masked
        return masked

    def _mask_url(self, text: str) -> str:
        """A link: where it leads to stays, the last part of its path does not."""
        head, slash, last = text.rpartition("/")
        stem, dot, suffix = last.partition(".")
        return head + slash + self.cipher.mask_hex(stem) + dot + suffix

    def _mask_tag(self, text: str) -> str:
        """A paging tag carries the filters of its first request."""
        try:
            cursor = tag.decode(text)
        except tag.TagError:
            return self._mask_foreign_tag(text)
        filters = tuple(
            (name, (self._arm_mask(name) or str)(value)) for name, value in cursor.filters
        )
        return tag.encode(
            tag.PagingTag(cursor.start, cursor.agent, cursor.skip_incomplete, filters, cursor.after)
        )

    def _mask_foreign_tag(self, text: str) -> str:
        """A tag of another make: numbers and Cyrillic words inside, with their lengths kept."""
        try:
            data = b64decode(text, validate=True)
        except (Base64Error, ValueError):
            return self.mask_free_text(text)
        data = re.sub(rb"7\d{10}", lambda n: self.cipher.mask_number(n[0].decode()).encode(), data)
        words = rb"(?:[\xd0\xd1][\x80-\xbf])+"
        data = re.sub(words, lambda w: self._mask_utf8_word(w[0]), data)
        return b64encode(data).decode()

    def _mask_utf8_word(self, word: bytes) -> bytes:
        try:
            return self.cipher.mask_name(word.decode()).encode()
        except UnicodeDecodeError:
            return word


def _truncate_to_year(text: str) -> str:
    return re.sub(r"^(\s*\d{4})-\d\d-\d\d", r"\1-01-01", text)


def _decode_json_char(part: str) -> str:
    if len(part) == 6:
        return chr(int(part[2:], 16))
    return "\\" if len(part) == 2 else part


def _encode_json_char(part: str, plain: str, masked: str) -> str:
    """A masked character as its original was written."""
    if plain == masked:
        return part
    return f"\\u{ord(masked):04x}" if len(part) == 6 else masked


def _decode_xml_char(part: str) -> str:
    if part[:3] == "&#x":
        return chr(int(part[3:-1], 16))
    if part[:2] == "&#":
        return chr(int(part[2:-1]))
    return "&" if len(part) > 1 else part


def _encode_xml_char(part: str, plain: str, masked: str) -> str:
    if plain == masked:
        return part
    if part[:3] == "&#x":
        return f"&#x{ord(masked):x};"
    return f"&#{ord(masked)};" if part[:2] == "&#" else masked
