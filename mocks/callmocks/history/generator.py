"""Randomness enters here alone.

A counter-based generator: the numbers of (key, stream, index) are the same whenever and in
whatever order they are drawn, so a day can be dropped and drawn again bit for bit. Only
Philox's raw 64-bit stream is used, which NumPy keeps stable; every mapping from raw numbers to
values is ours and made of integers, because the last bit of a logarithm depends on the machine.
"""

import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from callmocks.history.ids import mix64

RawNumbers = NDArray[np.uint64]
Ints = NDArray[np.int64]
_MAX_TABLE_SIZE = 4096


class Generator:
    def __init__(self, key: bytes) -> None:
        self._key = np.frombuffer(key, dtype="<u8").copy()

    def draw_raw(self, stream: int, index: int, count: int) -> RawNumbers:
        counter = np.array([0, 0, index, stream], dtype=np.uint64)
        # NumPy imports its random numbers when this is read first, not with NumPy.
        raw: RawNumbers = np.random.Philox(counter=counter, key=self._key).random_raw(count)
        return raw


def derive_key(*parts: object) -> bytes:
    text = "\x1f".join(map(str, parts)).encode()
    return hashlib.blake2b(text, digest_size=16, person=b"callmocks").digest()


def derive_token(*parts: object) -> str:
    """32 hexadecimal digits; a mock's tokens repeat from run to run."""
    return derive_key("token", *parts).hex()


def make_random_key() -> bytes:
    """Sixteen bytes that cannot be repeated: for masking a recording."""
    return os.urandom(16)


def integers_below(raw: RawNumbers, bound: int | Ints) -> Ints:
    return (((raw >> np.uint64(32)) * np.asarray(bound, dtype=np.uint64)) >> np.uint64(32)).astype(
        np.int64
    )


def spread_by_number(key: bytes, numbers: NDArray[np.integer], lowest: int, highest: int) -> Ints:
    """Evenly from the lowest to the highest; equal numbers get equal values."""
    first, second = np.frombuffer(key, dtype="<u8")
    raw = mix64(mix64(numbers.astype(np.uint64) ^ first) ^ second)
    return lowest + integers_below(raw, highest - lowest + 1)


def weighted_indexes(raw: RawNumbers, weights: Sequence[int]) -> Ints:
    """One for each raw number; the weights are whole numbers."""
    total = sum(weights)
    if total <= _MAX_TABLE_SIZE:
        return _index_table(tuple(weights))[integers_below(raw, total)]
    edges = np.cumsum(np.asarray(weights, dtype=np.int64))
    return np.searchsorted(edges, integers_below(raw, total), side="right").astype(np.int64)


@lru_cache(maxsize=256)
def _index_table(weights: tuple[int, ...]) -> Ints:
    # Each index as often as its weight says: quicker to look up than to search.
    return np.repeat(np.arange(len(weights)), weights)


def interpolate_quantiles(raw: RawNumbers, points: Sequence[int]) -> Ints:
    """``points`` are evenly spaced quantiles, from the least value to the greatest."""
    edges, steps = _quantile_edges(tuple(points))
    scaled = (raw >> np.uint64(44)).astype(np.int64) * len(steps)  # 20 bits of position
    part, rest = scaled >> 20, scaled & 0xFFFFF
    values: Ints = edges[part] + ((steps[part] * rest) >> 20)
    return values


@lru_cache(maxsize=256)
def _quantile_edges(points: tuple[int, ...]) -> tuple[Ints, Ints]:
    edges = np.asarray(points, dtype=np.int64)
    return edges[:-1], np.diff(edges)
