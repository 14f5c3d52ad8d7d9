"""A request's bytes as a SOAP message, or the reason why it is none; hostile XML gets no further.

The parser refuses a DTD and more than 256 levels (libxml2's limit). What would take it long or much
memory is found by ``InputGuard`` in the bytes, while they still come in.
"""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec
from lxml import etree

from callmocks.contract.xml import find_excess, get_dtd, make_parser
from callmocks.onec.namespaces import (
    SOAP11,
    SOAP12,
    SOAP_VERSIONS,
    name_namespace,
    split_name,
)
from callmocks.onec.soap import SoapError

MAX_TAGS: Final = 100_000  # a request with every parameter has about forty
MAX_UNTAGGED_BYTES: Final = 512 * 1024  # of one text, comment or tag with attributes
MAX_NAMESPACE_DECLARATIONS: Final = 5000
MAX_NAMESPACES_IN_SCOPE: Final = 1024
MAX_ATTRIBUTES: Final = 250_000  # counted by their equals signs
_HEAD_BYTES: Final = 64 * 1024
_UNCOUNTED_BYTES: Final = MAX_NAMESPACE_DECLARATIONS * len("xmlns")  # fewer reach no bound
_DECLARATION_BYTES: Final = 1024
_ENCODING: Final = re.compile(rb"\s*<\?xml[^>]*?\sencoding\s*=\s*[\"']([^\"'>]*)")
_WINDOW: Final = MAX_UNTAGGED_BYTES // 2
_BYTE_ORDER_MARKS: Final = (BOM_UTF8, BOM_UTF16_LE, BOM_UTF16_BE)
_PROLOG: Final = re.compile(rb"[^<]*(?:<!--.*?-->\s*|<\?.*?\?>\s*)*", re.DOTALL)
_DTD_FORBIDDEN: Final = "the request has a DTD, which SOAP forbids"
# Who a header block may be addressed to, to mean the receiver of the request.
_OWN_ACTORS: Final = {
    SOAP11: ("", "http://schemas.xmlsoap.org/soap/actor/next"),
    SOAP12: ("", f"{SOAP12}/role/next", f"{SOAP12}/role/ultimateReceiver"),
}


# By the tag of an Envelope: its namespace, and the tags of its parts.
_ENVELOPES: Final = {
    f"{{{uri}}}Envelope": (uri, f"{{{uri}}}Header", f"{{{uri}}}Body") for uri in SOAP_VERSIONS
}


class SoapMessage(NamedTuple):
    namespace: str
    payload: etree._Element
    tag: str
    operation: str
    extra_body_elements: int  # further children of the Body, which the service ignores
    header: etree._Element | None

    def find_unsupported_header(self) -> str | None:
        if self.header is None:
            return None
        for block in self.header:
            prefix = f"{{{self.namespace}}}"
            required = block.get(f"{prefix}mustUnderstand", "").strip()
            name = "actor" if self.namespace == SOAP11 else "role"
            actor = block.get(prefix + name, "").strip()
            if required in ("1", "true") and actor in _OWN_ACTORS[self.namespace]:
                return str(block.tag)
        return None


class InputGuard(msgspec.Struct):
    """Bounds on what a request is made of, checked on its bytes as they come in."""

    head: bytes = b""  # enough for the journal and for guessing the version of SOAP
    _tags: int = 0
    _attributes: int = 0
    _namespaces: int = 0
    _last_letters: bytes = b""
    _untagged_bytes: int = 0

    def check(self, chunk: bytes) -> None:
        """The next bytes of the request; ``SoapError`` when it is beyond a bound."""
        before = len(self.head)
        if before + len(chunk) <= _UNCOUNTED_BYTES:
            self.head += chunk
            return
        if before <= _UNCOUNTED_BYTES:
            chunk, self.head = self.head + chunk, b""
        self._tags += chunk.count(b"<")
        _check_bound("has more than {} tags", self._tags, MAX_TAGS)
        self._count_attributes(chunk)
        for start in range(0, len(chunk), _WINDOW):
            window = chunk[start : start + _WINDOW]
            last = window.rfind(b"<")
            untagged = self._untagged_bytes + len(window) if last < 0 else len(window) - last
            text = "has a text or tag of more than {} bytes"
            _check_bound(text, untagged, MAX_UNTAGGED_BYTES)
            self._untagged_bytes = untagged
        if len(self.head) < _HEAD_BYTES:
            self.head += chunk[: _HEAD_BYTES - len(self.head)]
            if len(self.head) == _HEAD_BYTES and _starts_with_dtd(self.head):
                raise SoapError("Client", _DTD_FORBIDDEN)

    def _count_attributes(self, chunk: bytes) -> None:
        # libxml2 may compare each attribute that has a prefix with all declared namespaces.
        self._attributes += chunk.count(b"=")
        _check_bound("has more than {} attributes", self._attributes, MAX_ATTRIBUTES)
        # Another encoding has a zero byte or three for each letter; a chunk may end within a name.
        letters = self._last_letters + (chunk.replace(b"\0", b"") if b"\0" in chunk else chunk)
        self._namespaces += letters.count(b"xmlns")
        self._last_letters = letters[-4:]
        text = "declares more than {} namespaces"
        _check_bound(text, self._namespaces, MAX_NAMESPACE_DECLARATIONS)


