"""One hash that says whether two installations hold the same calls."""

import hashlib
from datetime import date

import polars as pl

from callmocks.history.history import History
from callmocks.history.walltime import date_day

REFERENCE = (date(2026, 3, 2), date(2026, 3, 8))
"""The week whose calls are hashed, both days included: a Monday to a Sunday."""


def fingerprint(history: History) -> str:
    """SHA-256 (hexadecimal) over all views of the reference week, pins left out."""
    digest = hashlib.sha256()
    for day in range(date_day(REFERENCE[0]), date_day(REFERENCE[1]) + 1):
        drawn = history.drawn
        digest.update(_text(drawn.legs(day).frame))
        digest.update(_text(drawn.sessions(day).frame))
        for operator, rows in sorted(drawn.arm_rows(day).items()):
            digest.update(str(operator).encode())
            digest.update(_text(rows))
        digest.update(_text(drawn.service_calls(day).frame))
    return digest.hexdigest()


def _text(frame: pl.DataFrame) -> bytes:
    """The frame as JSON lines, columns by name: independent of how it is laid out in memory."""
    return frame.select(sorted(frame.columns)).write_ndjson().encode()
