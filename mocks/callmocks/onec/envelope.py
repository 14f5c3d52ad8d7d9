"""A request's bytes as a SOAP message, or the reason why it is none. Hostile XML ends here.

The parser resolves no entities, opens no file and no connection, and refuses a DTD and more than
256 levels (libxml2's limit, which ``huge_tree`` would lift). What would take it long or much
memory, ``Watch`` sees in the bytes, while they still come in.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

from lxml import etree

from callmocks.onec.namespaces import SOAP11, SOAP12
from callmocks.onec.soap import SoapError

MOST_TAGS: Final = 100_000
"""Tags of a request; one with every parameter has about forty."""
MOST_RUN: Final = 512 * 1024
"""Bytes that a request may go on without a tag: of one text, comment or tag with attributes."""
MOST_PREFIXES: Final = 5000
"""Declarations of namespaces; each attribute with a prefix may be compared with all of them."""
MOST_EQUALS: Final = 250_000
"""Equals signs, one of which stands in every attribute."""
_HEAD: Final = 64 * 1024
_DECLARATION: Final = 1024
"""Bytes that an XML declaration may have."""
_ENCODING: Final = re.compile(rb"\s*<\?xml[^>]*?\sencoding\s*=\s*[\"']([^\"'>]*)")
_WINDOW: Final = MOST_RUN // 2
_PROLOG: Final = re.compile(rb"[^<]*(?:<!--.*?-->\s*|<\?.*?\?>\s*)*", re.DOTALL)
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


class Message(NamedTuple):
    """A SOAP request: the namespace of its version and the first child of its Body."""

    namespace: str
    call: etree._Element
    beside: int
    """Further children of the Body, which the service passes over."""
    header: etree._Element | None


class Watch:
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

    def look(self, piece: bytes) -> None:
        """The next bytes of the request."""
        self._tags += piece.count(b"<")
        if self._tags > MOST_TAGS:
            raise SoapError("Client", f"the request has more than {MOST_TAGS} tags")
        self._count_attributes(piece)
        for start in range(0, len(piece), _WINDOW):
            window = piece[start : start + _WINDOW]
            last = window.rfind(b"<")
            self._silent = self._silent + len(window) if last < 0 else len(window) - last
            if self._silent > MOST_RUN:
                raise SoapError(
                    "Client", f"the request has a text or tag of more than {MOST_RUN} bytes"
                )
        if len(self.head) < _HEAD:
            self.head += piece[: _HEAD - len(self.head)]
            if len(self.head) == _HEAD and _begins_with_dtd(self.head):
                raise SoapError("Client", _NO_DTD)

    def _count_attributes(self, piece: bytes) -> None:
        """Attributes and namespaces: looking up the prefixes takes their product."""
        self._equals += piece.count(b"=")
        if self._equals > MOST_EQUALS:
            raise SoapError("Client", f"the request has more than {MOST_EQUALS} attributes")
        # Another encoding has a zero byte or three for each letter; a piece may end in a name.
        letters = self._end + (piece.replace(b"\0", b"") if b"\0" in piece else piece)
        self._prefixes += letters.count(b"xmlns")
        self._end = letters[-4:]
        if self._prefixes > MOST_PREFIXES:
            raise SoapError("Client", f"the request declares more than {MOST_PREFIXES} namespaces")


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
    declared = _declared(body)
    if declared is not None and not _is_watched(declared):
        raise SoapError("Client", f"Unsupported encoding: {declared!r}")
    plain = charset is None or charset.lower() in ("utf-8", "utf8")
    if charset is not None and not plain and declared is None and not _has_mark(body):
        parser = _parser_for(charset)
    if len(body) > _HEAD:
        Watch().look(body)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        if _begins_with_dtd(body[:_HEAD]):
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
    header: etree._Element | None = None
    for child in root:
        if child.tag == f"{{{namespace}}}Header":
            header = child
        elif child.tag == f"{{{namespace}}}Body":
            calls = list(child)
            if not calls:
                raise SoapError("Client", "the Body calls no operation: it has no element")
            return Message(namespace, calls[0], len(calls) - 1, header)
    raise SoapError("Client", "the envelope has no Body")


def must_understand(message: Message) -> str | None:
    """Name of a header block that the sender insists on; the service understands none."""
    namespace = message.namespace
    for block in message.header if message.header is not None else ():
        insisted = block.get(f"{{{namespace}}}mustUnderstand", "").strip() in ("1", "true")
        aimed = block.get(f"{{{namespace}}}actor") or block.get(f"{{{namespace}}}role") or ""
        if insisted and (not aimed or aimed == _NEXT or aimed.startswith(namespace)):
            return str(block.tag)
    return None


def guess_namespace(body: bytes, content_type: str) -> str:
    """The version to answer a request in that cannot be read."""
    head = body[:_HEAD].replace(b"\0", b"")
    found = {name: head.find(name.encode()) for name in (SOAP11, SOAP12)}
    present = {name: place for name, place in found.items() if place >= 0}
    if present:
        return min(present, key=lambda name: present[name])
    return SOAP12 if content_type.startswith("application/soap+xml") else SOAP11


def _begins_with_dtd(head: bytes) -> bool:
    head = head.replace(b"\0", b"")
    prolog = _PROLOG.match(head)
    return prolog is not None and head.startswith(b"<!DOCTYPE", prolog.end())


def _parser_for(charset: str) -> etree.XMLParser:
    try:
        if _is_watched(charset):
            return safe_parser(charset)
    except LookupError:
        pass
    raise SoapError("Client", f"the charset {charset!r} is not known")


def _has_mark(body: bytes) -> bool:
    return body[:2] in (b"\xff\xfe", b"\xfe\xff") or body[:3] == b"\xef\xbb\xbf"


def _declared(body: bytes) -> str | None:
    """The encoding that the document declares."""
    head = body[:_DECLARATION]
    if len(body) > len(head) and head.lstrip().startswith(b"<?xml") and b"?>" not in head:
        raise SoapError("Client", "the request has an XML declaration without an end")
    found = _ENCODING.match(head)
    return None if found is None else found[1].decode("latin-1")


@lru_cache(maxsize=64)
def _is_watched(encoding: str) -> bool:
    """Whether ``Watch`` sees the tags of a document in this encoding.

    UTF-7 and the like can write them in other bytes.
    """
    try:
        tag = "<a>".encode(encoding).replace(b"\0", b"")
        hidden = b"+ADw-\\u003c\\x3c\\x3c-".decode(encoding, "replace")
    except (LookupError, ValueError):
        return False
    return tag.endswith(b"<a>") and "<" not in hidden


def _said(error: etree.XMLSyntaxError) -> str:
    return re.sub(r"\s*\(<string>, line \d+\)$", "", str(error))
