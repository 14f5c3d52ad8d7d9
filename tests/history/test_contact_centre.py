"""A contact centre one would believe: each claim recomputed from what clients can see.

Times in reports are cut to whole seconds, so an end may be a second later than it seems.
"""

import csv
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import polars as pl
import pytest

import callmocks
from callmocks.testing.mocks import Mocks
from tests.history.observed_quarter import Quarter, Reader
from tests.history.quarter_legs import (
    ACCOUNT_IN,
    AGREEMENT,
    BY_OPERATOR,
    BY_STATUS,
    IN_BREAK,
    LINE,
    NOBODY_OF_GROUP,
    OFF_SHIFT,
    ROOT,
    TO_OPERATOR,
    find_alone_reasons,
    find_overlapping,
    is_dialled,
    join_breaks,
    join_shifts,
    select_dialled_legs,
    select_legs_towards,
    select_reached,
)

SECOND = pl.duration(seconds=1)

with (ROOT / "fixtures" / "numbering" / "ranges.csv").open(encoding="utf-8") as _file:
    RANGES = sorted((int(row["first"]), int(row["last"])) for row in csv.DictReader(_file))

# Public holidays of the quarters, each a date that everyone knows.
HOLIDAYS = {
    date(year, month, day)
    for year in (2024, 2025, 2026)
    for month, day in (
        *((1, day) for day in range(1, 9)), (2, 23), (3, 8), (5, 1), (5, 9), (6, 12), (11, 4),
    )
}  # fmt: skip
OFTEN_READ = 42
QUARTERS = {
    42: (date(2026, 1, 1), date(2026, 3, 31)),
    7: (date(2025, 4, 1), date(2025, 6, 30)),
    2026: (date(2025, 10, 1), date(2025, 12, 31)),
}


@pytest.fixture(scope="module")
def mocks() -> Iterator[Mocks]:
    with callmocks.running(world="default", limits="off") as suite:
        yield suite


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(seed, marks=() if seed == OFTEN_READ else pytest.mark.slow)
        for seed in QUARTERS
    ],
)
def quarter(request: pytest.FixtureRequest, mocks: Mocks) -> Quarter:
    return Reader(mocks, request.param, *QUARTERS[request.param]).read()


def test_nobody_speaks_twice_at_once(quarter: Quarter) -> None:
    legs = select_reached(quarter)
    assert len(legs) > 20_000
    assert not find_overlapping(legs, "employee_id", "call_session_id")
    callers = quarter.sessions.filter(pl.col("contact_phone_number").is_not_null())
    assert not find_overlapping(callers, "contact_phone_number", "id")


def test_no_row_of_arm_overlaps_another_of_the_same_operator(quarter: Quarter) -> None:
    rows = quarter.arm_rows
    assert rows["operator"].n_unique() > 8
    # Rows of one call have its caller, and nobody calls twice at once.
    assert not find_overlapping(rows, "operator", "remote_digits")


def test_no_call_of_1c_overlaps_another_of_the_same_user(quarter: Quarter) -> None:
    rows = quarter.onec_rows
    assert len(rows) > 2_000
    start = pl.col("CallTime")
    calls = rows.drop_nulls("ServiceUserID").with_columns(
        start.alias("start"),
        (start + pl.duration(seconds=pl.col("Duration").cast(pl.Int64))).alias("end"),
    )
    assert not find_overlapping(calls, "ServiceUserID", "CallID")


def test_busy_means_another_call_at_that_moment(quarter: Quarter) -> None:
    busy = quarter.legs.filter(pl.col("finish_reason").is_in(["employee_busy", "operator_busy"]))
    assert len(busy) > 100
    talks = select_reached(quarter).filter(pl.col("connect").is_not_null())
    talks = talks.select("employee_id", "connect", pl.col("end").alias("talk_end")).sort("connect")
    found = busy.sort("start").join_asof(
        talks,
        left_on="start",
        right_on="connect",
        by="employee_id",
        coalesce=False,
        check_sortedness=False,
    )
    untrue = found.filter(~(pl.col("start") <= pl.col("talk_end") + SECOND).fill_null(value=False))
    assert untrue.is_empty()


def test_wrap_up_is_within_two_minutes_of_a_talk(quarter: Quarter) -> None:
    busy = quarter.legs.filter(pl.col("finish_reason") == "employee_busy_after_call")
    assert len(busy) > 30
    ends = select_reached(quarter).filter(pl.col("connect").is_not_null())
    ends = ends.select("employee_id", pl.col("end").alias("talk_end")).sort("talk_end")
    found = busy.sort("start").join_asof(
        ends,
        left_on="start",
        right_on="talk_end",
        by="employee_id",
        tolerance="121s",
        check_sortedness=False,
    )
    assert found["talk_end"].null_count() == 0


