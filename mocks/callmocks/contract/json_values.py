"""JSON from outside: decoded in a time that its length bounds, and measured before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isinf
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from callmocks.contract.nesting import split_json_texts

T = TypeVar("T")


def _read_float(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise ValueError("Number out of range")
    return value


# Of a number near the ends of a double's range (1e308, 5e-324) msgspec takes 10 µs, twenty times as
# long as Python, and lets no other thread run between two.
def make_json_decoder(type: type[T]) -> msgspec.json.Decoder[T]:
    """``type`` has no members of type `float`: those are not read by the hook."""
    return msgspec.json.Decoder(type, float_hook=_read_float)


decode_json: Final[Callable[[bytes | str], Any]] = msgspec.json.Decoder(
    float_hook=_read_float
).decode


def describe_bad_utf8(raw: bytes) -> str:
    """``byte 24 is no UTF-8``: msgspec counts from the beginning of a text in it."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return f"byte {error.start + 1} is no UTF-8"
    return "it is no UTF-8"


def iter_json_pieces(value: Any) -> Iterator[bytes]:
    """JSON of a value of any size, a scalar or less at a time."""
    opened: list[Iterator[Any]] = [iter((value,))]
    while opened:
        for item in opened[-1]:
            if isinstance(item, dict | list):
                opened.append(_iter_members(item) if isinstance(item, dict) else _iter_items(item))
                break
            yield item if isinstance(item, bytes) else msgspec.json.encode(item)
        else:
            opened.pop()


def _iter_members(table: dict[str, Any]) -> Iterator[Any]:
    """Ready bytes, and values between them."""
    mark = b"{"
    for key, item in table.items():
        yield mark + msgspec.json.encode(key) + b":"
        yield item
        mark = b","
    yield b"}" if table else b"{}"


def _iter_items(items: list[Any]) -> Iterator[Any]:
    """Ready bytes, and values between them."""
    mark = b"["
    for item in items:
        yield mark
        yield item
        mark = b","
    yield b"]" if items else b"[]"


class JsonSize(NamedTuple):
    """``values`` are counted by their commas and opening brackets; ``members`` are the largest
    object's, 0 when the values are too many.
    """

    values: int
    members: int


def has_fewer_values(body: bytes, count: int) -> bool:
    """Whether a glance shows it: marks in texts are counted, too."""
    return sum(map(body.count, (b"{", b"[", b","))) < count


def measure_json(body: bytes, max_values: int) -> JsonSize:
    import numpy as np

    marks = np.frombuffer(b"{[,]}", np.uint8)
    chunks = [chunk[outside & np.isin(chunk, marks)] for chunk, outside in split_json_texts(body)]
    found = np.concatenate(chunks)
    closing = (found == ord("]")) | (found == ord("}"))
    comma = found == ord(",")
    values = len(found) - int(closing.sum())
    if values > max_values:
        return JsonSize(values, 0)
    depths = np.cumsum(1 - comma.view(np.int8) - 2 * closing.view(np.int8), dtype=np.int32)
    # On one level the commas of a container follow its bracket.
    order = np.argsort(depths[~closing], kind="stable")
    found = found[~closing][order]
    starts = np.flatnonzero(found != ord(","))
    lengths = np.diff(starts, append=len(found))[found[starts] == ord("{")]
    return JsonSize(values, int(lengths.max(initial=0)))
