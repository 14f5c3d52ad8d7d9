"""One hash that says whether two installations hold the same calls."""

import hashlib
from datetime import date

import polars as pl

from callmocks.history.history import History
from callmocks.history.walltime import day_of_date

REFERENCE_WEEK = (date(2026, 3, 2), date(2026, 3, 8))
"""The week whose calls are hashed, both days included: a Monday to a Sunday."""


def compute_fingerprint(history: History) -> str:
    """SHA-256 (hexadecimal) over all views of the reference week, pins left out."""
    digest = hashlib.sha256()
    for day in range(day_of_date(REFERENCE_WEEK[0]), day_of_date(REFERENCE_WEEK[1]) + 1):
        drawn = history.generated
        digest.update(_to_json_lines(drawn.get_view("legs", day).frame))
        digest.update(_to_json_lines(drawn.get_view("sessions", day).frame))
        for operator, rows in sorted(drawn.arm_rows_by_operator(day).items()):
            digest.update(str(operator).encode())
            digest.update(_to_json_lines(rows))
        digest.update(_to_json_lines(drawn.get_view("onec", day).frame))
    return digest.hexdigest()


def _to_json_lines(frame: pl.DataFrame) -> bytes:
    """The frame as JSON lines, columns by name: independent of how it is laid out in memory."""
    return frame.select(sorted(frame.columns)).write_ndjson().encode()
