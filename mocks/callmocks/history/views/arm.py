"""The ARM view: what the workplace of one operator shows of his calls.

A row is a leg of that operator which really rang (coaching excepted); the attributes are those of
``schemas/arm/operator_call_history.xsd``.
"""

from typing import NamedTuple

import numpy as np
import polars as pl

from callmocks.history import ids, reasons
from callmocks.history.columns import CallKind, DayColumns, IntColumn, LegRole
from callmocks.history.views.lookups import Lookups, add_nulls, enum_lookup, show_phones, show_times
from callmocks.history.views.talks import find_talks, own_record_column
from callmocks.history.walltime import day_start

_DIRECTION = enum_lookup(("in", "out"))
_RELEASED = enum_lookup(("released_by_system", "released_by_a", "released_by_b"))
_FAX = enum_lookup(("success", "failed"))
_SUPPLEMENTARY_SERVICE = enum_lookup(("ctr",))  # call transfer


def build_arm_rows(
    key: bytes, day: DayColumns, lookups: Lookups, only_operator: int | None = None
) -> pl.DataFrame:
    """Rows of all operators, or of one (by index), newest first; ``_operator`` is the index.

    Durations are those of a finished call; ``_start``, ``_answer`` and ``_release`` are exact.
    """
    legs, calls, midnight = day.legs, day.calls, day_start(day.first_day)
    reached = legs.operator >= 0 if only_operator is None else legs.operator == only_operator
    leg = np.flatnonzero(reached & (legs.role != LegRole.COACH) & legs.rang)
    leg = leg[np.lexsort((-legs.row[leg], -legs.start[leg]))]
    call, outgoing = legs.call[leg], legs.role[leg] == LegRole.INITIATOR
    start, answer, release = legs.start[leg], legs.connect[leg], legs.end[leg]
    start_s, answer_s, release_s = start // 1000, answer // 1000, release // 1000
    answered = answer >= 0
    waited_s = np.where(answered, answer_s, release_s) - start_s
    queued = (calls.kind[call] == CallKind.INCOMING) & (legs.role[leg] == LegRole.OPERATOR)
    transferred = legs.reason[leg] == reasons.INDEX["transfer_disconnects"]
    days = day.first_day if day.day_offset is None else day.first_day + day.day_offset[call]
    refs = pl.Series(ids.call_refs(key, days, legs.row[leg], outgoing))
    own, remote = _find_parties(day, lookups, leg)
    return pl.DataFrame(
        {
            "total_duration": (release_s - start_s).astype(np.int64),
            "waiting_duration": waited_s.astype(np.int64),
            "talk_duration": np.where(answered, release_s - answer_s, 0).astype(np.int64),
            "release_reason": _RELEASED.gather(legs.released_by[leg]),
            "digits": own.number,
            "remote_digits": remote.number,
            "call_ref": refs.cast(pl.String),
            "duration": np.where(answered, release - answer, 0).astype(np.int64) // 1000,
            "release_time": show_times(midnight, release),
            "answer_time": show_times(midnight, answer),
            "start_time": show_times(midnight, start),
            "direction": _DIRECTION.gather(outgoing.astype(np.int8)),
            "remote_display_name": remote.name,
            "display_name": pl.Series([""], dtype=pl.String).new_from_index(0, len(leg)),
            "remote_agent_id": remote.agent,
            "queue_id": lookups.queue.gather(np.where(queued, calls.line[call], -1)),
            "_operator": legs.operator[leg],
            "_start": midnight + start.astype(np.int64),
            "_answer": add_nulls(midnight + answer.astype(np.int64), answered),
            "_release": midnight + release.astype(np.int64),
            "_leg_id": ids.leg_id(days, legs.row[leg]),
            "_record": own_record_column(key, day, find_talks(day), leg),
            "_fax": _FAX.gather(legs.fax[leg] - 1),
            "_ss": _SUPPLEMENTARY_SERVICE.gather(np.where(transferred, 0, -1)),
            **_party_columns(own, remote, pl.Series(outgoing)),
        }
    )


class _Party(NamedTuple):
    number: pl.Series
    agent: pl.Series
    group: pl.Series
    name: pl.Series


def _find_parties(day: DayColumns, lookups: Lookups, leg: IntColumn) -> tuple[_Party, _Party]:
    legs, calls, call = day.legs, day.calls, day.legs.call[leg]
    internal = calls.kind[call] == CallKind.INTERNAL
    dialled = legs.role[leg] == LegRole.INITIATOR
    other = np.where(dialled, calls.called_operator[call], legs.operator[calls.first_leg[call]])
    own, remote = (
        _Party(
            number := lookups.operator_number.gather(operator).cast(pl.String),
            number.fill_null(""),
            lookups.group_id.gather(lookups.group_of_operator[operator])
            .cast(pl.String)
            .fill_null(""),
            lookups.operator_name.gather(operator).cast(pl.String),
        )
        for operator in (legs.operator[leg], np.where(internal, other, -1))
    )
    from_inside = pl.Series(internal)
    client_name = lookups.user_name.gather(calls.user[call]).cast(pl.String)
    return own, remote._replace(
        number=remote.number.zip_with(from_inside, show_phones(calls.phone)[call]).fill_null(""),
        name=remote.name.zip_with(from_inside, client_name).fill_null(""),
    )


def _party_columns(own: _Party, remote: _Party, outgoing: pl.Series) -> dict[str, pl.Series]:
    """A called, B was called."""
    columns: dict[str, pl.Series] = {}
    for field in _Party._fields:
        mine, theirs = getattr(own, field), getattr(remote, field)
        columns[f"_a_{field}"] = mine.zip_with(outgoing, theirs)
        columns[f"_b_{field}"] = theirs.zip_with(outgoing, mine)
    return columns
