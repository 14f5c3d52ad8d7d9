"""Which changes the tenants in memory, or those of the store, are made of.

A writer is a replica until it loses a change: all its changes follow from one another, so its last
one stands for those before it, however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from types import MappingProxyType
from typing import NamedTuple

MAX_WRITERS = 1000  # half of them are kept when there are more


class VersionVector(NamedTuple):
    writers: Mapping[str, int] = MappingProxyType({})  # number of its last change, by stamp
    forgotten: int = 0  # changes up to this number by writers that are not listed are included

    @property
    def last_number(self) -> int:
        return max([self.forgotten, *self.writers.values()])

    def includes(self, number: int, stamp: str) -> bool:
        return bool(stamp) and self._find_number(stamp) >= number

    def includes_all(self, other: VersionVector, *, but: str) -> bool:
        """Whether all changes of the other are included, those of one writer aside."""
        listed = (self.includes(n, stamp) for stamp, n in other.writers.items() if stamp != but)
        # Those forgotten cannot be compared: who has not got as far lacks some.
        return self.last_number >= other.forgotten and all(listed)

    def find_last_common(self, other: VersionVector) -> int:
        """Number of the last change of both: before it, they are the same."""
        stamps = self.writers.keys() | other.writers.keys()
        common = (min(self._find_number(stamp), other._find_number(stamp)) for stamp in stamps)
        return max(common, default=0)

    def add(self, number: int, stamp: str) -> VersionVector:
        writers = {**self.writers, stamp: number}
        if len(writers) <= MAX_WRITERS:
            return VersionVector(writers, self.forgotten)
        ascending = sorted(writers.items(), key=itemgetter(1))
        kept = ascending[-(MAX_WRITERS // 2) :]
        return VersionVector(dict(kept), ascending[-len(kept) - 1][1])

    def _find_number(self, stamp: str) -> int:
        return self.writers.get(stamp, self.forgotten)