def test_who_rings_or_speaks_is_on_shift_and_not_in_a_break(quarter: Quarter) -> None:
    legs = join_shifts(select_reached(quarter), quarter)
    inside = (pl.col("from") <= pl.col("start") + SECOND) & (pl.col("end") <= pl.col("till"))
    assert legs.filter(~inside.fill_null(value=False)).is_empty()
    in_break = join_breaks(select_reached(quarter), quarter).filter(pl.col("status").is_not_null())
    assert in_break.is_empty()


def test_refusals_by_schedule_and_status_agree_with_the_roster(quarter: Quarter) -> None:
    names = IN_BREAK | OFF_SHIFT | BY_STATUS
    refused = quarter.legs.filter(pl.col("finish_reason").is_in(names))
    assert set(refused["finish_reason"].unique()) == names
    legs = join_breaks(join_shifts(refused, quarter), quarter)
    on_shift = (pl.col("from") <= pl.col("start")) & (pl.col("start") < pl.col("till"))
    on_shift = on_shift.fill_null(value=False)
    reason = pl.col("finish_reason")
    assert legs.filter(reason.is_in(IN_BREAK) & (reason != pl.col("status"))).is_empty()
    assert legs.filter(reason.is_in(IN_BREAK) & pl.col("status").is_null()).is_empty()
    assert legs.filter(reason.is_in(OFF_SHIFT) & on_shift).is_empty()
    assert legs.filter(reason.is_in(BY_STATUS) & on_shift & pl.col("status").is_null()).is_empty()


def test_a_group_is_inactive_when_nobody_of_it_works(quarter: Quarter) -> None:
    refused = quarter.legs.filter(pl.col("finish_reason").is_in(NOBODY_OF_GROUP))
    assert not refused.is_empty()
    groups = quarter.legs.select("employee_id", "group_id").drop_nulls().unique()
    of_group = quarter.shifts.join(groups, on="employee_id")
    found = refused.join(of_group, on="group_id").filter(
        (pl.col("from") <= pl.col("start")) & (pl.col("start") < pl.col("till"))
    )
    assert found.is_empty()


def test_nobody_works_before_his_first_or_after_his_last_day(quarter: Quarter) -> None:
    days = quarter.operators.select("employee_id", pl.col("first_day", "last_day").str.to_date())
    legs = quarter.legs.filter(pl.col("employee_id").is_not_null()).join(days, on="employee_id")
    assert len(legs) == quarter.legs["employee_id"].is_not_null().sum()
    day = pl.col("start").dt.date()
    assert legs.filter(day < pl.col("first_day")).is_empty()
    assert legs.filter(day > pl.col("last_day")).is_empty()
    left = quarter.operators.filter(pl.col("left"))["operator"].to_list()
    today = (quarter.last + timedelta(1)).isoformat()
    gone = quarter.operators.filter(pl.col("last_day") < today)["operator"].to_list()
    assert left == gone
    assert quarter.refused_logins == set(left)


def test_an_episode_of_the_account_or_a_line_leaves_no_contrary_call(quarter: Quarter) -> None:
    calls_with_reasons = quarter.sessions.join(find_alone_reasons(quarter), on="id", how="left")
    for episode in quarter.episodes.filter(pl.col("scope").is_in(["account", "line"])).rows(
        named=True
    ):
        within = pl.col("start").is_between(episode["from"], episode["till"], closed="left")
        calls = calls_with_reasons.filter(within)
        if episode["line"]:
            calls = calls.filter(
                (pl.col("virtual_phone_number") == episode["line"]) & ~is_dialled()
            )
        elif episode["reason"] == "max_out_call_reached":
            calls = calls.filter(
                (pl.col("direction") == "out") & pl.col("virtual_phone_number").is_not_null()
            )
        contrary = calls.filter(pl.col("alone").ne_missing(episode["reason"]))
        assert contrary.is_empty(), episode


