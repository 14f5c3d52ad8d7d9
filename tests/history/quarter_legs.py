"""Legs and sessions of an observed quarter: selections, and the finish reasons that tell why."""

import csv
from datetime import datetime
from pathlib import Path

import polars as pl

from tests.history.observed_quarter import Quarter

ROOT = Path(__file__).parents[2]

with (ROOT / "schemas" / "cdr" / "reason_agreement.csv").open(encoding="utf-8") as _file:
    AGREEMENT = {row["finish_reason"]: row for row in csv.DictReader(_file)}

# A leg with one of these never reached the employee's telephone.
NEVER_RANG = {name for name, row in AGREEMENT.items() if row["rang"] == "no"}
ALONE = {name for name, row in AGREEMENT.items() if row["place"] == "alone"}
IN_BREAK = {
    "employee_status_break", "employee_status_not_at_workplace", "employee_status_do_not_disturb",
    "employee_auto_status_do_not_disturb", "employee_status_auto_out_call",
}  # fmt: skip
OFF_SHIFT = {
    "employee_status_not_at_work", "employee_inactive_by_schedule",
    "employee_phone_inactive_by_schedule",
}  # fmt: skip
# By status: in a break or off shift.
BY_STATUS = {
    "out_call_not_allowed_by_status", "internal_call_not_allowed_by_status",
    "external_call_not_allowed_by_status", "auto_out_calls_not_allowed_by_status",
    "phone_protocol_not_allowed_by_status", "employee_status_available",
} & set(AGREEMENT)  # fmt: skip
NOBODY_OF_GROUP = {"group_inactive_by_schedule", "phone_group_inactive_by_schedule"}
ACCOUNT_IN = {
    "no_money", "limit_exceeded", "no_resources", "app_is_inactive", "account_not_found",
    "contract_not_found", "call_not_allowed_on_tp", "internal_error", "max_in_call_reached",
}  # fmt: skip
LINE = {"no_operation", "scenario_not_found", "component_is_inactive"}
TO_OPERATOR = {
    "employee_inactive", "in_call_not_allowed", "locked_phone", "employee_phone_inactive",
    "group_phone_inactive", "employee_phone_not_found", "fmc_is_locked", "fmc_is_disabled",
    "sip_trunk_is_locked", "sip_offline", "operator_number_problems", "operator_channels_busy",
}  # fmt: skip
BY_OPERATOR = {
    "out_call_not_allowed", "internal_call_not_allowed", "external_call_not_allowed",
}  # fmt: skip


def select_reached(quarter: Quarter) -> pl.DataFrame:
    """Legs that rang at an employee or that he dialled, listening coaches aside."""
    return quarter.legs.filter(
        pl.col("employee_id").is_not_null()
        & ~pl.col("is_coach")
        & ~pl.col("finish_reason").is_in(NEVER_RANG)
    )


def find_overlapping(calls: pl.DataFrame, by: str, session: str) -> list[tuple[object, ...]]:
    """Calls that begin before an earlier one of the same party, of another session, has ended."""
    found: list[tuple[object, ...]] = []
    going: dict[object, tuple[datetime, object]] = {}
    # Several telephones of one party may ring for one call.
    for party, start, end, call in calls.sort("start").select(by, "start", "end", session).rows():
        until, other = going.get(party, (datetime.min, None))
        if start < until and other != call:
            found.append((party, start, call, other))
        if end > until:
            going[party] = (end, call)
    return found


def join_shifts(legs: pl.DataFrame, quarter: Quarter) -> pl.DataFrame:
    """``from`` and ``till`` of the employee's shift of that day, null on a day off."""
    shifts = quarter.shifts.with_columns(pl.col("from").dt.date().alias("day"))
    day = pl.col("start").dt.date().alias("day")
    return legs.with_columns(day).join(shifts, on=["employee_id", "day"], how="left")


def join_breaks(legs: pl.DataFrame, quarter: Quarter) -> pl.DataFrame:
    """``break_till`` and ``status`` of the break that the leg begins in; times to the second."""
    breaks = quarter.breaks.rename({"from": "break_from", "till": "break_till"}).sort("break_from")
    joined = legs.sort("start").join_asof(
        breaks, left_on="start", right_on="break_from", by="employee_id", check_sortedness=False
    )
    inside = pl.col("start") < pl.col("break_till")
    return joined.with_columns(pl.when(inside).then("status").alias("status"))


def find_alone_reasons(quarter: Quarter) -> pl.DataFrame:
    """``id`` of a session and ``alone``, the reason of a leg that ended it by itself."""
    legs = quarter.legs.filter(pl.col("finish_reason").is_in(ALONE))
    return legs.select(
        pl.col("call_session_id").alias("id"), pl.col("finish_reason").alias("alone")
    )


def is_dialled() -> pl.Expr:
    """Sessions that an employee dialled."""
    return (pl.col("direction") == "out") & (pl.col("source") != "auto_out_calls")


def select_legs_towards(quarter: Quarter) -> pl.DataFrame:
    """Of employees who were called: attempts, transfers, called inside; not coaches."""
    first = select_dialled_legs(quarter).select("id")
    legs = quarter.legs.filter(pl.col("employee_id").is_not_null() & ~pl.col("is_coach"))
    return legs.join(first, on="id", how="anti")


def select_dialled_legs(quarter: Quarter) -> pl.DataFrame:
    """The first leg of each call that an employee dialled."""
    dialled = quarter.sessions.filter(is_dialled())
    first = (
        quarter.legs.filter(pl.col("is_operator"))
        .group_by("call_session_id")
        .agg(pl.col("id").min())
    )
    first = first.join(dialled.select(pl.col("id").alias("call_session_id")), on="call_session_id")
    return quarter.legs.join(first.select("id"), on="id", how="semi")
