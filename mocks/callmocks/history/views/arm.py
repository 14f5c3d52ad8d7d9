"""The ARM view: what the workplace of one operator shows of his calls.

A row is a leg of that operator which really rang (coaching excepted); the attributes are those of
``schemas/arm/operator_call_history.xsd``. A search over years goes through ``OperatorLegs``, and
rows are built of what it finds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.history import ids, reasons
from callmocks.history.columns import BoolColumn, CallKind, DayColumns, IntColumn, LegRole
from callmocks.history.views.lookups import Lookup, Lookups, add_nulls, show_phones, show_times
from callmocks.history.views.talks import find_recorded_talks
from callmocks.history.walltime import day_start

_DIRECTION = Lookup(("in", "out"))
_RELEASED = Lookup(("released_by_system", "released_by_a", "released_by_b"))
_FAX = Lookup(("success", "failed"))
_SUPPLEMENTARY_SERVICE = Lookup(("ctr",))  # call transfer


class OperatorLegs(msgspec.Struct, frozen=True):
    """Legs that rang at operators, newest first. Times are wall times in milliseconds.

    Indexes are positions in the directory; -1 stands for "never" and for "none". ``phone`` is the
    outside party's, 0 when hidden or internal. ``record_leg`` is the id of the recorded talk.
    """

    operator: IntColumn
    leg_id: IntColumn
    call_row: IntColumn  # with the leg's day, the address in its call's session id
    start: NDArray[np.int64]
    answer: NDArray[np.int64]
    release: NDArray[np.int64]
    phone: NDArray[np.int64]
    record_leg: IntColumn
    record_ms: IntColumn
    user: IntColumn
    remote_operator: IntColumn
    queue: IntColumn  # the line that queued the call
    outgoing: BoolColumn
    transferred: BoolColumn
    released_by: IntColumn
    fax: IntColumn

    def __len__(self) -> int:
        return len(self.leg_id)

    @property
    def nbytes(self) -> int:
        return sum(getattr(self, name).nbytes for name in self.__struct_fields__)

    def take(self, positions: Sequence[int] | IntColumn | slice) -> OperatorLegs:
        return OperatorLegs(*(getattr(self, name)[positions] for name in self.__struct_fields__))

    def count_started_before(self, first: int, last: int, ms: int) -> int:
        """Among an operator's, which stand at these positions."""
        return int(self.start[first:last][::-1].searchsorted(ms))


def concat_legs(parts: Sequence[OperatorLegs]) -> OperatorLegs:
    if len(parts) == 1:
        return parts[0]
    columns = OperatorLegs.__struct_fields__
    return OperatorLegs(*(np.concatenate([getattr(p, name) for p in parts]) for name in columns))


def sort_newest_first(legs: OperatorLegs) -> OperatorLegs:
    return legs.take(np.lexsort((-legs.leg_id, -legs.start)))


class LegsByOperator(Mapping[int, OperatorLegs]):
    """Legs of a day or of a batch, by index of their operator."""

    # An operator's legs are cut out when they are wanted alone. Kept ready, the arrays of each
    # operator of each day would take more memory than what is in them.
    def __init__(self, legs: OperatorLegs) -> None:
        self.legs = legs.take(np.argsort(legs.operator, kind="stable"))
        self.last_release = int(legs.release.max(initial=0))
        last_operator = int(legs.operator.max(initial=-1))
        edges = self.legs.operator.searchsorted(np.arange(last_operator + 2))
        self._edges = edges.astype(np.int32)

    @property
    def nbytes(self) -> int:
        return self.legs.nbytes + self._edges.nbytes

    def find_positions(self, operator: int) -> tuple[int, int]:
        """First (included) and last (not included) of an operator's among all ``legs``."""
        if not 0 <= operator < len(self._edges) - 1:
            return 0, 0
        return self._edges.item(operator), self._edges.item(operator + 1)

    def __getitem__(self, operator: int) -> OperatorLegs:
        first, last = self.find_positions(operator)
        if first == last:
            raise KeyError(operator)
        return self.legs.take(slice(first, last))

    def __iter__(self) -> Iterator[int]:
        return iter(np.flatnonzero(np.diff(self._edges)).tolist())

    def __len__(self) -> int:
        return int(np.count_nonzero(np.diff(self._edges)))


