"""Rows that were rendered: each is rendered, and validated, when it is first sent."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import islice
from threading import Lock

import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.arm.rows import CallRow, RenderOptions, render_frame
from callmocks.history.slices import LegSlice
from callmocks.history.views.arm import OperatorLegs, concat_legs

# Among the legs of a slice.
Positions = range | NDArray[np.int64]
Selection = tuple[LegSlice, Positions]

_MAX_SCOPES = 1024
_ID_BITS = 40
_SCOPE_NUMBERS = 1 << 20


class RowCache:
    """Rows of finished calls by leg id, some 2 KB each; those rendered first are dropped first.

    A ``scope`` is all else that the text of a row depends on.
    """

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._rows: dict[int, CallRow] = {}
        self._scopes: dict[Hashable, int] = {}
        self._next_scope = 0  # never given again: a thread may hold one that was dropped
        self._lock = Lock()  # long pages are made in other threads

    def render(
        self,
        selected: Sequence[Selection],
        build_frame: Callable[[OperatorLegs], pl.DataFrame],
        find_final: Callable[[LegSlice, Positions], list[bool] | None],
        scope: Hashable,
        options: RenderOptions,
        now_ms: int,
    ) -> list[CallRow]:
        """Rows as they are at an instant; final ones, None for all, stay the same from then on."""
        first_key, cached = self._first_key(scope), self._rows
        keys: list[int] = []
        final: list[bool] = []
        are_all_final = True
        for part, positions in selected:
            keys += (part.legs.leg_id[as_index(positions)] + first_key).tolist()
            part_final = find_final(part, positions)
            final += part_final or [True] * len(positions)
            are_all_final = are_all_final and part_final is None
        rows: list[CallRow | None] = [*map(cached.get, keys)]
        if not are_all_final:
            rows = [row if kept else None for row, kept in zip(rows, final, strict=True)]
        if not all(rows):
            missing = [place for place, row in enumerate(rows) if row is None]
            # Together: a frame of a single row takes as long as one of fifty.
            legs = concat_legs([part.legs.take(as_index(found)) for part, found in selected])
            made = render_frame(build_frame(legs.take(missing)), options, now_ms)
            for place, row in zip(missing, made, strict=True):
                rows[place] = row
            pairs = zip(missing, made, strict=True)
            self._keep({keys[place]: row for place, row in pairs if final[place]})
        return rows  # type: ignore[return-value]

    def _first_key(self, scope: Hashable) -> int:
        with self._lock:
            return self._find_scope(scope) << _ID_BITS

    def _find_scope(self, scope: Hashable) -> int:
        number = self._scopes.get(scope)
        if number is None:
            if len(self._scopes) == _MAX_SCOPES:  # addresses of answers are the clients' choice
                self._scopes.clear()
                self._rows.clear()
            number = self._scopes[scope] = self._next_scope
            self._next_scope = (self._next_scope + 1) % _SCOPE_NUMBERS
        return number

    def _keep(self, rows: dict[int, CallRow]) -> None:
        with self._lock:
            self._rows |= rows
            surplus = len(self._rows) - self._max_rows
            if surplus > 0:
                for key in list(islice(self._rows, surplus)):
                    del self._rows[key]


def as_index(positions: Positions) -> slice | NDArray[np.int64]:
    if isinstance(positions, range):
        return slice(positions.start, positions.stop)
    return positions
