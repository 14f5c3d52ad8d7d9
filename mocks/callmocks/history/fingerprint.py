import hashlib
from collections.abc import Iterator
from datetime import date

import polars as pl

from callmocks.history.history import History
from callmocks.history.walltime import day_of_date

REFERENCE_WEEK = (date(2026, 3, 2), date(2026, 3, 8))  # a Monday to a Sunday, both included

_PIECE_ROWS = 10_000


def compute_fingerprint(history: History) -> str:
    """SHA-256 (hexadecimal) over all views of the reference week, without pins."""
    digest = hashlib.sha256()
    for piece in encode_views(history):
        digest.update(piece)
    return digest.hexdigest()


def encode_views(history: History) -> Iterator[bytes]:
    """What a fingerprint is the hash of; between two pieces others may be served."""
    for day in range(day_of_date(REFERENCE_WEEK[0]), day_of_date(REFERENCE_WEEK[1]) + 1):
        generated = history.generated
        generated.get_day(day)
        yield b""
        yield from _encode_json_lines(generated.get_view("legs", day).frame)
        yield from _encode_json_lines(generated.get_view("sessions", day).frame)
        for operator, legs in generated.operator_legs(day).items():
            yield str(operator).encode()
            yield from _encode_json_lines(generated.build_arm_rows(legs))
        yield from _encode_json_lines(generated.get_view("onec", day).frame)


def _encode_json_lines(frame: pl.DataFrame) -> Iterator[bytes]:
    # Columns by name: independent of how the frame is laid out in memory. In pieces: polars writes
    # while no other thread runs.
    for piece in frame.select(sorted(frame.columns)).iter_slices(_PIECE_ROWS):
        yield piece.write_ndjson().encode()
