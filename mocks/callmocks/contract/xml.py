"""XML from outside: one hardened parser, and the characters that XML and UUIDs are made of."""

import re
from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any, Final, TypeAlias

from lxml import etree
from msgspec import Meta

_FORBIDDEN: Final = "\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff"
# For Polars, whose texts hold no surrogates.
FORBIDDEN_PATTERN: Final = f"[{_FORBIDDEN}]"
# A character that no XML 1.0 document can hold.
FORBIDDEN: Final = re.compile(f"[{_FORBIDDEN}\ud800-\udfff]")
# A line of text that XML can hold, as the parameter of a fault.
_XML_LINE: Final = Meta(pattern=r"^[^\x00-\x1f\ud800-\udfff￾￿]*$", max_length=1000)
XmlText: TypeAlias = Annotated[str, _XML_LINE]
# A character that such a line cannot hold.
FORBIDDEN_IN_LINE: Final = re.compile("[\0-\x1f\ud800-\udfff\ufffe\uffff]")
# Of one element: lxml searches all of them for each one.
MAX_ATTRIBUTES: Final = 100
# In the scopes of all elements together: lxml lists a scope each time that a prefix is resolved.
MAX_SCOPED_NAMESPACES: Final = 5_000_000
# In a document of so many bytes equals signs are counted instead of attributes. Where an encoding
# has other bytes for them, there is no room for as many as would take long.
_SHORT_BYTES: Final = 4096
UUID_PATTERN: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
UUID: Final = re.compile(UUID_PATTERN, re.IGNORECASE)


def make_parser(*, keep_comments: bool = False, **options: Any) -> etree.XMLParser:
    """A parser that resolves no entity and opens no file and no connection.

    ``options`` are lxml's. ``huge_tree`` lifts libxml2's limits (256 levels, 10 MB of one text):
    only for answers, which are as long as they are.
    """
    options |= {"remove_comments": not keep_comments, "remove_pis": not keep_comments}
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, **options
    )


# The document type declaration of a tree; None without one.
get_dtd: Final = attrgetter("docinfo.internalDTD")


def find_excess(root: etree._Element, document: bytes, max_namespaces: int) -> str:
    """What an element of ``document`` has too many of; empty when none has.

    ``max_namespaces`` are in scope.
    """
    if len(document) <= _SHORT_BYTES and document.count(b"=") <= MAX_ATTRIBUTES:
        return ""
    if any(len(element.attrib) > MAX_ATTRIBUTES for element in root.iter()):
        return f"an element has more than {MAX_ATTRIBUTES} attributes"
    in_scope = scoped = 0
    for event, _ in etree.iterwalk(root, events=("start", "start-ns", "end-ns")):
        if event == "start":
            scoped += in_scope
        else:
            in_scope += 1 if event == "start-ns" else -1
        if in_scope > max_namespaces:
            return f"an element is in the scope of more than {max_namespaces} namespaces"
        if scoped > MAX_SCOPED_NAMESPACES:
            return f"the scopes of all elements have more than {MAX_SCOPED_NAMESPACES} namespaces"
    return ""


def replace_forbidden(text: str) -> str:
    return FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)


def edit_document(body: bytes, edit: Callable[[etree._Element], bool]) -> bytes | None:
    """A document changed by ``edit``; None when it is no XML or ``edit`` returns False."""
    try:
        # A parser of its own: one that threads share lets only one of them parse.
        root = etree.fromstring(body, make_parser(huge_tree=True, keep_comments=True))
    except etree.XMLSyntaxError:
        return None
    if not edit(root):
        return None
    declared = body.lstrip().startswith(b"<?xml")
    return etree.tostring(root, encoding="utf-8", xml_declaration=declared)
