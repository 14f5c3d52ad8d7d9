"""Bounds of messages from outside, found in their bytes before anything is built of them."""

from __future__ import annotations

import re
from typing import Final

from callmocks.contract.json_values import has_fewer_values, measure_json
from callmocks.contract.nesting import split_json_texts

# Of one object: while its members are decoded no other thread runs.
MAX_MEMBERS: Final = 100_000
# Of one text of JSON, and between two tags of XML: a regular expression reads it in one piece.
MAX_TEXT_BYTES: Final = 1024 * 1024
# Of JSON: while they are decoded no other thread runs.
MAX_ANSWER_VALUES: Final = 1_500_000
# Of XML, with the attributes: a tree of as many takes some hundred megabytes.
MAX_ANSWER_TAGS: Final = 2_000_000
MAX_NESTING: Final = 250  # of a request
DEEP: Final = f"is nested deeper than {MAX_NESTING} levels"
_SHORT_BYTES: Final = 64 * 1024
_DECLARATION_BYTES: Final = 1024
_ENCODING: Final = re.compile(rb"\s*<\?xml[^>]*?\sencoding\s*=\s*[\"']([^\"'>]*)")
# All of them show tags in ASCII, zero bytes aside.
_COUNTED_ENCODINGS: Final = re.compile(
    rb"utf-?(8|16|16le|16be|32|32le|32be)|us-ascii|ascii|iso-8859-\d+|windows-125\d|koi8-[ru]",
    re.IGNORECASE,
)


def find_answer_excess(body: bytes) -> str:
    """What an answer of any provider has too much of to be read: ``has more than 9 tags``.

    Empty when it is within the bounds.
    """
    is_xml = body.lstrip()[:1] == b"<"
    return find_xml_excess(body) if is_xml else find_json_excess(body)


def find_json_excess(body: bytes, max_values: int = MAX_ANSWER_VALUES) -> str:
    if len(body) > _SHORT_BYTES:
        if has_more_values(body, max_values):
            return f"has more than {max_values} values"
        if _has_large_object(body, max_values):
            return f"has an object of more than {MAX_MEMBERS} members"
        if len(body) > MAX_TEXT_BYTES and _has_long_text(body):
            return f"has a text of more than {MAX_TEXT_BYTES} bytes"
    return ""


def find_xml_excess(body: bytes, max_tags: int = MAX_ANSWER_TAGS) -> str:
    if len(body) > _SHORT_BYTES:
        encoding = _ENCODING.match(body[:_DECLARATION_BYTES])
        if encoding is not None and not _COUNTED_ENCODINGS.fullmatch(encoding[1]):
            return "has an encoding whose tags cannot be counted"
        if body.count(b"<") + body.count(b"=") > max_tags:
            return f"has more than {max_tags} tags and attributes"
        if _has_long_stretch(body):
            return f"has a text or tag of more than {MAX_TEXT_BYTES} bytes"
    return ""


def has_more_values(body: bytes, max_values: int) -> bool:
    """Ends at the first one too many, unlike ``measure_json``."""
    import numpy as np

    if has_fewer_values(body, max_values):
        return False
    marks, count = np.frombuffer(b"{[,", np.uint8), 0
    for chunk, outside in split_json_texts(body):
        count += int(np.count_nonzero(outside & np.isin(chunk, marks)))
        if count > max_values:
            return True
    return False


def _has_large_object(body: bytes, max_values: int) -> bool:
    if has_fewer_values(body, MAX_MEMBERS):
        return False
    return measure_json(body, max_values).members > MAX_MEMBERS


def _has_long_text(body: bytes) -> bool:
    import numpy as np

    longest = MAX_TEXT_BYTES + 1  # with the quote before it
    begun = 0  # bytes of the text that goes on in the next chunk
    for _, outside in split_json_texts(body):
        ends = np.flatnonzero(outside)
        if not len(ends):
            begun += len(outside)
        else:
            within = int(np.diff(ends).max(initial=0)) - 1
            if max(begun + int(ends[0]), within) > longest:
                return True
            begun = len(outside) - 1 - int(ends[-1])
        if begun > longest:
            return True
    return False


def _has_long_stretch(body: bytes) -> bool:
    position = 0
    while len(body) - position > MAX_TEXT_BYTES:
        found = body.rfind(b"<", position + 1, position + MAX_TEXT_BYTES + 1)
        if found < 0:
            return True
        position = found
    return False