def test_an_episode_of_an_operator_leaves_no_contrary_leg(quarter: Quarter) -> None:
    ids = dict(quarter.operators.select("operator", "employee_id").iter_rows())
    towards, dialled = select_legs_towards(quarter), select_dialled_legs(quarter)
    concerning = quarter.episodes.filter(pl.col("operator").is_not_null())
    assert len(concerning) > 10
    for episode in concerning.rows(named=True):
        within = pl.col("start").is_between(
            episode["from"], episode["till"] - timedelta(seconds=1), closed="left"
        )
        legs = dialled if episode["reason"] in BY_OPERATOR else towards
        contrary = legs.filter(
            within
            & (pl.col("employee_id") == ids[episode["operator"]])
            & (pl.col("finish_reason") != episode["reason"])
        )
        if episode["reason"] in ("internal_call_not_allowed", "external_call_not_allowed"):
            internal = pl.col("contact_phone_number").is_null()
            inside = episode["reason"].startswith("internal")
            contrary = contrary.filter(internal if inside else ~internal)
        assert contrary.is_empty(), episode


def test_nothing_fails_so_without_an_episode(quarter: Quarter) -> None:
    episodes = quarter.episodes.rename({"from": "begin", "reason": "finish_reason"}).select(
        "finish_reason", "begin", "till", "operator", "line", "number"
    )
    named = ACCOUNT_IN | LINE | TO_OPERATOR | BY_OPERATOR | {"max_out_call_reached", "locked_numb"}
    failed = quarter.legs.filter(pl.col("finish_reason").is_in(named))
    ids = quarter.operators.select("operator", pl.col("employee_id").alias("of_operator"))
    groups = quarter.legs.select("employee_id", "group_id").drop_nulls().unique()
    groups = groups.rename({"employee_id": "of_operator", "group_id": "of_group"})
    found = (
        failed.join(episodes, on="finish_reason")
        .filter((pl.col("begin") <= pl.col("start") + SECOND) & (pl.col("start") < pl.col("till")))
        .join(ids, on="operator", how="left")
        .join(groups, on="of_operator", how="left")
        .filter(
            (pl.col("line").is_null() | (pl.col("line") == pl.col("virtual_phone_number")))
            & (pl.col("number").is_null() | (pl.col("number") == pl.col("contact_phone_number")))
            & (
                pl.col("operator").is_null()
                | (pl.col("of_operator") == pl.col("employee_id"))
                | (pl.col("employee_id").is_null() & (pl.col("of_group") == pl.col("group_id")))
            )
        )
    )
    assert set(found["id"]) == set(failed["id"])


def test_every_month_has_all_reasons_and_few_sessions_end_by_rare_ones(quarter: Quarter) -> None:
    months = quarter.legs.group_by(pl.col("start").dt.month()).agg(pl.col("finish_reason").unique())
    for month, reasons in months.iter_rows():
        assert set(reasons) == set(AGREEMENT), month
    rare = find_alone_reasons(quarter).unique("id")
    weeks = (quarter.last - quarter.first).days + 1
    assert weeks >= 90
    assert 0 < len(rare) <= 0.025 * len(quarter.sessions)


def test_episodes_last_as_long_as_such_states_do(quarter: Quarter) -> None:
    length = (pl.col("till") - pl.col("from")).dt.total_minutes()
    limit = pl.when(pl.col("scope") == "account").then(4 * 60).otherwise(3 * 24 * 60)
    assert quarter.episodes.filter(~length.is_between(10, limit)).is_empty()
    assert set(quarter.episodes["scope"].unique()) == {"account", "line", "number", "employee"}


def test_numbers_of_callers_are_assigned_and_tell_their_region(quarter: Quarter) -> None:
    numbers = quarter.sessions.select("contact_phone_number", "cpn_region_name").drop_nulls(
        "contact_phone_number"
    )
    ranges = pl.DataFrame(RANGES, ["first", "last"], orient="row")
    found = (
        numbers.unique()
        .with_columns(pl.col("contact_phone_number").cast(pl.Int64).alias("number"))
        .sort("number")
        .join_asof(ranges, left_on="number", right_on="first")
    )
    assert found.filter(~(pl.col("number") <= pl.col("last")).fill_null(value=False)).is_empty()
    code = found["contact_phone_number"].str.slice(1, 3)
    known = {"495": "Москва и область", "812": "Санкт-Петербург и область", "800": None}
    for name, region in known.items():
        regions = found.filter(code == name)["cpn_region_name"].unique().to_list()
        assert regions in ([region], []), name
    mobile = found.filter(code.str.starts_with("9"))
    assert mobile["cpn_region_name"].null_count() == 0
    assert 0.6 < len(mobile) / len(found) < 0.95
    assert code.is_in(["800"]).sum() < 0.1 * len(found)


