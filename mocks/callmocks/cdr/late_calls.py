"""Calls and records that have not arrived: they come later than the end of the call by a lag."""

import polars as pl

from callmocks.tenants.exchange import Exchange


def lacks_records(exchange: Exchange, last_end: int, now: int) -> bool:
    """Whether rows may be without their records, which have a lag, of calls up to that end."""
    arrivals = exchange.tenant.history.arrivals
    shown = exchange.use_assumption("cdr.late-records") == "empty"
    return shown and last_end + arrivals.by_view["legs"].max_ms + arrivals.records.max_ms > now


def hide_records(exchange: Exchange, view_name: str, frame: pl.DataFrame, now: int) -> pl.DataFrame:
    """Rows without the records that are not there yet."""
    arrivals = exchange.tenant.history.arrivals
    if not arrivals.records.max_ms or exchange.use_assumption("cdr.late-records") == "listed":
        return frame
    return arrivals.hide_records(view_name, frame, now)


def delay_ends(exchange: Exchange, sessions: pl.DataFrame, now: int) -> pl.DataFrame:
    """Sessions whose calls end, in ``_call_end``, when their rows are there."""
    arrivals = exchange.tenant.history.arrivals
    if not arrivals.by_view["sessions"].max_ms:
        return sessions
    times = pl.Series(arrivals.find_arrivals("sessions", sessions))
    if exchange.use_assumption("cdr.late-calls") == "hidden":
        known = (sessions.get_column("_call_end") > now) | (times <= now)
        return sessions.filter(known)
    return sessions.with_columns(_call_end=times)
