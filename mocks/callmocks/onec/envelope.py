"""A request's bytes as a SOAP message, or the reason why it is none. Hostile XML ends here.

The parser resolves no entities, opens no file and no connection, and refuses a DTD, more than 256
levels, and single texts of more than 10 MB (limits of libxml2, which ``huge_tree`` would lift).
What is big or has very many tags is looked through in pieces first, without building anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from callmocks.onec.names import SOAP11, SOAP12
from callmocks.onec.soap import SoapError

MOST_ELEMENTS: Final = 50_000
"""Elements of a request; one with every parameter has about twenty."""
_SMALL_BYTES: Final = 64 * 1024
_SMALL_TAGS: Final = 2_000
_PIECE: Final = 64 * 1024
_PARSER_OPTIONS: Final[dict[str, Any]] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "dtd_validation": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}
_NO_DTD: Final = "the request has a DTD, which SOAP forbids"
_NEXT: Final = "http://schemas.xmlsoap.org/soap/actor/next"


@dataclass(frozen=True, slots=True)
class Message:
    """A SOAP request: the namespace of its version and the first child of its Body."""

    namespace: str
    call: etree._Element


def safe_parser(encoding: str | None = None) -> etree.XMLParser:
    """A parser for XML from strangers; ``encoding`` overrules what the document declares."""
    return etree.XMLParser(encoding=encoding, **_PARSER_OPTIONS)


_PARSER: Final = safe_parser()


def parse(body: bytes, charset: str | None = None) -> etree._Element:
    """The root of a document; ``SoapError`` when it is broken or hostile.

    ``charset`` is the one in the Content-Type header; it counts where the document itself says
    nothing.
    """
    parser = _PARSER
    if charset is not None and charset.lower() not in ("utf-8", "utf8") and not _declares(body):
        parser = _parser_for(charset)
    try:
        if len(body) > _SMALL_BYTES or body.count(b"<") > _SMALL_TAGS:
            _look_through(body, charset if parser is not _PARSER else None)
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        if b"<!DOCTYPE" in body[:_PIECE].replace(b"\0", b""):
            raise SoapError("Client", _NO_DTD) from None
        raise SoapError("Client", f"the request is not well-formed XML: {_said(error)}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise SoapError("Client", _NO_DTD)
    return root


def open_envelope(root: etree._Element) -> Message:
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
    body = root.find(f"{{{namespace}}}Body")
    if body is None:
        raise SoapError("Client", "the envelope has no Body")
    if len(body) == 0:
        raise SoapError("Client", "the Body calls no operation: it has no element")
    return Message(namespace, body[0])


def must_understand(root: etree._Element, namespace: str) -> str | None:
    """Name of a header block that the sender insists on; the service understands none."""
    header = root.find(f"{{{namespace}}}Header")
    if header is None:
        return None
    for block in header:
        insisted = block.get(f"{{{namespace}}}mustUnderstand", "").strip() in ("1", "true")
        aimed = block.get(f"{{{namespace}}}actor") or block.get(f"{{{namespace}}}role") or ""
        if insisted and (not aimed or aimed == _NEXT or aimed.startswith(namespace)):
            return str(block.tag)
    return None


def guess_namespace(body: bytes, content_type: str) -> str:
    """The version to answer a request in that cannot be read."""
    head = body[:_PIECE].replace(b"\0", b"")
    found = {name: head.find(name.encode()) for name in (SOAP11, SOAP12)}
    present = {name: place for name, place in found.items() if place >= 0}
    if present:
        return min(present, key=lambda name: present[name])
    return SOAP12 if content_type.startswith("application/soap+xml") else SOAP11


class _Looker:
    """A parser target that only counts."""

    def __init__(self) -> None:
        self.elements = 0

    def start(self, tag: str, attributes: object) -> None:
        self.elements += 1
        if self.elements > MOST_ELEMENTS:
            raise SoapError("Client", f"the request has more than {MOST_ELEMENTS} elements")

    def doctype(self, *_: object) -> None:
        raise SoapError("Client", _NO_DTD)

    def close(self) -> None:
        """Nothing was built."""


def _look_through(body: bytes, encoding: str | None) -> None:
    options = {**_PARSER_OPTIONS, "target": _Looker()}
    parser = etree.XMLParser(encoding=encoding, **options)
    for start in range(0, len(body), _PIECE):
        parser.feed(body[start : start + _PIECE])
    parser.close()


def _parser_for(charset: str) -> etree.XMLParser:
    try:
        return safe_parser(charset)
    except LookupError:
        raise SoapError("Client", f"the charset {charset!r} is not known") from None


def _declares(body: bytes) -> bool:
    """The document tells its own encoding, by a byte order mark or a declaration."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff") or body[:3] == b"\xef\xbb\xbf":
        return True
    return re.match(rb"\s*<\?xml[^>]*\sencoding\s*=", body[:200]) is not None


def _said(error: etree.XMLSyntaxError) -> str:
    return re.sub(r"\s*\(<string>, line \d+\)$", "", str(error))
