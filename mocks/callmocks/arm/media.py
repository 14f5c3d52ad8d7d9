"""What the rows of an answer link to: the audio of recorded calls, and faxes."""

# The URLs are assumed. They need no login: a player has no session, and a record's id cannot be
# guessed.

from __future__ import annotations

import polars as pl

from callmocks.arm import faxes
from callmocks.history import ids
from callmocks.history.audio import Audio, make_wav
from callmocks.history.walltime import datetime_to_ms, day_start
from callmocks.tenants.exchange import Exchange


def find_record(exchange: Exchange, record_id: str) -> Audio | None:
    """The audio of a leg that has ended by the tenant's clock."""
    record = exchange.tenant.history.find_record(record_id)
    if record is None or record.leg_end > datetime_to_ms(exchange.now):
        return None
    return make_wav(record_id.lower().encode("utf-8"), record.talk_ms)


def find_fax(exchange: Exchange, operator: str, leg_id: str) -> bytes | None:
    """The fax of a call that has ended by the tenant's clock, as PDF."""
    address = ids.leg_address(int(leg_id)) if leg_id.isascii() and leg_id.isdigit() else None
    if address is None:
        return None
    begin, end = day_start(address[0]), day_start(address[0] + 1) - 1
    matches = (
        (pl.col("_leg_id") == int(leg_id))
        & pl.col("_fax").is_not_null()
        & (pl.col("_release") <= datetime_to_ms(exchange.now))
    )
    for rows in exchange.tenant.history.arm_frames(operator, end, begin):
        for row in rows.filter(matches).iter_rows(named=True):
            return faxes.render_pdf(
                [
                    f"Fax {leg_id}: {row['_fax']}",
                    f"{row['_a_number'] or 'anonymous'} -> {row['_b_number'] or 'anonymous'}",
                    f"{row['start_time']} ... {row['release_time']}",
                ]
            )
    return None
