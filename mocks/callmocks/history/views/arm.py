"""The ARM view: what the workplace of one operator shows of his calls.

A row is a leg of that operator which really rang (coaching excepted); the attributes are those of
``schemas/arm/operator_call_history.xsd``.
"""

import numpy as np
import polars as pl

from callmocks.history import ids, reasons
from callmocks.history.columns import CallKind, DayColumns, LegRole
from callmocks.history.views.lookups import (
    Lookups,
    enum_lookup,
    phone_column,
    wall_time_column,
    with_nulls,
)
from callmocks.history.views.talks import find_talks, own_record_column
from callmocks.history.walltime import day_start

_DIRECTION = enum_lookup(("in", "out"))
_RELEASED = enum_lookup(("released_by_system", "released_by_a", "released_by_b"))
_FAX = enum_lookup(("success", "failed"))
_SERVICE = enum_lookup(("ctr",))
"""Supplementary services: call transfer."""


def build_arm_rows(
    key: bytes, day: DayColumns, lookups: Lookups, only_operator: int | None = None
) -> pl.DataFrame:
    """All rows of a day and all operators, newest first; ``_operator`` is the operator's index.

    ``only``: the rows of one operator, by index. Durations are those of a finished call;
    ``_start``, ``_answer`` and ``_release`` are exact.
    """
    legs, calls, begins = day.legs, day.calls, day_start(day.first_day)
    wanted = legs.operator >= 0 if only_operator is None else legs.operator == only_operator
    shown = np.flatnonzero(wanted & (legs.role != LegRole.COACH) & legs.rang)
    shown = shown[np.lexsort((-legs.row[shown], -legs.start[shown]))]
    call, operator = legs.call[shown], legs.operator[shown]
    outgoing = legs.role[shown] == LegRole.INITIATOR
    start, answer, release = (c[shown] for c in (legs.start, legs.connect, legs.end))
    began, picked, ended = (c // 1000 for c in (start, answer, release))
    spoken = answer >= 0
    waiting = np.where(spoken, picked, ended) - began
    inner = calls.kind[call] == CallKind.INTERNAL
    other = np.where(outgoing, calls.called_operator[call], legs.operator[calls.first_leg[call]])
    other = np.where(inner, other, -1)
    number = lookups.operator_number.gather(operator).cast(pl.String)
    name = lookups.operator_name.gather(operator).cast(pl.String)
    remote = lookups.operator_number.gather(other).cast(pl.String)
    remote_digits = remote.zip_with(pl.Series(inner), phone_column(calls.phone)[call]).fill_null("")
    remote_name = lookups.operator_name.gather(other).cast(pl.String)
    client_name = lookups.user_name.gather(calls.user[call]).cast(pl.String)
    remote_name = remote_name.zip_with(pl.Series(inner), client_name).fill_null("")
    agent = remote.fill_null("")
    queued = (calls.kind[call] == CallKind.INCOMING) & (legs.role[shown] == LegRole.OPERATOR)
    record = own_record_column(key, day, find_talks(day), shown)
    days = day.first_day if day.day_offset is None else day.first_day + day.day_offset[call]
    moved = legs.reason[shown] == reasons.INDEX["transfer_disconnects"]
    ids_of_groups = lookups.group_id.gather(lookups.group_of_operator[operator]).cast(pl.String)
    other_group = (
        lookups.group_id.gather(lookups.group_of_operator[other]).cast(pl.String).fill_null("")
    )
    out = pl.Series(outgoing)
    return pl.DataFrame(
        {
            "total_duration": (ended - began).astype(np.int64),
            "waiting_duration": waiting.astype(np.int64),
            "talk_duration": np.where(spoken, ended - picked, 0).astype(np.int64),
            "release_reason": _RELEASED.gather(legs.released_by[shown]),
            "digits": number,
            "remote_digits": remote_digits,
            "call_ref": pl.Series(ids.call_refs(key, days, legs.row[shown], outgoing)).cast(
                pl.String
            ),
            "duration": np.where(spoken, release - answer, 0).astype(np.int64) // 1000,
            "release_time": wall_time_column(begins, release),
            "answer_time": wall_time_column(begins, answer),
            "start_time": wall_time_column(begins, start),
            "direction": _DIRECTION.gather(outgoing.astype(np.int8)),
            "remote_display_name": remote_name,
            "display_name": pl.Series([""], dtype=pl.String).new_from_index(0, len(shown)),
            "remote_agent_id": agent,
            "queue_id": lookups.queue.gather(np.where(queued, calls.line[call], -1)),
            "_operator": operator,
            "_start": begins + start.astype(np.int64),
            "_answer": with_nulls(begins + answer.astype(np.int64), spoken),
            "_release": begins + release.astype(np.int64),
            "_leg_id": ids.leg_id(days, legs.row[shown]),
            "_record": record,
            "_fax": _FAX.gather(legs.fax[shown] - 1),
            "_ss": _SERVICE.gather(np.where(moved, 0, -1)),
            "_a_number": number.zip_with(out, remote_digits),
            "_b_number": remote_digits.zip_with(out, number),
            "_a_agent": number.zip_with(out, agent),
            "_b_agent": agent.zip_with(out, number),
            "_a_group": ids_of_groups.zip_with(out, other_group),
            "_b_group": other_group.zip_with(out, ids_of_groups),
            "_a_name": name.zip_with(out, remote_name),
            "_b_name": remote_name.zip_with(out, name),
        }
    )
