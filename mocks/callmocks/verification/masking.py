"""Values as they are written: harmless ones as they are, all others under a mask.

A mask keeps length in bytes and kind of every character. What is harmless, each provider declares
(``provider/harmless.py``); everything else is masked, also in a place that no contract knows.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from callmocks.arm import tag
from callmocks.provider.harmless import FieldRule, HarmlessFields, MaskKind
from callmocks.verification.cipher import Cipher

MAX_SECRETS = 10_000  # credentials that are known at once; then nothing more is written
MAX_SECRET_CHARS = 4096
MAX_CACHED_CHARS = 256
MAX_HIDDEN_WORDS = 100_000  # of one exchange
ALL_WORDS = ""  # stands for all of them, when there are more
URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
KNOWN_SCHEMES = ("http://", "https://", "ws://", "wss://")
MEDIA_SUFFIX = re.compile(r"\.(?:wav|mp3|pdf|tiff?)\Z", re.IGNORECASE)
# Parts of a text: ids of records, telephone numbers as they are written, words.
TEXT_PART = re.compile(
    r"(?P<hex>\b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{16,}\b)"
    r"|(?P<phone>\+?\d(?:[ ().-]{0,3}\d){6,})"
    r"|(?P<word>[^\W_]+)",
    re.ASCII,
)
SHORT_PREFIX = re.compile(r"[a-z]{1,3}\d?")
NAME_PART = re.compile(r"[^.:]+")
WORD = re.compile(r"[^\W_]+")
ENUMERATION = re.compile(r"[a-z][a-z0-9_]{0,63}")
LETTER = re.compile(r"[^\W\d_]")


class ValueMasker:
    def __init__(self, key: bytes, fields: HarmlessFields) -> None:
        self.cipher = Cipher(key)
        self.fields = fields
        self.is_full = False  # more credentials came by than can be told apart
        self.masked_words: set[str] = set()  # of the exchange: what no finding may quote
        self._secrets: dict[str, str] = {}
        self._masks: dict[MaskKind, Callable[[str], str]] = {
            "text": self._mask_text,
            "message": self._mask_message,
            "secret": self._mask_secret,
            "number": self._mask_number,
            "url": self._mask_url,
            "tag": self._mask_tag,
            "year": self._mask_birthday,
        }
        self._mask_cached = lru_cache(maxsize=65_536)(self._mask_value)

    def add_secret(self, text: str) -> None:
        """A credential that was seen outside of the messages, in a header."""
        self._mask_secret(text)

    def hide_words(self, text: str) -> None:
        """No finding about the exchange may quote them."""
        for word in ENUMERATION.finditer(text.lower()):
            if len(self.masked_words) >= MAX_HIDDEN_WORDS:
                self.hide_all_words()
                return
            self.masked_words.add(word[0])

    def hide_all_words(self) -> None:
        self.masked_words.add(ALL_WORDS)

    def knows_secret(self, text: str) -> bool:
        return text in self._secrets

    def mask_value(self, rule: FieldRule, text: str, *, in_answer: bool) -> str:
        if rule.mask != "secret" and self.fields.allows(rule, text, in_answer=in_answer):
            return self._secrets.get(text, text)
        self.hide_words(text)
        if rule.form == "name":
            *prefixes, local = text.split(":")
            mask = self.mask_name
            masked = NAME_PART.sub(lambda part: mask(part[0], in_answer=in_answer), local)
            return ":".join((*map(self.mask_prefix, prefixes), masked))
        if rule.mask == "secret":
            return self._mask_secret(text)  # each time: the table has to know it
        if len(text) > MAX_CACHED_CHARS:
            return self._masks[rule.mask](text)
        return self._mask_cached(rule.mask, text)

    def mask_name(self, name: str, *, in_answer: bool) -> str:
        """The name of a member, an element or an attribute."""
        if self.fields.is_declared_name(name, in_answer=in_answer):
            return name
        self.hide_words(name)
        return self._mask_text(name)

    def mask_prefix(self, prefix: str) -> str:
        """Of a namespace: the client's own word. The masks of two short ones could be the same."""
        return prefix if SHORT_PREFIX.fullmatch(prefix) else self.mask_name(prefix, in_answer=False)

    def mask_number(self, rule: FieldRule, token: str, *, in_answer: bool) -> str:
        """A number of JSON; it stays one."""
        is_secret = token in self._secrets
        if not is_secret and self.fields.allows(rule, token, in_answer=in_answer):
            return token
        return re.sub(r"\d+", lambda digits: self.cipher.mask_digits(digits[0]), token)

    def mask_free_text(self, text: str) -> str:
        """A message that cannot be read; names and words of the protocol stay."""
        self.hide_words(text)
        known = self.fields.names | self.fields.words
        return self._mask_parts(text, known)

    def _mask_value(self, kind: MaskKind, text: str) -> str:
        return self._masks[kind](text)

    def _mask_text(self, text: str) -> str:
        return self._mask_url(text) if URL.match(text) else self._mask_parts(text, frozenset())

    def _mask_message(self, text: str) -> str:
        return self._mask_parts(text, self.fields.words)

    def _mask_parts(self, text: str, known: frozenset[str]) -> str:
        def mask_part(match: re.Match[str]) -> str:
            part = match[0]
            if match["hex"]:
                return self.cipher.mask_hex(part)
            if match["phone"]:
                return self.cipher.mask_number(part)
            return part if part in known else self.cipher.mask_name(part)

        # Letters of other alphabets stand between the parts.
        masked, end = [], 0
        for match in TEXT_PART.finditer(text):
            masked += [self._mask_words(text[end : match.start()], known), mask_part(match)]
            end = match.end()
        return "".join(masked) + self._mask_words(text[end:], known)

    def _mask_words(self, text: str, known: frozenset[str]) -> str:
        mask = self.cipher.mask_name
        return WORD.sub(lambda word: word[0] if word[0] in known else mask(word[0]), text)

    def _mask_number(self, text: str) -> str:
        """An internal number names a workplace and stays; a part of a number does not."""
        if LETTER.search(text):
            return self._mask_text(text)
        if text.isdecimal():
            return self.cipher.mask_number(text)
        return self.cipher.mask_number(text, internal_digits=0)

    def _mask_secret(self, text: str) -> str:
        masked = self.cipher.mask_secret(text)
        if text and text not in self.fields.names and text not in self._secrets:
            if len(self._secrets) >= MAX_SECRETS or len(text) > MAX_SECRET_CHARS:
                self.is_full = True
            else:
                self._secrets[text] = masked
        return masked

    def _mask_url(self, text: str) -> str:
        """Scheme and type of the file stay."""
        start = URL.match(text)
        head = start[0] if start and start[0].lower() in KNOWN_SCHEMES else ""
        suffix = MEDIA_SUFFIX.search(text)
        end = suffix.start() if suffix else len(text)
        return head + self._mask_parts(text[len(head) : end], frozenset()) + text[end:]

    def _mask_tag(self, text: str) -> str:
        """A paging tag contains the filters of its first request."""
        try:
            cursor = tag.decode(text)
        except tag.TagError:
            return self._mask_text(text)
        if not all(name in self.fields.names for name, _ in cursor.filters):
            return self._mask_text(text)
        filters = tuple((name, self._mask_filter(name, value)) for name, value in cursor.filters)
        agent = self._mask_filter("cc_agent_id", cursor.agent)
        after = cursor.after
        if after is not None:
            after = after[0], self._mask_filter("call_ref", after[1])
        return tag.encode(cursor._replace(agent=agent, filters=filters, after=after))

    def _mask_filter(self, name: str, text: str) -> str:
        return self.mask_value(self.fields.find_rule(name), text, in_answer=False)

    def _mask_birthday(self, text: str) -> str:
        found = re.fullmatch(r"(\d{4})-\d\d-\d\d(|T00:00:00)", text, re.ASCII)
        return f"{found[1]}-01-01{found[2]}" if found else self._mask_text(text)


def mask_parts(
    parts: Sequence[str],
    decode: Callable[[str], str],
    encode: Callable[[str, str], str],
    mask: Callable[[str], str],
) -> str:
    """Of a text whose characters may be escaped; ``encode`` gets a part and its new character."""
    plain = list(map(decode, parts))
    triples = zip(parts, plain, mask("".join(plain)), strict=True)
    return "".join(part if old == new else encode(part, new) for part, old, new in triples)
