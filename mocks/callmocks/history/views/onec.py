"""The 1C view: service calls, with the columns of the documented ValueTable."""

import numpy as np
import polars as pl

from callmocks.history import ids
from callmocks.history.columns import Day, Kind, Role
from callmocks.history.views.lookups import Datetimes, Lookups, moments
from callmocks.history.views.talks import talks
from callmocks.history.walltime import day_start


def rows_frame(key: bytes, day: Day, look: Lookups) -> pl.DataFrame:
    """The calls of a day that reached a line and whose user is known, by start.

    ``CallTime`` is the first answer, of an unanswered call its start. Hidden: ``_start``, ``_end``
    (exact wall ms), ``_answered``, ``_specialist``, ``_vendor``, ``_session_id``.
    """
    calls, legs, begins = day.calls, day.legs, day_start(day.day)
    specialist = _specialists(day)
    tried = np.bincount(legs.call[legs.role != Role.SUBSCRIBER], minlength=len(calls.row)) > 0
    refused = (calls.kind == Kind.OUTGOING) & (calls.legs == 1)
    known = (calls.user >= 0) | (calls.vendor >= 0)
    shown = np.flatnonzero(known & tried & ~refused & (calls.kind != Kind.INTERNAL))
    days = day.day if day.later is None else day.day + day.later[shown]
    user, vendor = calls.user[shown], calls.vendor[shown]
    outsider = pl.Series(vendor >= 0)
    whom = specialist[shown]
    account = look.vendor_user.at(vendor).zip_with(outsider, look.user_id.at(user))
    foreign = look.vendor_specialist.at(np.where(whom >= 0, vendor, -1))
    served_by = foreign.zip_with(outsider, look.specialist.at(whom))
    incoming = pl.Series(calls.kind[shown] == Kind.INCOMING)
    answered = calls.answered[shown]
    start = calls.start[shown]
    return pl.DataFrame(
        {
            "CallID": pl.Series(ids.call_uuids(key, days, calls.row[shown])).cast(pl.String),
            "ClientID": look.vendor_client.at(vendor).zip_with(outsider, look.client_id.at(user)),
            "ServiceUserID": account,
            "ServiceID": look.service.at(calls.line[shown]),
            "CallTime": moments(begins, np.where(answered >= 0, answered, start)).cast(Datetimes),
            "CallerID": account.zip_with(incoming, served_by),
            "CalleeID": served_by.zip_with(incoming, account),
            "CallResult": np.where(answered >= 0, 1, 2).astype(np.int64),
            "Duration": calls.talk[shown].astype(np.int64) // 1000,
            "_start": begins + start.astype(np.int64),
            "_end": begins + calls.end[shown].astype(np.int64),
            "_answered": answered >= 0,
            "_specialist": served_by,
            "_vendor": outsider,
            "_session_id": ids.session_id(days, calls.row[shown]),
        }
    )


def _specialists(day: Day) -> np.ndarray:
    """Who served each call: the first who answered, or the last whose phone rang; else -1."""
    legs = day.legs
    rang = np.flatnonzero(legs.rang & (legs.operator >= 0) & (legs.role != Role.COACH))
    last = np.full(len(day.calls.row), -1, np.int64)
    np.maximum.at(last, legs.call[rang], rang)
    first = talks(day).first
    leg = np.where(first >= 0, first, last)
    return np.append(legs.operator, -1)[leg]
