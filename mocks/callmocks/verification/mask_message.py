"""Whole messages under their masks; what cannot be masked part by part is not written at all.

A message that cannot be read, and one of an operation that no contract has, is recorded by its
length and a hash whose key is thrown away, unless ``--record-unknown masked`` asks for its text,
without any word and digit that is not the protocol's.
"""

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import msgspec
from lxml import etree

from callmocks.contract.json_values import decode_json
from callmocks.contract.xml import get_dtd, make_parser
from callmocks.provider.base import Provider
from callmocks.provider.harmless import HarmlessFields
from callmocks.verification.mask_json import JsonMasker
from callmocks.verification.mask_xml import XmlMasker
from callmocks.verification.masking import ValueMasker

UnknownPolicy = Literal["hash", "masked"]
UNKNOWN_OPERATION = "unknown"
HASH_BYTES = 16
MAX_READ_BYTES = 1024 * 1024  # of a message that cannot be masked part by part
FRAME_HEADER = re.compile(r"01\d{14}(?:\d{3}(?=[\[\s])|(?P<command>[!-Z\\-~]{1,32}) *(?=[\[\s]))")
UTF8_DECLARATION = re.compile(
    rb"""\A\s*(?:<\?xml(?![^>]*encoding)|<\?xml[^>]*encoding\s*=\s*["']
    (?:utf-8|us-ascii)["']|(?!<\?xml))""",
    re.IGNORECASE | re.VERBOSE,
)
_parser = make_parser(huge_tree=True)


@dataclass(frozen=True, slots=True)
class MaskedMessage:
    """``text`` under its mask; or, with a ``digest``, nothing but the length."""

    text: str
    length: int
    digest: str = ""


class MessageMasker:
    def __init__(self, key: bytes, provider: Provider, unknown: UnknownPolicy = "hash") -> None:
        self.fields: HarmlessFields = provider.load_harmless_fields()
        self.values = ValueMasker(key, self.fields)
        self._key = key
        self._unknown = unknown

    def name_operation(self, operation: str) -> str:
        """As it may be written: a name of the contract, or a path with ``*`` for other names."""
        if operation.startswith("/"):
            parts = operation.strip("/").split("/")
            return "/" + "/".join(part if part in self.fields.names else "*" for part in parts)
        known = operation in self.fields.operations or operation in self.fields.names
        return operation if known else UNKNOWN_OPERATION

    def begin_exchange(self) -> None:
        self.values.masked_words.clear()

    def mask_message(
        self, body: bytes, operation: str, *, in_answer: bool, content: bool = True
    ) -> MaskedMessage:
        """Without ``content``, its length and hash in any case."""
        length = len(body)
        if not body:
            return MaskedMessage("", 0)
        text = self._mask_parts(body, operation, in_answer) if content else None
        if text is None and content and self._unknown == "masked" and length <= MAX_READ_BYTES:
            text = self.values.mask_free_text(decode_any(body))
        if text is None or self.values.is_full:
            self._hide_words(body)
            digest = blake2b(body, key=self._key, digest_size=HASH_BYTES).hexdigest()
            return MaskedMessage("", length, digest)
        return MaskedMessage(text, length)

    def _hide_words(self, body: bytes) -> None:
        if len(body) <= MAX_READ_BYTES:
            self.values.hide_words(decode_any(body))
        else:
            self.values.hide_all_words()

    def _mask_parts(self, body: bytes, operation: str, in_answer: bool) -> str | None:
        """None when it is not of a known operation, or cannot be read."""
        known = operation in self.fields.operations or operation == "wsdl"
        if not known and self._unknown == "hash":
            return None
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            return None
        header = FRAME_HEADER.match(text)
        if header is None:
            return self._mask_document(text, operation, in_answer)
        command = header["command"]
        if command is not None and command not in self.fields.operations:
            return None
        document = self._mask_document(text[header.end() :], operation, in_answer)
        return None if document is None else header[0] + document

    def _mask_document(self, text: str, operation: str, in_answer: bool) -> str | None:
        if text.lstrip()[:1] == "<":
            if not is_plain_xml(text.encode()):
                return None
            return XmlMasker(self.values, operation, in_answer=in_answer).mask_text(text)
        if not is_json(text):
            return None
        return JsonMasker(self.values, in_answer=in_answer).mask_text(text)


def is_json(text: str) -> bool:
    try:
        decode_json(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def is_plain_xml(document: bytes) -> bool:
    """Well-formed UTF-8 without a document type."""
    try:
        root = etree.fromstring(document, _parser)
    except (etree.XMLSyntaxError, ValueError):
        return False
    return get_dtd(root.getroottree()) is None and UTF8_DECLARATION.match(document) is not None


def decode_any(body: bytes) -> str:
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if body.startswith(mark):
            return body.decode(encoding, "replace")
    if b"\0" in body[:4]:
        return body.decode("utf-16-le" if body[1:2] == b"\0" else "utf-16-be", "replace")
    return body.decode("utf-8", "replace")
