"""Our own answers are checked: a row that breaks the schema is loud, but still answered."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from callmocks.cdr import self_check
from callmocks.history.views.call_views import CALL_VIEWS
from tests.cdr.conftest import ONE_DAY, CdrClient, last_entry, rows

LEGS = "get.call_legs_report"
SPOILED: list[tuple[str, pl.Expr]] = [
    ("duration: at least 0", pl.col("duration") - 10_000),
    ("duration: not null", pl.lit(None, pl.Int64).alias("duration")),
    ("id: integer, not String", pl.col("id").cast(pl.String)),
    ("called_phone_number: like ^\\d+$", pl.lit("+7 495").alias("called_phone_number")),
    ("finish_reason: one of the enumeration", pl.lit("nope").alias("finish_reason")),
    ("call_records: _record_2", pl.lit("dc56").alias("_record_2")),
    ("is_talked: boolean, not Int64", pl.lit(1, pl.Int64).alias("is_talked")),
]


def test_generated_days_match_the_schema(api: CdrClient) -> None:
    tenant = api.tenant(calls_per_day=300)
    for method in (api.legs, api.sessions):
        method(("2026-02-01 00:00:00", "2026-02-28 23:59:59"), limit=0)
        assert last_entry(tenant).violations == ()


@pytest.mark.parametrize(("problem", "spoil"), SPOILED, ids=[problem for problem, _ in SPOILED])
def test_a_row_that_breaks_the_schema_is_found(
    api: CdrClient, problem: str, spoil: pl.Expr
) -> None:
    history = api.tenant().history
    frame = history.generated.get_view("legs", 4000).frame
    assert self_check.find_violations(LEGS, frame) == ()
    assert problem in self_check.find_violations(LEGS, frame.with_columns(spoil))


@pytest.mark.parametrize("pinned", [False, True], ids=["generated", "pinned"])
def test_a_defect_is_logged_and_journaled_on_the_answers_side(
    api: CdrClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    pinned: bool,
) -> None:
    legs_view = CALL_VIEWS["legs"]

    def spoiled(*args: Any) -> pl.DataFrame:
        return legs_view.build(*args).with_columns(pl.col("duration") - 10_000)

    monkeypatch.setitem(CALL_VIEWS, "legs", legs_view._replace(build=spoiled))
    # A history nobody has drawn.
    tenant = api.tenant(seed=99, world="empty" if pinned else "default")
    if pinned:
        tenant.history.pins.add({"start": ONE_DAY[0].replace(" ", "T")})
    assert rows(api.legs())
    for _ in range(2):  # the check is made once, the defect is told each time
        (violation,) = last_entry(tenant).violations
        assert (violation.side, violation.where) == ("answer", LEGS)
        assert violation.expected == "duration: at least 0"
        api.legs()
    assert "our own answer breaks its schema" in caplog.text
    unchecked = api.tenant("u", seed=99, self_check=False)
    api.rpc("get.call_legs_report", "u-token", date_from=ONE_DAY[0], date_till=ONE_DAY[1])
    assert last_entry(unchecked).violations == ()
