"""Every leg of a year agrees with its finish reason, by the table of agreements."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from callmocks.cdr import tables
from callmocks.contract.resources import schema_path
from tests.cdr.conftest import CdrClient, CdrServer, rows, total

QUARTERS = [
    ("2025-01-01 00:00:00", "2025-03-31 23:59:59"),
    ("2025-04-01 00:00:00", "2025-06-30 23:59:59"),
    ("2025-07-01 00:00:00", "2025-09-30 23:59:59"),
    ("2025-10-01 00:00:00", "2025-12-31 23:59:59"),
]
PAGE = 10_000

with schema_path("cdr/reason_agreement.csv").open(encoding="utf-8") as file:
    AGREEMENT = {row["finish_reason"]: row for row in csv.DictReader(file)}
with schema_path("cdr/finish_reasons.csv").open(encoding="utf-8") as file:
    DESCRIPTIONS = {row["finish_reason"]: row["description_ru"] for row in csv.DictReader(file)}
with schema_path("cdr/release_causes.csv").open(encoding="utf-8") as file:
    CAUSES = {int(row["code"]): row["description"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def year(server: CdrServer) -> Iterator[pl.DataFrame]:
    """All legs of 2025 with all fields, read over HTTP page by page."""
    api = CdrClient(server)
    api.tenant(calls_per_day=120)
    found: list[dict[str, Any]] = []
    for quarter in QUARTERS:
        begin = len(found)
        while page := rows(
            api.legs(
                quarter,
                fields=list(tables.load_fields("get.call_legs_report").fields),
                limit=PAGE,
                offset=len(found) - begin,
            )
        ):
            found += page
        assert len(found) - begin == total(api.legs(quarter, limit=0))
    api.close()
    yield pl.DataFrame(found, infer_schema_length=None)


def broken(year: pl.DataFrame, rule: pl.Expr) -> list[dict[str, Any]]:
    """The first legs that break a rule."""
    return year.filter(~rule).head(3).to_dicts()


def having(column: str, *values: str) -> list[str]:
    return [reason for reason, row in AGREEMENT.items() if row[column] in values]


@pytest.mark.proves("cdr.leg-reasons")
def test_all_64_reasons_occur_with_their_descriptions(year: pl.DataFrame) -> None:
    assert len(year) > 70_000
    pairs = year.select("finish_reason", "finish_reason_description").unique().rows()
    assert dict(pairs) == DESCRIPTIONS
    assert len(pairs) == len(AGREEMENT) == 64


@pytest.mark.proves("cdr.leg-reasons")
def test_answered_and_talked_as_the_reason_says(year: pl.DataFrame) -> None:
    reason = pl.col("finish_reason")
    answered, talked = pl.col("connect_time").is_not_null(), pl.col("is_talked")
    for column, shown in (("answered", answered), ("talked", talked)):
        assert not broken(year, ~reason.is_in(having(column, "yes")) | shown)
        assert not broken(year, ~reason.is_in(having(column, "no")) | ~shown)


@pytest.mark.proves("cdr.leg-reasons")
def test_cause_codes_agree_with_the_reason(year: pl.DataFrame) -> None:
    cause = {reason: int(row["cause"]) for reason, row in AGREEMENT.items()}
    expected = pl.col("finish_reason").replace_strict(cause, return_dtype=pl.Int64)
    assert not broken(year, pl.col("release_cause_code") == expected)
    pairs = year.select("release_cause_code", "release_cause_description").unique().rows()
    assert dict(pairs) == {code: CAUSES[code] for code, _ in pairs}
    assert {16, 17, 18, 19, 21, 27, 31, 34, 38, 41, 102} <= {code for code, _ in pairs}


def test_legs_without_an_employee_as_the_reason_says(year: pl.DataFrame) -> None:
    reason, there = pl.col("finish_reason"), pl.col("employee_id").is_not_null()
    operator = pl.col("is_operator")
    assert not broken(year, ~(reason.is_in(having("employee", "no"))) | ~there)
    assert not broken(year, ~(reason.is_in(having("employee", "yes")) & operator) | there)
    assert not broken(year, operator | ~there)
    for other in ("employee_full_name", "employee_phone_number"):
        assert not broken(year, pl.col(other).is_not_null() == there)
    assert year.filter(operator & ~there).height > 100


@pytest.mark.proves("cdr.leg-reasons", "cdr.leg-direction")
def test_the_kind_of_leg_as_the_reason_says(year: pl.DataFrame) -> None:
    kind = (
        pl.when(pl.col("is_coach"))
        .then(pl.lit("coach"))
        .when(pl.col("is_transfered"))
        .then(pl.lit("transfer"))
        .when(~pl.col("is_operator"))
        .then(pl.lit("subscriber"))
        .when(pl.col("direction") == "in")
        .then(pl.lit("initiator"))
        .otherwise(pl.lit("operator"))
    )
    seen = year.select("finish_reason", kind.alias("kind")).unique().rows()
    for reason, found in seen:
        assert found in AGREEMENT[reason]["legs"].split("|"), (reason, found)
    assert {found for _, found in seen} == {
        "coach",
        "transfer",
        "subscriber",
        "initiator",
        "operator",
    }


@pytest.mark.proves("cdr.leg-reasons")
def test_the_position_in_the_session_as_the_reason_says(year: pl.DataFrame) -> None:
    size = pl.len().over("call_session_id")
    alone = pl.col("finish_reason").is_in(having("place", "alone"))
    assert not broken(year.with_columns(size=size), ~alone | (pl.col("size") == 1))
    beside = year.filter(pl.col("finish_reason").is_in(having("place", "beside")))
    answered = year.filter(pl.col("is_operator") & pl.col("connect_time").is_not_null())
    assert set(beside["call_session_id"]) <= set(answered["call_session_id"])


@pytest.mark.proves("cdr.is-failed", "cdr.leg-reasons")
def test_an_unanswered_leg_has_no_duration_and_is_failed(year: pl.DataFrame) -> None:
    answered = pl.col("connect_time").is_not_null()
    assert not broken(year, answered | ((pl.col("duration") == 0) & ~pl.col("is_talked")))
    assert not broken(year, pl.col("is_failed") == ~answered)
    assert not broken(year, pl.col("duration") <= pl.col("total_duration"))
    assert not broken(year, ~answered | (pl.col("connect_time") >= pl.col("start_time")))


def test_phone_formats(year: pl.DataFrame) -> None:
    outside = pl.col("contact_phone_number")
    assert not broken(year, outside.is_null() | outside.str.contains(r"^7\d{10}$"))
    virtual = pl.col("virtual_phone_number")
    assert not broken(year, virtual.is_null() | virtual.str.contains(r"^7\d{10}$"))
    for name in ("calling_phone_number", "called_phone_number", "employee_phone_number"):
        number = pl.col(name)
        assert not broken(year, number.is_null() | number.str.contains(r"^(7\d{10}|0\d{6}|\d{3})$"))
    lengths = set(year["employee_phone_number"].drop_nulls().str.len_chars().to_list())
    assert lengths == {3, 7}  # short numbers, and SIP numbers such as 0288122
    assert year["calling_phone_number"].null_count() > 0  # anonymous callers


def test_leg_and_session_ids_have_9_or_10_digits_and_never_meet(year: pl.DataFrame) -> None:
    legs, sessions = set(year["id"]), set(year["call_session_id"])
    assert len(legs) == len(year)
    assert not legs & sessions
    assert all(re.fullmatch(r"\d{9,10}", str(number)) for number in (*legs, *sessions))


@pytest.mark.proves("cdr.wav-records")
def test_records_belong_to_talks_and_a_leg_may_have_several(year: pl.DataFrame) -> None:
    records = pl.col("call_records")
    assert not broken(year, pl.col("wav_call_records").list.len() == records.list.len())
    wav = year["wav_call_records"].explode().drop_nulls()
    assert wav.str.contains("^[0-9a-f]{32}$").all()
    assert not set(wav) & set(year["call_records"].explode().drop_nulls())
    assert not broken(year, (records.list.len() == 0) | pl.col("is_talked"))
    names = year["call_records"].explode().drop_nulls()
    assert names.str.contains("^[0-9a-f]{32}$").all()
    assert year.filter(records.list.len() > 1).height > 100
    assert year.filter(pl.col("is_talked") & (records.list.len() == 0)).height > 100


def test_transfers_and_coaching_occur(year: pl.DataFrame) -> None:
    assert year["is_transfered"].sum() > 300
    assert year["is_coach"].sum() > 50
    assert year["employee_rating"].drop_nulls().is_between(1, 5).all()
    assert 2.0 < len(year) / year["call_session_id"].n_unique() < 2.6


def test_every_quarter_holds_all_reasons(year: pl.DataFrame) -> None:
    quarter = pl.col("start_time").str.slice(5, 2).cast(pl.Int8).sub(1) // 3
    found = year.group_by(quarter).agg(pl.col("finish_reason").n_unique())
    assert found["finish_reason"].to_list() == [64] * 4