def test_lost_callers_ring_again_or_are_called_back(quarter: Quarter) -> None:
    lost = quarter.sessions.filter(
        (pl.col("direction") == "in")
        & pl.col("is_lost")
        & pl.col("contact_phone_number").is_not_null()
    ).join(find_alone_reasons(quarter), on="id", how="anti")
    assert len(lost) > 300
    later = quarter.sessions.select("contact_phone_number", pl.col("start").alias("again")).sort(
        "again"
    )
    found = (
        lost.with_columns((pl.col("end") + SECOND).alias("after"))
        .sort("after")
        .join_asof(
            later,
            left_on="after",
            right_on="again",
            by="contact_phone_number",
            strategy="forward",
            tolerance="30m",
            check_sortedness=False,
        )
    )
    share = 1 - found["again"].null_count() / len(found)
    assert 0.25 <= share <= 0.6


def test_holidays_have_at_most_half_the_calls_of_a_weekday(quarter: Quarter) -> None:
    days = quarter.sessions.group_by(pl.col("start").dt.date().alias("day")).len()
    counts: dict[date, int] = dict(days.iter_rows())
    holidays = [counts.get(day, 0) for day in HOLIDAYS if quarter.first <= day <= quarter.last]
    weekdays = [count for day, count in counts.items() if day.weekday() < 5 and day not in HOLIDAYS]
    assert holidays
    usual = sorted(weekdays)[len(weekdays) // 2]
    assert all(count <= usual / 2 for count in holidays), (usual, holidays)


def test_operators_and_lines_differ_in_load(quarter: Quarter) -> None:
    whole = quarter.operators.filter(
        (pl.col("first_day") <= quarter.first.isoformat())
        & (pl.col("last_day").is_null() | (pl.col("last_day") >= quarter.last.isoformat()))
    )
    talks = quarter.legs.filter(pl.col("connect").is_not_null() & ~pl.col("is_coach"))
    loads = talks.filter(pl.col("employee_id").is_in(whole["employee_id"].to_list()))
    by_operator = loads.group_by("employee_id").len()["len"]
    assert int(by_operator.max()) >= 1.5 * int(by_operator.min())  # type: ignore[arg-type]
    by_line = quarter.sessions.drop_nulls("virtual_phone_number").group_by("virtual_phone_number")
    lines = by_line.len()["len"]
    assert int(lines.max()) >= 1.5 * int(lines.min())  # type: ignore[arg-type]
    days = quarter.shifts.group_by("employee_id").len()["len"]
    assert int(days.max()) < 80  # type: ignore[arg-type]


def test_the_load_of_a_weekday_is_believable(quarter: Quarter) -> None:
    weekday = (pl.col("start").dt.weekday() <= 5) & ~pl.col("start").dt.date().is_in(HOLIDAYS)
    sessions = quarter.sessions.filter(weekday)
    incoming = sessions.filter(pl.col("direction") == "in")
    answered = incoming.filter(~pl.col("is_lost") & (pl.col("talk_duration") > 0))
    assert 8 <= answered["wait_duration"].median() <= 40  # type: ignore[operator]
    assert 0.05 <= incoming["is_lost"].mean() <= 0.15  # type: ignore[operator]
    talked = sessions.filter(pl.col("talk_duration") > 0)
    assert 120 <= talked["talk_duration"].median() <= 300  # type: ignore[operator]
    occupied = select_reached(quarter).filter(weekday)["total_duration"].sum()
    breaks = quarter.breaks.filter(pl.col("from").dt.weekday() <= 5)
    shifts = quarter.shifts.filter(pl.col("from").dt.weekday() <= 5)
    work_days = ~pl.col("from").dt.date().is_in(HOLIDAYS)
    present, paused = (
        sum((till - begin).total_seconds() for begin, till in each.filter(work_days).rows())
        for each in (shifts.select("from", "till"), breaks.select("from", "till"))
    )
    assert 0.35 <= occupied / (present - paused) <= 0.75


def test_the_scenario_of_a_call_fits_its_hour(quarter: Quarter) -> None:
    legs = quarter.legs.drop_nulls("scenario_name").join(
        quarter.sessions.select(
            pl.col("id").alias("call_session_id"), pl.col("start").alias("call_start")
        ),
        on="call_session_id",
    )
    at_night = ~pl.col("call_start").dt.hour().is_between(8, 19)
    assert legs.filter((pl.col("scenario_name") == "Ночной приём") != at_night).is_empty()
    assert 0 < legs.filter(at_night).height < legs.height / 4


def test_a_quarter_was_read_whole(quarter: Quarter) -> None:
    assert len(quarter.sessions) > 20_000
    assert set(quarter.legs["call_session_id"]) == set(quarter.sessions["id"])
    first, last = quarter.sessions["start"].min(), quarter.sessions["start"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    assert (first.date(), last.date()) == (quarter.first, quarter.last)
