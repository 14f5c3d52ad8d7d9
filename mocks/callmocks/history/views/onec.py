"""The 1C view: service calls, with the columns of the documented ValueTable."""

import numpy as np
import polars as pl

from callmocks.history import ids
from callmocks.history.columns import BoolColumn, CallKind, DayColumns, IntColumn, LegRole
from callmocks.history.views.lookups import WALL_TIME_DTYPE, Lookups, show_times
from callmocks.history.views.talks import find_talks
from callmocks.history.walltime import day_start


def build_service_calls(key: bytes, day: DayColumns, lookups: Lookups) -> pl.DataFrame:
    """The calls that a line took, by start; of an unknown caller all of his columns are null.

    ``CallTime`` is the first answer, of an unanswered call its start. Hidden: ``_start``, ``_end``
    (exact wall ms), ``_answered``, ``_incoming``, ``_specialist``, ``_line``, ``_vendor``,
    ``_unknown``, ``_session_id``.
    """
    calls, midnight = day.calls, day_start(day.first_day)
    call = find_listed_calls(day)
    days = day.days_of_calls(call)
    user, vendor = calls.user[call], calls.vendor[call]
    of_vendor = pl.Series(vendor >= 0)
    operator = _serving_operators(day)[call]
    account = lookups.vendor_user.gather(vendor).zip_with(of_vendor, lookups.user_id.gather(user))
    client_id = lookups.client_id.gather(user)
    client = lookups.vendor_client.gather(vendor).zip_with(of_vendor, client_id)
    vendor_specialist = lookups.vendor_specialist.gather(np.where(operator >= 0, vendor, -1))
    specialist = vendor_specialist.zip_with(of_vendor, lookups.specialist.gather(operator))
    incoming = pl.Series(calls.kind[call] == CallKind.INCOMING)
    unknown = ~_has_known_client(day)[call]
    answered, start = calls.answered[call], calls.start[call]
    call_time = np.where(answered >= 0, answered, start)
    return pl.DataFrame(
        {
            "CallID": pl.Series(ids.call_uuids(key, days, calls.row[call])).cast(pl.String),
            "ClientID": client,
            "ServiceUserID": account,
            "ServiceID": lookups.service.gather(np.where(unknown, -1, calls.line[call])),
            "CallTime": show_times(midnight, call_time).cast(WALL_TIME_DTYPE),
            "CallerID": account.zip_with(incoming, specialist),
            "CalleeID": specialist.zip_with(incoming, account),
            "CallResult": np.where(answered >= 0, 1, 2).astype(np.int64),
            "Duration": calls.talk[call].astype(np.int64) // 1000,
            "_start": midnight + start.astype(np.int64),
            "_end": midnight + calls.end[call].astype(np.int64),
            "_answered": answered >= 0,
            "_incoming": incoming,
            "_specialist": specialist,
            "_line": lookups.service.gather(calls.line[call]),
            "_vendor": of_vendor,
            "_unknown": unknown,
            "_session_id": ids.session_id(days, calls.row[call]),
        }
    )


def find_listed_calls(day: DayColumns) -> IntColumn:
    """Positions of the calls that have a row."""
    calls, legs = day.calls, day.legs
    tried = np.bincount(legs.call[legs.role != LegRole.SUBSCRIBER], minlength=len(calls.row)) > 0
    refused = (calls.kind == CallKind.OUTGOING) & (calls.leg_count == 1)
    of_client = _has_known_client(day) & (calls.kind != CallKind.INTERNAL)
    listed = of_client | (calls.kind == CallKind.INCOMING)
    return np.flatnonzero(listed & tried & ~refused)


def _has_known_client(day: DayColumns) -> BoolColumn:
    known: BoolColumn = (day.calls.user >= 0) | (day.calls.vendor >= 0)
    return known


def _serving_operators(day: DayColumns) -> np.ndarray:
    """Who dialled, or the first who answered, or the last whose phone rang; else -1."""
    legs = day.legs
    rang = np.flatnonzero(legs.rang & (legs.operator >= 0) & (legs.role != LegRole.COACH))
    last = np.full(len(day.calls.row), -1, np.int64)
    np.maximum.at(last, legs.call[rang], rang)
    first = find_talks(day).first
    leg = np.where(first >= 0, first, last)
    dialled = np.flatnonzero(legs.role == LegRole.INITIATOR)
    of_outgoing = dialled[day.calls.kind[legs.call[dialled]] == CallKind.OUTGOING]
    leg[legs.call[of_outgoing]] = of_outgoing
    return np.append(legs.operator, -1)[leg]
