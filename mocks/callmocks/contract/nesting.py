"""How deep a document is nested, found out before anything is built of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from lxml import etree

from callmocks.contract.xml import make_parser

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CHUNK_SIZE: Final = 1024 * 1024


def is_json_too_deep(body: bytes, limit: int) -> bool:
    # Most bodies have fewer brackets, which two counts show. Others, whether or not they are JSON,
    # are scanned in chunks: linear time, constant memory.
    if body.count(b"[") + body.count(b"{") <= limit:
        return False
    return any(int(depths.max()) > limit for _, depths in iter_json_depths(body))


def iter_json_depths(body: bytes) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int32]]]:
    """Chunks, with the depth behind each byte; brackets in strings do not count."""
    import numpy as np

    depth = 0
    for chunk, outside in split_json_texts(body):
        folded = chunk | 32  # makes a bracket a brace
        step = (folded == ord("{")).view(np.int8) - (folded == ord("}")).view(np.int8)
        depths = depth + np.cumsum(step * outside, dtype=np.int32)
        yield chunk, depths
        depth = int(depths[-1])


def split_json_texts(body: bytes) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """Chunks, with whether each byte is outside of a string."""
    import numpy as np

    # After the chunk before: whether in a string, backslashes at the end.
    inside, slashes = False, 0
    for start in range(0, len(body), _CHUNK_SIZE):
        chunk = np.frombuffer(body, np.uint8, min(_CHUNK_SIZE, len(body) - start), start)
        quote = chunk == ord('"')
        positions = np.arange(len(chunk), dtype=np.int32)
        other = np.maximum.accumulate(np.where(chunk != ord("\\"), positions, np.int32(-1)))
        run = positions - other  # backslashes up to here, in a row
        run[other < 0] += slashes
        quote[0] &= not slashes
        quote[1:] &= run[:-1] & 1 == 0
        slashes = int(run[-1]) & 1
        outside = np.cumsum(quote, dtype=np.int32) & 1 == inside
        yield chunk, outside
        inside = not outside[-1]


class _DepthCounter:
    """An lxml parser target that keeps nothing but the depth."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.depth = 0

    def start(self, tag: str, attributes: object) -> None:
        self.depth += 1
        if self.depth > self.limit:
            raise _ParsingEnded

    def end(self, tag: str) -> None:
        self.depth -= 1

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise _ParsingEnded  # every provider refuses it with its own error

    def close(self) -> None:
        pass


class _ParsingEnded(Exception):
    pass


def is_message_too_deep(body: bytes, limit: int) -> bool:
    """Of a document, of JSON, or of a frame around it."""
    return is_json_too_deep(body, limit) or is_xml_too_deep(body, limit)


def is_xml_too_deep(body: bytes, limit: int) -> bool:
    """False for a document that cannot be parsed: the provider's own parser says why."""
    if body.count(b"<") <= limit:
        return False
    counter = _DepthCounter(limit)
    with suppress(_ParsingEnded, etree.XMLSyntaxError, ValueError):
        etree.fromstring(body, make_parser(target=counter))
    return counter.depth > limit
