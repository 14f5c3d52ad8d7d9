"""How deep a document is nested, told before anything is built of it."""

from __future__ import annotations

from typing import Any, Final, cast

from lxml import etree

_CHUNK_SIZE: Final = 1024 * 1024


def is_json_too_deep(body: bytes, limit: int) -> bool:
    """Whether brackets stand more than ``most`` levels inside one another.

    Most bodies have fewer brackets than that, which two counts tell. Others are gone through in
    pieces, in linear time and without memory, and whether or not they are JSON.
    """
    if body.count(b"[") + body.count(b"{") <= limit:
        return False
    import numpy as np

    depth, inside, slashes = 0, 0, 0  # what the pieces before have left: slashes are at their end
    for start in range(0, len(body), _CHUNK_SIZE):
        piece = np.frombuffer(body, np.uint8, min(_CHUNK_SIZE, len(body) - start), start)
        quote = piece == ord('"')
        places = np.arange(len(piece), dtype=np.int32)
        other = np.maximum.accumulate(np.where(piece != ord("\\"), places, np.int32(-1)))
        run = places - other  # backslashes up to here, in a row
        run[other < 0] += slashes
        quote[0] &= not slashes
        quote[1:] &= run[:-1] & 1 == 0
        slashes = int(run[-1]) & 1
        outside = np.cumsum(quote, dtype=np.int32) & 1 == inside
        folded = piece | 32  # makes a bracket a brace
        step = (folded == ord("{")).view(np.int8) - (folded == ord("}")).view(np.int8)
        levels = np.cumsum(step * outside, dtype=np.int32)
        if depth + int(levels.max()) > limit:
            return True
        depth, inside = depth + int(levels[-1]), int(not outside[-1])
    return False


class _DepthCounter:
    """What an XML parser tells about a document, of which only the depth is kept."""

    def __init__(self, limit: int) -> None:
        self.most = limit
        self.depth = 0

    def start(self, tag: str, attributes: object) -> None:
        self.depth += 1
        if self.depth > self.most:
            raise _TooDeep

    def end(self, tag: str) -> None:
        self.depth -= 1

    def data(self, text: str) -> None:
        pass

    def comment(self, text: str) -> None:
        pass

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise _HasDoctype

    def close(self) -> None:
        pass


class _TooDeep(Exception):
    pass


class _HasDoctype(Exception):
    """A document with a type, which every provider refuses by itself."""


def is_xml_too_deep(body: bytes, limit: int) -> bool:
    """Whether elements stand more than ``most`` levels inside one another.

    A document that cannot be parsed is not: whoever reads it next will say why it cannot.
    """
    if body.count(b"<") <= limit:
        return False
    parser = etree.XMLParser(
        target=cast("Any", _DepthCounter(limit)),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
    )
    try:
        etree.fromstring(body, parser)
    except _TooDeep:
        return True
    except (_HasDoctype, etree.XMLSyntaxError, ValueError):
        return False
    return False
