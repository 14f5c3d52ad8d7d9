"""What the rows of an answer link to: the audio of recorded calls, and faxes."""

# The URLs are assumed. They need no login: a player has no session, and a record's id cannot be
# guessed.

import re
from typing import Any

import polars as pl

from callmocks.contract.numerals import parse_natural
from callmocks.history import ids
from callmocks.history.audio import Audio, make_wav
from callmocks.history.walltime import datetime_to_ms, day_start
from callmocks.tenants.exchange import Exchange


def find_record(exchange: Exchange, record_id: str) -> Audio | None:
    """The audio of a leg, once ARM has it by the tenant's clock."""
    record = exchange.tenant.history.find_record(record_id)
    if record is None or record.arm_from > datetime_to_ms(exchange.now):
        return None
    return make_wav(record_id.lower().encode("utf-8"), record.talk_ms)


def find_fax(exchange: Exchange, operator: str, leg_id: str) -> bytes | None:
    """The fax of a call whose row is there by the tenant's clock, as PDF."""
    number = parse_natural(leg_id)
    address = None if number is None else ids.leg_address(number)
    if address is None:
        return None
    # Legs of a pinned call may start on the day after the call.
    begin, end = day_start(address[0]), day_start(address[0] + 2) - 1
    matches = (
        (pl.col("_leg_id") == number)
        & pl.col("_fax").is_not_null()
        & (pl.col("_release") <= datetime_to_ms(exchange.now))
    )
    for rows in exchange.tenant.history.arm_frames(operator, end, begin):
        for row in rows.filter(matches).iter_rows(named=True):
            return render_pdf(
                [
                    f"Fax {leg_id}: {row['_fax']}",
                    " -> ".join(number or "anonymous" for number in _caller_first(row)),
                    f"{row['start_time']} ... {row['release_time']}",
                ]
            )
    return None


def _caller_first(row: dict[str, Any]) -> tuple[str, str]:
    own, remote = row["digits"], row["remote_digits"]
    return (own, remote) if row["direction"] == "out" else (remote, own)


def render_pdf(lines: list[str]) -> bytes:
    """A PDF of one A4 page with these lines, ASCII only."""
    ascii_lines = [line.encode("ascii", "replace") for line in lines]
    escaped = [re.sub(rb"([\\()])", rb"\\\1", line) for line in ascii_lines]
    text = b"BT /F 12 Tf 60 780 Td 16 TL " + b" ".join(b"(%b) '" % x for x in escaped) + b" ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>",
    ]
    file, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    return (
        b"%bxref\n0 %d\n0000000000 65535 f \n%btrailer\n<< /Size %d /Root 1 0 R >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (file, count, table, count, len(file))
    )
