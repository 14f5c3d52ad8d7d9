import hashlib
from datetime import date

import polars as pl

from callmocks.history.history import History
from callmocks.history.walltime import day_of_date

REFERENCE_WEEK = (date(2026, 3, 2), date(2026, 3, 8))  # a Monday to a Sunday, both included


def compute_fingerprint(history: History) -> str:
    """SHA-256 (hexadecimal) over all views of the reference week, without pins."""
    digest = hashlib.sha256()
    for day in range(day_of_date(REFERENCE_WEEK[0]), day_of_date(REFERENCE_WEEK[1]) + 1):
        generated = history.generated
        digest.update(_to_json_lines(generated.get_view("legs", day).frame))
        digest.update(_to_json_lines(generated.get_view("sessions", day).frame))
        for operator, legs in generated.operator_legs(day).items():
            digest.update(str(operator).encode())
            digest.update(_to_json_lines(generated.build_arm_rows(legs)))
        digest.update(_to_json_lines(generated.get_view("onec", day).frame))
    return digest.hexdigest()


def _to_json_lines(frame: pl.DataFrame) -> bytes:
    # Columns by name: independent of how the frame is laid out in memory.
    return frame.select(sorted(frame.columns)).write_ndjson().encode()