def select_operator_legs(day: DayColumns) -> OperatorLegs:
    legs, calls, midnight = day.legs, day.calls, day_start(day.first_day)
    leg = np.flatnonzero((legs.operator >= 0) & (legs.role != LegRole.COACH) & legs.rang)
    leg = leg[np.lexsort((-legs.row[leg], -legs.start[leg]))]
    call, role = legs.call[leg], legs.role[leg]
    outgoing, kind = role == LegRole.INITIATOR, calls.kind[call]
    other = np.where(outgoing, calls.called_operator[call], legs.operator[calls.first_leg[call]])
    queued = (kind == CallKind.INCOMING) & (role == LegRole.OPERATOR)
    record_leg, record_ms = find_recorded_talks(day, leg)
    answer = legs.connect[leg].astype(np.int64)
    return OperatorLegs(
        operator=legs.operator[leg].astype(np.int16),
        leg_id=ids.leg_id(_days_of_legs(day, leg), legs.row[leg]),
        call_row=calls.row[call].astype(np.int32),
        start=midnight + legs.start[leg].astype(np.int64),
        answer=np.where(answer >= 0, midnight + answer, -1),
        release=midnight + legs.end[leg].astype(np.int64),
        phone=calls.phone[call].astype(np.int64),
        record_leg=record_leg,
        record_ms=record_ms.astype(np.int32),
        user=calls.user[call].astype(np.int32),
        remote_operator=np.where(kind == CallKind.INTERNAL, other, -1).astype(np.int16),
        queue=np.where(queued, calls.line[call], -1).astype(np.int16),
        outgoing=outgoing,
        transferred=legs.reason[leg] == reasons.INDEX["transfer_disconnects"],
        released_by=legs.released_by[leg].astype(np.int8),
        fax=legs.fax[leg].astype(np.int8),
    )


def _days_of_legs(day: DayColumns, leg: IntColumn) -> int | IntColumn:
    days = day.leg_days
    return days if isinstance(days, int) else days[leg]


def find_call_ref(key: bytes, legs: OperatorLegs, position: int) -> str:
    one = slice(position, position + 1)
    day, row = ids.leg_addresses(legs.leg_id[one])
    return str(ids.call_refs(key, day, row, legs.outgoing[one])[0])


def build_arm_rows(key: bytes, legs: OperatorLegs, lookups: Lookups) -> pl.DataFrame:
    """``_operator`` is the index. Durations are those of a finished call.

    ``_start``, ``_answer`` and ``_release`` are exact.
    """
    start, answer, release = legs.start, legs.answer, legs.release
    start_s, answer_s, release_s = start // 1000, answer // 1000, release // 1000
    answered = answer >= 0
    refs = pl.Series(ids.call_refs(key, *ids.leg_addresses(legs.leg_id), legs.outgoing))
    remote, internal = legs.remote_operator, pl.Series(legs.remote_operator >= 0)
    remote_agent = lookups.agent_id.gather(remote).cast(pl.String)
    remote_number = lookups.operator_number.gather(remote).cast(pl.String)
    remote_name = lookups.operator_name.gather(remote).cast(pl.String)
    user_name = lookups.user_name.gather(legs.user).cast(pl.String)
    return pl.DataFrame(
        {
            "total_duration": release_s - start_s,
            "waiting_duration": np.where(answered, answer_s, release_s) - start_s,
            "talk_duration": np.where(answered, release_s - answer_s, 0),
            "release_reason": _RELEASED.gather(legs.released_by),
            "digits": lookups.operator_number.gather(legs.operator).cast(pl.String),
            "remote_digits": remote_number.zip_with(internal, show_phones(legs.phone)).fill_null(
                ""
            ),
            "call_ref": refs.cast(pl.String),
            "duration": np.where(answered, release - answer, 0) // 1000,
            "release_time": show_times(0, release),
            "answer_time": show_times(0, answer),
            "start_time": show_times(0, start),
            "direction": _DIRECTION.gather(legs.outgoing.astype(np.int8)),
            "remote_display_name": remote_name.zip_with(internal, user_name).fill_null(""),
            "display_name": pl.Series([""], dtype=pl.String).new_from_index(0, len(legs)),
            "remote_agent_id": remote_agent.fill_null(""),
            "queue_id": lookups.queue.gather(legs.queue),
            "_operator": legs.operator,
            "_start": start,
            "_answer": add_nulls(answer, answered),
            "_release": release,
            "_leg_id": legs.leg_id,
            "_record": _record_column(key, legs),
            "_fax": _FAX.gather(legs.fax - 1),
            "_ss": _SUPPLEMENTARY_SERVICE.gather(legs.transferred.astype(np.int8) - 1),
        }
    )


def _record_column(key: bytes, legs: OperatorLegs) -> pl.Series:
    recorded = np.flatnonzero(legs.record_leg >= 0)
    record_ids = ids.record_ids(key, legs.record_leg[recorded], legs.record_ms[recorded])
    index = np.full(len(legs), len(recorded), np.uint32)
    index[recorded] = np.arange(len(recorded))
    return pl.Series([*record_ids, None], dtype=pl.String).gather(index)
