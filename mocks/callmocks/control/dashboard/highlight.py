"""Requests and responses of the journal, indented, with the values of violations marked.

A message may be any text, and it may be truncated.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from markupsafe import escape

from callmocks.contract.journal import Violation
from callmocks.contract.nesting import iter_json_depths
from callmocks.control.dashboard.violation_spans import SpanFinder

_FRAME = re.compile(r"01\d{14}[^\[{]{0,40}(?=[\[{])")
"""The header of an ARM frame: 48 or 19 characters before the JSON."""
_ESCAPES = re.compile(r"(\\\\)|((?:\\u[0-9a-fA-F]{4})+)")
"""Escaped backslashes, which are left alone, and letters written as ``\\u0431``."""
_MAX_HTML_BYTES = 400_000
"""Of one message, indented and as it was sent; without the indentation 64 KiB are less."""
_INDENT = 2


class HighlightedMessage(NamedTuple):
    """``pieces`` are the text in order, each with the number of its violation, from 1, or 0.

    ``raw`` is the text as it was sent, empty when the pieces are the same.
    """

    pieces: list[tuple[str, int]]
    raw: str
    size: int
    sha256: str | None


def highlight_message(
    text: str, size: int, sha256: str | None, violations: Sequence[Violation]
) -> HighlightedMessage:
    shown = text if sha256 else _indent_message(text)
    if shown != text and len(escape(shown).encode()) + len(escape(text).encode()) > _MAX_HTML_BYTES:
        shown = text
    return HighlightedMessage(
        list(_split_pieces(shown, violations)), text if shown != text else "", size, sha256
    )


def _indent_message(text: str) -> str:
    header = _FRAME.match(text)
    if header:
        return f"{header[0]}\n{_indent_json(text[header.end() :])}"
    start = text.lstrip()[:1]
    if start in ("{", "["):
        return _indent_json(text)
    return _indent_xml(text) if start == "<" and text.count("\n") < 2 else text


def _indent_json(text: str) -> str:
    if _estimate_json_indents(text.encode()) > _MAX_HTML_BYTES:
        return text
    try:
        return _ESCAPES.sub(_unescape_letters, msgspec.json.format(text, indent=2))
    except (msgspec.DecodeError, RecursionError):
        return text


def _estimate_json_indents(text: bytes) -> int:
    """Blanks at most: a line begins behind each comma and at each bracket."""
    blanks = 0
    for chunk, depths in iter_json_depths(text):
        breaks = np.isin(chunk, np.frombuffer(b",[]{}", np.uint8))
        blanks += _INDENT * int(depths[breaks].sum())
    return blanks


def _unescape_letters(found: re.Match[str]) -> str:
    try:
        letters: str = msgspec.json.decode(f'"{found[0]}"')
    except msgspec.DecodeError:  # half of a pair
        return found[0]
    return letters if letters.isprintable() and not set(letters) & set('"\\') else found[0]


def _indent_xml(text: str) -> str:
    from lxml import etree

    from callmocks.contract.xml import make_parser

    try:
        root = etree.fromstring(text.encode(), make_parser(keep_comments=True))
    except (etree.XMLSyntaxError, ValueError):
        return text
    if "<!DOCTYPE" in text:
        return text
    if sum(_INDENT * 2 * depth for depth in _iter_xml_depths(root)) > _MAX_HTML_BYTES:
        return text
    etree.indent(root)
    return etree.tostring(root, encoding="unicode")


def _iter_xml_depths(root: Any) -> Iterator[int]:
    level, depth = [root], 0
    while level:
        yield from (depth for _ in level)
        level, depth = [child for each in level for child in each], depth + 1


def _split_pieces(text: str, violations: Sequence[Violation]) -> Iterator[tuple[str, int]]:
    header = _FRAME.match(text)
    finder = SpanFinder(text, header.end() if header else 0)
    spans = sorted(
        (*span, number)
        for number, violation in enumerate(violations, 1)
        if (span := finder.find(violation)) is not None
    )
    position = 0
    for begin, end, number in spans:
        if begin < position:
            continue
        yield text[position:begin], 0
        yield text[begin:end], number
        position = end
    yield text[position:], 0
