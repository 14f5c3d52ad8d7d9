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

Make = Callable[[str], str]

LEAST_SECRET = 6
"""Characters of the shortest credential that is looked for outside its own field."""
_PHONE = r"(?<![\w.-])\+?7\d{10}(?![\w-])"
_LOOSE = re.compile(_PHONE)
# Patterns are linear in the text: strings go on to its end where their own end is missing, and what
# may begin anywhere in a word is tried at its beginning alone.
_INSIDE = r'[^"\\]*+(?:\\(?:.|\Z)[^"\\]*+)*+'
_MEMBER = re.compile(
    rf'"(?P<key>\w+)"(?P<between>\s*:\s*)"(?P<value>{_INSIDE})(?P<end>"|\Z)'
    r'|"(?P<list>(?:call|wav_call|voice_mail)_records)"(?P<open>\s*:\s*\[)(?P<items>[^\]]*)'
    rf'|"(?P<bare>{_INSIDE})(?P<close>"|\Z)',
    re.DOTALL,
)
_ATTRIBUTE = re.compile(
    r"""(?<![\w.:-])(?P<key>[\w.:-]++)(?P<between>\s*+=\s*+)"""
    r"""(?:"(?P<double>[^"<]*)(?P<end>"|\Z)|'(?P<single>[^'<]*)(?P<close>'|\Z))"""
    r"|(?P<opening><url>)(?P<url>[^<]*)"
    rf"|(?P<phone>{_PHONE})"
)
_STRING = re.compile(rf'"({_INSIDE})("|\Z)', re.DOTALL)
_JSON_CHARS = re.compile(r"\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL)
_XML_CHARS = re.compile(r"&#x[0-9a-fA-F]+;|&#[0-9]+;|&\w+;|.", re.DOTALL)
_COLUMN = re.compile(r"<(?:\w+:)?column>\s*<(?:\w+:)?Name>([^<]*)<")
_ROW = re.compile(r"<(?:\w+:)?row>.*?(?:</(?:\w+:)?row>|\Z)", re.DOTALL)
_CELL = re.compile(r"(<(?:\w+:)?Value\b[^<>]*?)(?:/>|>([^<]*))")
_ANSWER = re.compile(r"<(?:\w+:)?(\w+)Response[\s>]")


class Mask:
    """Masks for one recording, under a key of its own."""

    def __init__(self, key: bytes) -> None:
        self.cipher = Cipher(key)
        self._secrets: dict[str, str] = {}

    def message(self, provider: str, body: bytes, about: Iterable[str] = ()) -> bytes:
        """The message masked; what is not UTF-8 in it is lost.

        ``about`` are texts of its request that are somebody's (see ``asked_about``).
        """
        text = body.decode("utf-8", "replace")
        if provider == "onec":
            masked = self._table(text)
        elif provider == "arm" and text.lstrip()[:1] == "<":
            masked = _ATTRIBUTE.sub(self._attribute, text)
        else:
            kinds = self._arm if provider == "arm" else self._cdr
            own: dict[str, Make] = dict.fromkeys(about, self.cipher.name)
            masked = _MEMBER.sub(lambda found: self._member(found, kinds, own), text)
        for secret, instead in self._secrets.items():
            masked = masked.replace(secret, instead)
        return masked.encode("utf-8", "surrogatepass")

    def asked_about(self, provider: str, body: bytes) -> frozenset[str]:
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

    def loose(self, text: str) -> str:
        """A text of no known shape, without telephone numbers and known credentials."""
        for secret, instead in self._secrets.items():
            text = text.replace(secret, instead)
        return _LOOSE.sub(lambda found: self.cipher.number(found[0]), text)

    def _cdr(self, key: str) -> Make | None:
        if key in cdr.CREDENTIALS:
            return self._secret
        if cdr.is_name(key):
            return self.cipher.name
        if cdr.is_number(key):
            return self.cipher.number
        return self._address if key in cdr.LINKS else None

    def _arm(self, key: str) -> Make | None:
        if key in arm.CREDENTIALS:
            return self._secret
        if key in arm.NAMES:
            return self.cipher.name
        if key in arm.NUMBERS:
            return self.cipher.number
        if key == "tag":
            return self._tag
        return self._address if key in arm.ADDRESSES else None

    def _member(
        self, found: re.Match[str], kinds: Callable[[str], Make | None], own: dict[str, Make]
    ) -> str:
        if found["bare"] is not None:
            return '"' + self._value(found["bare"], None, own) + found["close"]
        if found["list"]:
            items = _STRING.sub(
                lambda each: f'"{self.cipher.hexadecimal(each[1])}{each[2]}', found["items"]
            )
            return f'"{found["list"]}"{found["open"]}{items}'
        value = self._value(found["value"], kinds(found["key"]), own, found["key"])
        return f'"{found["key"]}"{found["between"]}"{value}{found["end"]}'

    def _value(self, raw: str, make: Make | None, own: dict[str, Make], key: str = "") -> str:
        if "\\" not in raw:
            return self._text(raw, make, own, key)
        parts = _JSON_CHARS.findall(raw)
        plain = "".join(map(_json_char, parts))
        masked = self._text(plain, make, own, key)
        return "".join(map(_as_json, parts, plain, masked))

    def _text(self, text: str, make: Make | None, own: dict[str, Make], key: str) -> str:
        make = make or own.get(text)
        if make is not None:
            return make(text)
        return text if key == "call_ref" else self.loose(text)

    def _attribute(self, found: re.Match[str]) -> str:
        if found["phone"]:
            return self.cipher.number(found["phone"])
        if found["opening"]:
            return found["opening"] + self._address(found["url"])
        make = self._arm(found["key"])
        single = found["single"] is not None
        value = found["single"] if single else found["double"]
        if make is not None:
            value = self._xml(value, make)
        elif found["key"] != "call_ref":
            value = self.loose(value)
        value = f"'{value}{found['close']}" if single else f'"{value}{found["end"]}'
        return f"{found['key']}{found['between']}{value}"

    @staticmethod
    def _xml(raw: str, make: Make) -> str:
        if "&" not in raw:
            return make(raw)
        parts = _XML_CHARS.findall(raw)
        plain = "".join(map(_xml_char, parts))
        return "".join(map(_as_xml, parts, plain, make(plain)))

    def _table(self, text: str) -> str:
        """The cells of personal columns; anything else that looks like a number."""
        columns = _COLUMN.findall(text)
        answer = _ANSWER.search(text)
        named = answer is not None and answer[1] not in onec.IMPERSONAL
        make = [self._column(name, named) for name in columns]
        if not any(make):
            return self.loose(text)
        first = _ROW.search(text)
        if first is None:
            return self.loose(text)
        rows = _ROW.sub(lambda row: self._row(row[0], make), text[first.start() :])
        return text[: first.start()] + rows

    def _row(self, row: str, make: list[Make | None]) -> str:
        columns = iter(make)

        def cell(found: re.Match[str]) -> str:
            column = next(columns, None)
            if found[2] is None or column is None:
                return found[0]
            return f"{found[1]}>{self._xml(found[2], column)}"

        return _CELL.sub(cell, row)

    def _column(self, name: str, named: bool) -> Make | None:
        if name in onec.DATES:
            return _first_of_year
        if name in onec.NUMBERS:
            return self.cipher.number
        return self.cipher.name if name in onec.NAMES and named else None

    def _secret(self, text: str) -> str:
        masked = self.cipher.secret(text)
        if len(text) >= LEAST_SECRET:
            self._secrets[text] = masked
        return masked

    def _address(self, text: str) -> str:
        """A link: where it leads to stays, the last part of its path does not."""
        head, slash, last = text.rpartition("/")
        stem, dot, suffix = last.partition(".")
        return head + slash + self.cipher.hexadecimal(stem) + dot + suffix

    def _tag(self, text: str) -> str:
        """A paging tag carries the filters of its first request."""
        try:
            cursor = tag.decode(text)
        except tag.TagError:
            return self._foreign_tag(text)
        filters = tuple((name, (self._arm(name) or str)(value)) for name, value in cursor.filters)
        return tag.encode(
            tag.Tag(cursor.start, cursor.agent, cursor.skip_incomplete, filters, cursor.after)
        )

    def _foreign_tag(self, text: str) -> str:
        """A tag of another make: numbers and Cyrillic words inside, with their lengths kept."""
        try:
            data = b64decode(text, validate=True)
        except (Base64Error, ValueError):
            return self.loose(text)
        data = re.sub(rb"7\d{10}", lambda n: self.cipher.number(n[0].decode()).encode(), data)
        words = rb"(?:[\xd0\xd1][\x80-\xbf])+"
        data = re.sub(words, lambda w: self._utf8(w[0]), data)
        return b64encode(data).decode()

    def _utf8(self, word: bytes) -> bytes:
        try:
            return self.cipher.name(word.decode()).encode()
        except UnicodeDecodeError:
            return word


def _first_of_year(text: str) -> str:
    return re.sub(r"^(\s*\d{4})-\d\d-\d\d", r"\1-01-01", text)


def _json_char(part: str) -> str:
    if len(part) == 6:
        return chr(int(part[2:], 16))
    return "\\" if len(part) == 2 else part


def _as_json(part: str, plain: str, masked: str) -> str:
    """A masked character as its original was written."""
    if plain == masked:
        return part
    return f"\\u{ord(masked):04x}" if len(part) == 6 else masked


def _xml_char(part: str) -> str:
    if part[:3] == "&#x":
        return chr(int(part[3:-1], 16))
    if part[:2] == "&#":
        return chr(int(part[2:-1]))
    return "&" if len(part) > 1 else part


def _as_xml(part: str, plain: str, masked: str) -> str:
    if plain == masked:
        return part
    if part[:3] == "&#x":
        return f"&#x{ord(masked):x};"
    return f"&#{ord(masked)};" if part[:2] == "&#" else masked
