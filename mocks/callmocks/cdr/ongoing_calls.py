"""Calls that have not ended, as ``include_ongoing_calls`` shows them (assumed).

Durations run up to now; what is known at a call's end alone is null, empty or false.
"""

import polars as pl

from callmocks.history.walltime import ms_to_datetime
from callmocks.tenants.exchange import Exchange

_KNOWN_AT_END = (
    "finish_time",
    "finish_reason",
    "last_answered_employee_id",
    "last_answered_employee_full_name",
    "last_answered_employee_rating",
    "last_talked_employee_id",
    "last_talked_employee_full_name",
    "operator_phone_number",
    "_record_1",
    "_record_2",
)
_KNOWN_AT_ANSWER = (
    "first_answered_employee_id",
    "first_answered_employee_full_name",
    "first_talked_employee_id",
    "first_talked_employee_full_name",
)
_DURATIONS = (
    "wait_duration",
    "total_wait_duration",
    "talk_duration",
    "clean_talk_duration",
    "total_duration",
)


def show_until(exchange: Exchange, frame: pl.DataFrame, now: int) -> pl.DataFrame:
    """Sessions as they stand at an instant, in wall ms."""
    ongoing, columns = pl.col("_call_end") > now, frame.columns
    if not frame.select(ongoing.any()).item():
        return frame
    answered = (pl.col("_answered") <= now).fill_null(False)
    elapsed = (now - pl.col("_start")) // 1000
    talked = pl.when(answered).then((now - pl.col("_answered")) // 1000).otherwise(0)
    clean = pl.min_horizontal("clean_talk_duration", talked)
    changed = {
        **dict.fromkeys(_KNOWN_AT_END, pl.lit(None)),
        **{name: pl.when(answered).then(name) for name in _KNOWN_AT_ANSWER},
        "is_lost": pl.lit(False),
        "is_transfer": pl.lit(False),
        "total_duration": elapsed,
        "wait_duration": pl.when(answered).then("wait_duration").otherwise(elapsed),
        "total_wait_duration": elapsed - clean,
        "talk_duration": pl.min_horizontal("talk_duration", talked),
        "clean_talk_duration": clean,
    }
    if exchange.use_assumption("cdr.ongoing-durations") == "null":
        changed |= dict.fromkeys(_DURATIONS, pl.lit(None))
    shown = [
        pl.when(ongoing).then(new).otherwise(name).alias(name) for name, new in changed.items()
    ]
    return frame.with_columns(shown).select(columns)


def show_legs_until(legs: pl.DataFrame, now: int) -> pl.DataFrame:
    answered = pl.col("connect_time") <= ms_to_datetime(now)
    return legs.filter(pl.col("_start") <= now).with_columns(
        pl.when(answered).then("connect_time").alias("connect_time"), pl.col("is_talked") & answered
    )
