"""A request's bytes as a SOAP message, or the reason why it is none. Hostile XML ends here.

The parser resolves no entities, opens no file and no connection, and refuses a DTD and more than
256 levels (libxml2's limit, which ``huge_tree`` would lift). What would take it long or much
memory, ``Watch`` sees in the bytes, while they still come in.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from lxml import etree

from callmocks.contract.xml import has_dtd, make_parser
from callmocks.onec.namespaces import SOAP11, SOAP12
from callmocks.onec.soap import SoapError

MAX_TAGS: Final = 100_000
"""Tags of a request; one with every parameter has about forty."""
MAX_UNTAGGED_BYTES: Final = 512 * 1024
"""Bytes that a request may go on without a tag: of one text, comment or tag with attributes."""
MAX_NAMESPACE_DECLARATIONS: Final = 5000
"""Declarations of namespaces; each attribute with a prefix may be compared with all of them."""
MAX_ATTRIBUTES: Final = 250_000
"""Equals signs, one of which stands in every attribute."""
_HEAD_BYTES: Final = 64 * 1024
_DECLARATION_BYTES: Final = 1024
"""Bytes that an XML declaration may have."""
_ENCODING: Final = re.compile(rb"\s*<\?xml[^>]*?\sencoding\s*=\s*[\"']([^\"'>]*)")
_WINDOW: Final = MAX_UNTAGGED_BYTES // 2
_PROLOG: Final = re.compile(rb"[^<]*(?:<!--.*?-->\s*|<\?.*?\?>\s*)*", re.DOTALL)
_DTD_FORBIDDEN: Final = "the request has a DTD, which SOAP forbids"
_NEXT_ACTOR: Final = "http://schemas.xmlsoap.org/soap/actor/next"


class SoapMessage(NamedTuple):
    """A SOAP request: the namespace of its version and the first child of its Body."""

    namespace: str
    payload: etree._Element
    extra_body_elements: int
    """Further children of the Body, which the service passes over."""
    header: etree._Element | None


class InputGuard:
    """Looks at the bytes of a request as they come in, and refuses with a ``SoapError``.

    A small request (64 KiB) is passed: its parser can do no harm with it.
    """

    def __init__(self) -> None:
        self._tags = 0
        self._equals = 0
        self._prefixes = 0
        self._end = b""
        self._silent = 0
        self.head = b""
        """The first bytes, enough to tell what this is."""

    def check(self, chunk: bytes) -> None:
        """The next bytes of the request."""
        self._tags += chunk.count(b"<")
        if self._tags > MAX_TAGS:
            raise SoapError("Client", f"the request has more than {MAX_TAGS} tags")
        self._count_attributes(chunk)
        for start in range(0, len(chunk), _WINDOW):
            window = chunk[start : start + _WINDOW]
            last = window.rfind(b"<")
            self._silent = self._silent + len(window) if last < 0 else len(window) - last
            if self._silent > MAX_UNTAGGED_BYTES:
                raise SoapError(
                    "Client",
                    f"the request has a text or tag of more than {MAX_UNTAGGED_BYTES} bytes",
                )
        if len(self.head) < _HEAD_BYTES:
            self.head += chunk[: _HEAD_BYTES - len(self.head)]
            if len(self.head) == _HEAD_BYTES and _starts_with_dtd(self.head):
                raise SoapError("Client", _DTD_FORBIDDEN)

    def _count_attributes(self, chunk: bytes) -> None:
        """Attributes and namespaces: looking up the prefixes takes their product."""
        self._equals += chunk.count(b"=")
        if self._equals > MAX_ATTRIBUTES:
            raise SoapError("Client", f"the request has more than {MAX_ATTRIBUTES} attributes")
        # Another encoding has a zero byte or three for each letter; a piece may end in a name.
        letters = self._end + (chunk.replace(b"\0", b"") if b"\0" in chunk else chunk)
        self._prefixes += letters.count(b"xmlns")
        self._end = letters[-4:]
        if self._prefixes > MAX_NAMESPACE_DECLARATIONS:
            raise SoapError(
                "Client", f"the request declares more than {MAX_NAMESPACE_DECLARATIONS} namespaces"
            )


_PARSER: Final = make_parser()


def parse_document(body: bytes, charset: str | None = None) -> etree._Element:
    """The root of a document; ``SoapError`` when it is broken or hostile.

    ``charset`` is the one in the Content-Type header; it counts where the document itself says
    nothing.
    """
    parser = _PARSER
    declared = _find_declared_encoding(body)
    if declared is not None and not _shows_tags_in_ascii(declared):
        raise SoapError("Client", f"Unsupported encoding: {declared!r}")
    plain = charset is None or charset.lower() in ("utf-8", "utf8")
    if charset is not None and not plain and declared is None and not _has_byte_order_mark(body):
        parser = _get_parser(charset)
    if len(body) > _HEAD_BYTES:
        InputGuard().check(body)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        if _starts_with_dtd(body[:_HEAD_BYTES]):
            raise SoapError("Client", _DTD_FORBIDDEN) from None
        raise SoapError(
            "Client", f"the request is not well-formed XML: {_format_syntax_error(error)}"
        ) from None
    if has_dtd(root):
        raise SoapError("Client", _DTD_FORBIDDEN)
    return root


def read_envelope(root: etree._Element) -> SoapMessage:
    """The message in an envelope; ``SoapError`` when the document is no SOAP message."""
    tag = root.tag
    if tag == f"{{{SOAP12}}}Envelope":
        namespace = SOAP12
    elif tag == f"{{{SOAP11}}}Envelope":
        namespace = SOAP11
    elif tag.endswith("}Envelope"):
        raise SoapError("VersionMismatch", f"{tag} is not the envelope of SOAP 1.1 or 1.2")
    else:
        raise SoapError("Client", f"the request is not SOAP: its root is {tag}")
    header: etree._Element | None = None
    for child in root:
        if child.tag == f"{{{namespace}}}Header":
            header = child
        elif child.tag == f"{{{namespace}}}Body":
            calls = list(child)
            if not calls:
                raise SoapError("Client", "the Body calls no operation: it has no element")
            return SoapMessage(namespace, calls[0], len(calls) - 1, header)
    raise SoapError("Client", "the envelope has no Body")


def find_unsupported_header(message: SoapMessage) -> str | None:
    """Name of a header block that the sender insists on; the service understands none."""
    namespace = message.namespace
    for block in message.header if message.header is not None else ():
        insisted = block.get(f"{{{namespace}}}mustUnderstand", "").strip() in ("1", "true")
        aimed = block.get(f"{{{namespace}}}actor") or block.get(f"{{{namespace}}}role") or ""
        if insisted and (not aimed or aimed == _NEXT_ACTOR or aimed.startswith(namespace)):
            return str(block.tag)
    return None


def guess_soap_namespace(body: bytes, content_type: str) -> str:
    """The version to answer a request in that cannot be read."""
    head = body[:_HEAD_BYTES].replace(b"\0", b"")
    found = {name: head.find(name.encode()) for name in (SOAP11, SOAP12)}
    present = {name: place for name, place in found.items() if place >= 0}
    if present:
        return min(present, key=lambda name: present[name])
    return SOAP12 if content_type.startswith("application/soap+xml") else SOAP11


def _starts_with_dtd(head: bytes) -> bool:
    head = head.replace(b"\0", b"")
    prolog = _PROLOG.match(head)
    return prolog is not None and head.startswith(b"<!DOCTYPE", prolog.end())


def _get_parser(charset: str) -> etree.XMLParser:
    try:
        if _shows_tags_in_ascii(charset):
            return make_parser(encoding=charset)
    except LookupError:
        pass
    raise SoapError("Client", f"the charset {charset!r} is not known")


def _has_byte_order_mark(body: bytes) -> bool:
    return body[:2] in (b"\xff\xfe", b"\xfe\xff") or body[:3] == b"\xef\xbb\xbf"


def _find_declared_encoding(body: bytes) -> str | None:
    """The encoding that the document declares."""
    head = body[:_DECLARATION_BYTES]
    if len(body) > len(head) and head.lstrip().startswith(b"<?xml") and b"?>" not in head:
        raise SoapError("Client", "the request has an XML declaration without an end")
    found = _ENCODING.match(head)
    return None if found is None else found[1].decode("latin-1")


@lru_cache(maxsize=64)
def _shows_tags_in_ascii(encoding: str) -> bool:
    """Whether ``Watch`` sees the tags of a document in this encoding.

    UTF-7 and the like can write them in other bytes.
    """
    try:
        tag = "<a>".encode(encoding).replace(b"\0", b"")
        hidden = b"+ADw-\\u003c\\x3c\\x3c-".decode(encoding, "replace")
    except (LookupError, ValueError):
        return False
    return tag.endswith(b"<a>") and "<" not in hidden


def _format_syntax_error(error: etree.XMLSyntaxError) -> str:
    return re.sub(r"\s*\(<string>, line \d+\)$", "", str(error))