def find_byte_excess(body: bytes) -> str:
    """What ``InputGuard`` refuses; empty when it takes the whole request."""
    encoding = _ENCODING.match(body[:_DECLARATION_BYTES])
    if encoding is not None and not _shows_tags_in_ascii(encoding[1].decode("latin-1")):
        return "has an encoding that is not supported"
    try:
        InputGuard().check(body)
    except SoapError as error:
        return error.text.removeprefix("the request ")
    return ""


def _check_bound(text: str, count: int, bound: int) -> None:
    if count > bound:
        raise SoapError("Client", f"the request {text.format(bound)}")


_PARSER: Final = make_parser()


def read_message(
    body: bytes, prefer_charset: Callable[[str | None], str | None] = lambda _: None
) -> SoapMessage:
    """``prefer_charset``, given the declared encoding, names the one to read instead of it."""
    encoding = _find_declared_encoding(body)
    if encoding is not None and not _shows_tags_in_ascii(encoding):
        raise SoapError("Client", f"Unsupported encoding: {encoding!r}")
    return read_envelope(parse_document(body, encoding, prefer_charset(encoding)))


def parse_document(
    body: bytes, declared: str | None = None, charset: str | None = None
) -> etree._Element:
    """The root of a document; ``SoapError`` when it is broken or hostile."""
    parser = _PARSER
    if charset is not None and not body.startswith(_BYTE_ORDER_MARKS):
        parser = _get_parser(charset, declared)
    if len(body) > _HEAD_BYTES:  # in a smaller one nothing takes the parser long
        InputGuard().check(body)
        if parser is _PARSER:  # while a thread parses with it, the loop would wait
            parser = make_parser()
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        if _starts_with_dtd(body):
            raise SoapError("Client", _DTD_FORBIDDEN) from None
        reason = re.sub(r"\s*\(<string>, line \d+\)$", "", str(error))
        raise SoapError("Client", f"the request is not well-formed XML: {reason}") from None
    if get_dtd(root.getroottree()) is not None:
        raise SoapError("Client", _DTD_FORBIDDEN)
    if excess := find_excess(root, body, MAX_NAMESPACES_IN_SCOPE):
        raise SoapError("Client", f"in the request {excess}")
    return root


def read_envelope(root: etree._Element) -> SoapMessage:
    parts = _ENVELOPES.get(str(root.tag))
    if parts is None:
        raise _explain_other_root(str(root.tag))
    namespace, header_tag, body_tag = parts
    header = None
    for body in root:  # faster than lxml's paths, which are Python
        if body.tag == body_tag:
            break
        if body.tag == header_tag:
            header = body
    else:
        raise SoapError("Client", _explain_missing_body(root, namespace))
    count = len(body)
    if not count:
        raise SoapError("Client", "the Body calls no operation: it has no element")
    payload = body[0]
    tag = str(payload.tag)
    return SoapMessage(namespace, payload, tag, tag.rpartition("}")[2], count - 1, header)


def _explain_other_root(tag: str) -> SoapError:
    namespace, local = split_name(tag)
    if local != "Envelope":
        return SoapError("Client", f"the request is not SOAP: its root is {tag}")
    known = " or ".join(f"{uri} ({version})" for uri, version in SOAP_VERSIONS.items())
    text = f"the Envelope is of {name_namespace(namespace)}; SOAP's is of {known}"
    return SoapError("VersionMismatch", text)


def _explain_missing_body(root: etree._Element, namespace: str) -> str:
    for child in root:
        other, local = split_name(str(child.tag))
        if local == "Body":
            return f"the Body is of {name_namespace(other)}, the Envelope of {namespace}"
    return "the envelope has no Body"


def guess_soap_namespace(body: bytes, content_type: str) -> str:
    head = body[:_HEAD_BYTES].replace(b"\0", b"")
    found = {head.find(name.encode()): name for name in SOAP_VERSIONS}
    found.pop(-1, None)
    if found:
        return found[min(found)]
    return SOAP12 if content_type.startswith("application/soap+xml") else SOAP11


def _starts_with_dtd(body: bytes) -> bool:
    head = body[:_HEAD_BYTES].replace(b"\0", b"")
    prolog = _PROLOG.match(head)
    return prolog is not None and head.startswith(b"<!DOCTYPE", prolog.end())


def _get_parser(charset: str, declared: str | None) -> etree.XMLParser:
    if declared is None and charset.lower() in ("utf-8", "utf8"):
        return _PARSER
    with suppress(LookupError):  # of libxml2
        if _shows_tags_in_ascii(charset):
            return make_parser(encoding=charset)
    raise SoapError("Client", f"the charset {charset!r} is not known")


def _find_declared_encoding(body: bytes) -> str | None:
    head = body[:_DECLARATION_BYTES]
    declaration, end, _ = head.partition(b"?>")
    if not end:
        if len(body) > len(head) and head.lstrip().startswith(b"<?xml"):
            raise SoapError("Client", "the request has an XML declaration without an end")
        return None
    return _read_encoding(declaration)


@lru_cache(maxsize=64)
def _read_encoding(declaration: bytes) -> str | None:
    found = _ENCODING.match(declaration)
    return None if found is None else found[1].decode("latin-1")


@lru_cache(maxsize=64)
def _shows_tags_in_ascii(encoding: str) -> bool:
    """Whether ``InputGuard`` finds all tags; UTF-7 and the like write them in other bytes too."""
    try:
        tag = "<a>".encode(encoding).replace(b"\0", b"")
        hidden = b"+ADw-\\u003c\\x3c\\x3c-".decode(encoding, "replace")
    except (LookupError, ValueError):
        return False
    return tag.endswith(b"<a>") and "<" not in hidden
