import hashlib
from datetime import date

import polars as pl

from callmocks.history.history import History
from callmocks.history.walltime import day_of_date

REFERENCE_WEEK = (date(2026, 3, 2), date(2026, 3, 8))  # a Monday to a Sunday, both included

_PIECE_ROWS = 10_000


def compute_fingerprint(history: History) -> str:
    """SHA-256 (hexadecimal) over all views of the reference week, without pins."""
    digest = hashlib.sha256()
    for day in range(day_of_date(REFERENCE_WEEK[0]), day_of_date(REFERENCE_WEEK[1]) + 1):
        generated = history.generated
        _add_json_lines(digest, generated.get_view("legs", day).frame)
        _add_json_lines(digest, generated.get_view("sessions", day).frame)
        for operator, legs in generated.operator_legs(day).items():
            digest.update(str(operator).encode())
            _add_json_lines(digest, generated.build_arm_rows(legs))
        _add_json_lines(digest, generated.get_view("onec", day).frame)
    return digest.hexdigest()


def _add_json_lines(digest: "hashlib._Hash", frame: pl.DataFrame) -> None:
    # Columns by name: independent of how the frame is laid out in memory. In pieces: polars writes
    # while no other thread runs.
    for piece in frame.select(sorted(frame.columns)).iter_slices(_PIECE_ROWS):
        digest.update(piece.write_ndjson().encode())
