"""Paging, windows, order and addresses of ``get.call_legs_report``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.cdr.conftest import (
    ONE_DAY,
    WEEK,
    CdrClient,
    error_fields,
    last_entry,
    rows,
    simple,
    total,
    tree,
)

FORMAT = "%Y-%m-%d %H:%M:%S"


def ids(found: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in found]


@pytest.mark.proves("cdr.paging", "cdr.total-items")
def test_default_limit_is_1000_and_total_counts_all(api: CdrClient) -> None:
    api.tenant(calls_per_day=800)
    answer = api.legs()
    assert len(rows(answer)) == 1000
    assert total(answer) > 1500


@pytest.mark.proves("cdr.total-items", "cdr.paging")
@pytest.mark.parametrize("fields", [{}, {"fields": ["id"]}])
@pytest.mark.parametrize("size", [1, 97, 1000])
def test_pages_put_together_are_the_report(
    api: CdrClient, fields: dict[str, Any], size: int
) -> None:
    api.tenant(calls_per_day=60)
    window = ("2026-03-01 12:30:00", "2026-03-04 11:00:00")
    whole = api.legs(window, limit=10_000, **fields)
    pages: list[dict[str, Any]] = []
    while True:
        answer = api.legs(window, limit=size, offset=len(pages), **fields)
        assert total(answer) == total(whole)
        if not rows(answer):
            break
        pages += rows(answer)
    assert pages == rows(whole)
    assert len(pages) == total(whole) > 200


def test_an_offset_past_the_end_is_empty_data(api: CdrClient) -> None:
    api.tenant()
    for more in ({}, {"sort": [{"field": "duration"}]}, {"fields": ["id"]}):
        answer = api.legs(offset=100_000, **more)
        assert rows(answer) == []
        assert total(answer) > 900


@pytest.mark.proves("cdr.paging-bounds")
def test_a_limit_of_0_only_counts(api: CdrClient) -> None:
    api.tenant()
    answer = api.legs(limit=0)
    assert rows(answer) == []
    assert total(answer) > 900


@pytest.mark.proves("cdr.paging", "cdr.paging-bounds")
@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", -1), ("limit", 10_001), ("offset", -1), ("offset", 100_001), ("limit", 2**80)],
)
def test_paging_outside_its_bounds(api: CdrClient, name: str, value: int) -> None:
    tenant = api.tenant()
    assert error_fields(api.legs(ONE_DAY, **{name: value})) == (
        "invalid_parameter_value",
        name,
        str(value),
    )
    tenant.assumptions.set_choice("cdr.paging-bounds", "clamp")
    assert "result" in api.legs(ONE_DAY, **{name: value})
    assert "cdr.paging-bounds" in last_entry(tenant).assumptions


@pytest.mark.parametrize("value", ["1", True, 1.5, [1], {}])
def test_paging_takes_whole_numbers_only(api: CdrClient, value: object) -> None:
    api.tenant()
    for name in ("limit", "offset"):
        assert error_fields(api.legs(ONE_DAY, **{name: value}))[:2] == ("data_type_error", name)


def test_10_0_is_a_whole_number(api: CdrClient) -> None:
    api.tenant()
    assert len(rows(api.legs(limit=10.0))) == 10


@pytest.mark.proves("cdr.default-order")
def test_without_sort_by_start_time_then_id(api: CdrClient) -> None:
    api.tenant()
    found = rows(api.legs(WEEK, limit=10_000))
    assert len(found) > 4000
    assert [row["start_time"] for row in found] == sorted(row["start_time"] for row in found)


@pytest.mark.proves("cdr.default-order")
def test_descending_default_order_can_be_chosen(api: CdrClient) -> None:
    tenant = api.tenant()
    ascending = ids(rows(api.legs(limit=10_000)))
    tenant.assumptions.set_choice("cdr.default-order", "descending")
    assert ids(rows(api.legs(limit=10_000))) == ascending[::-1]
    assert ids(rows(api.legs(limit=5, offset=3))) == ascending[::-1][3:8]


@pytest.mark.proves("cdr.default-order")
@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("legs", ["finish_reason"]),
        ("legs", ["duration", "direction"]),
        ("legs", ["calling_phone_number", "called_phone_number"]),
        ("sessions", ["finish_reason"]),
        ("sessions", ["direction", "finish_reason"]),
    ],
)
def test_the_default_order_decides_between_equal_keys(
    api: CdrClient, method: str, names: list[str]
) -> None:
    tenant, call = api.tenant(), getattr(api, method)
    fields = ["id", *names]
    ascending = rows(call(limit=10_000, fields=fields))
    sort = [{"field": name} for name in names]

    def keys(row: dict[str, Any]) -> list[tuple[bool, Any]]:
        return [(row[name] is None, row[name]) for name in names]

    assert len({str(keys(row)) for row in ascending}) < len(ascending)
    for choice, found in (("ascending", ascending), ("descending", ascending[::-1])):
        tenant.assumptions.set_choice("cdr.default-order", choice)
        wanted = [row["id"] for row in sorted(found, key=keys)]
        assert ids(rows(call(limit=10_000, fields=fields, sort=sort))) == wanted
        assert ids(rows(call(limit=7, offset=5, fields=fields, sort=sort))) == wanted[5:12]
        for _ in range(2):  # what is kept of a search leaves the journal nothing to miss
            call(sort=sort)
            assert "cdr.default-order" in last_entry(tenant).assumptions
            call(sort=[*sort, {"field": "id", "order": "desc"}])
            assert "cdr.default-order" not in last_entry(tenant).assumptions


@pytest.mark.proves("cdr.window-ends")
def test_both_ends_of_the_window_are_inside(api: CdrClient) -> None:
    tenant = api.tenant()
    found = rows(api.legs(fields=["id", "start_time"]))
    start, end = found[10]["start_time"], found[-10]["start_time"]
    inside = [row["id"] for row in found if start <= row["start_time"] <= end]
    assert ids(rows(api.legs((start, end)))) == inside
    tenant.assumptions.set_choice("cdr.window-ends", "before")
    before = [row["id"] for row in found if start <= row["start_time"] < end]
    assert ids(rows(api.legs((start, end)))) == before
    assert len(before) < len(inside)


def test_a_window_of_one_second(api: CdrClient) -> None:
    api.tenant()
    one = rows(api.legs(fields=["id", "start_time"], limit=1))[0]
    found = rows(api.legs((one["start_time"], one["start_time"])))
    assert one["id"] in ids(found)
    assert {row["start_time"] for row in found} == {one["start_time"]}


@pytest.mark.proves("cdr.date-format")
@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02",
        "2026-03-02T00:00:00",
        "2026-03-02 00:00",
        "2026-03-02 00:00:00.5",
        "2026-03-02 00:00:00+03:00",
        "2026-02-30 00:00:00",
        "2026-03-02 24:00:00",
        " 2026-03-02 00:00:00",
        "02.03.2026 00:00:00",
        "٢٠٢٦-٠٣-٠٢ 00:00:00",
        "",
    ],
)
@pytest.mark.parametrize("name", ["date_from", "date_till"])
def test_other_forms_of_time_are_refused(api: CdrClient, name: str, text: str) -> None:
    api.tenant()
    assert error_fields(api.legs(ONE_DAY, **{name: text})) == (
        "invalid_parameter_value",
        name,
        text,
    )


@pytest.mark.proves("cdr.date-format")
def test_a_lenient_reading_of_times_can_be_chosen(api: CdrClient) -> None:
    tenant = api.tenant()
    strict = total(api.legs(("2026-03-02 00:00:00", "2026-03-03 00:00:00")))
    tenant.assumptions.set_choice("cdr.date-format", "lenient")
    assert total(api.legs(("2026-03-02", "2026-03-03T00:00"))) == strict


@pytest.mark.proves("cdr.interval", "cdr.interval-months")
@pytest.mark.parametrize(
    ("start", "end", "fits"),
    [
        ("2026-01-15 10:00:00", "2026-04-15 10:00:00", True),
        ("2026-01-15 10:00:00", "2026-04-15 10:00:01", False),
        ("2025-11-30 00:00:00", "2026-02-28 00:00:00", True),
        ("2025-11-30 00:00:00", "2026-02-28 00:00:01", False),
        ("2023-11-30 00:00:00", "2024-02-29 00:00:00", True),
        ("2023-11-30 00:00:00", "2024-02-29 00:00:01", False),
        ("2025-12-31 23:59:59", "2026-03-31 23:59:59", True),
        ("2025-12-31 23:59:59", "2026-04-01 00:00:00", False),
        ("2024-10-31 00:00:00", "2025-01-31 00:00:00", True),
        ("9999-11-01 00:00:00", "9999-12-31 23:59:59", True),
        ("0001-01-01 00:00:00", "0001-04-01 00:00:00", True),
        ("0001-01-01 00:00:00", "9999-12-31 23:59:59", False),
    ],
)
def test_three_calendar_months_and_not_a_second_more(
    api: CdrClient, start: str, end: str, fits: bool
) -> None:
    api.tenant(calls_per_day=0)
    answer = api.legs((start, end))
    if fits:
        assert "result" in answer
    else:
        assert error_fields(answer) == ("date_interval_limit_reached", "date_till", end)


@pytest.mark.proves("cdr.interval-months")
def test_three_months_can_be_92_days(api: CdrClient) -> None:
    tenant = api.tenant(calls_per_day=0)
    tenant.assumptions.set_choice("cdr.interval-months", "92-days")
    assert "result" in api.legs(("2025-11-30 00:00:00", "2026-03-02 00:00:00"))
    refused = api.legs(("2025-11-30 00:00:00", "2026-03-02 00:00:01"))
    assert error_fields(refused)[0] == "date_interval_limit_reached"


@pytest.mark.proves("cdr.dates-reversed")
@pytest.mark.parametrize("choice", ["invalid_parameters_combination", "invalid_parameter_value"])
def test_from_after_till(api: CdrClient, choice: str) -> None:
    tenant = api.tenant()
    tenant.assumptions.set_choice("cdr.dates-reversed", choice)
    assert error_fields(api.legs(ONE_DAY[::-1])) == (choice, "date_from", ONE_DAY[1])


@pytest.mark.proves("cdr.dates-reversed")
def test_from_after_till_can_be_an_empty_report(api: CdrClient) -> None:
    api.tenant().assumptions.set_choice("cdr.dates-reversed", "empty")
    answer = api.legs(ONE_DAY[::-1])
    assert (rows(answer), total(answer)) == ([], 0)
    assert rows(api.sessions(ONE_DAY[::-1])) == []


@pytest.mark.proves("cdr.ended-calls")
def test_only_ended_calls_are_there(api: CdrClient) -> None:
    tenant = api.tenant(now="2026-03-02T14:00:00")
    before = rows(api.legs(limit=10_000))
    latest = max(
        datetime.strptime(row["start_time"], FORMAT) + timedelta(seconds=row["total_duration"])
        for row in before
    )
    assert latest <= datetime(2026, 3, 2, 14)
    tenant.clock.advance(3600)
    after = rows(api.legs(limit=10_000))
    assert set(ids(before)) < set(ids(after))
    # Some of the new legs began while the clock stood at 14:00, in calls that had not ended.
    assert any(row["start_time"] < "2026-03-02 14:00:00" for row in after if row not in before)


def test_outside_the_history_there_is_nothing(api: CdrClient) -> None:
    api.tenant(history_from="2026-03-02")
    assert total(api.legs(("2026-02-01 00:00:00", "2026-03-01 23:59:59"))) == 0
    assert total(api.legs(("2012-01-01 00:00:00", "2012-03-01 23:59:59"))) == 0
    assert total(api.legs(("2027-01-01 00:00:00", "2027-03-01 23:59:59"))) == 0


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"sort": [{"field": "duration", "order": "desc"}]},
        {"fields": ["id", "employee_full_name"]},
        {"limit": 1, "offset": 1},
    ],
)
def test_a_session_id_is_an_address_with_the_same_answer(
    api: CdrClient, more: dict[str, Any]
) -> None:
    """``= id`` leads to the session's day; ``in [id]`` is searched for: no difference in rows."""
    api.tenant()
    sessions = {row["call_session_id"] for row in rows(api.legs(limit=300))}
    for session in sorted(sessions)[::7]:
        address = simple("call_session_id", "=", session)
        search = simple("call_session_id", "in", [session])
        wanted = api.legs(filter=search, **more)
        assert total(wanted) >= 1
        for found in (address, tree("and", address), tree("and", tree("or", address))):
            assert api.legs(filter=found, **more)["result"] == wanted["result"]


def test_an_address_anded_with_other_filters(api: CdrClient) -> None:
    api.tenant()
    for row in rows(api.legs(limit=50)):
        both = (
            simple("call_session_id", "=", row["call_session_id"]),
            simple("id", "=", row["id"]),
        )
        assert rows(api.legs(filter=tree("and", *both))) == [row]
        other = simple("call_session_id", "=", row["call_session_id"] + 1)
        assert rows(api.legs(filter=tree("and", both[0], other))) == []
        assert row in rows(api.legs(filter=tree("or", both[0], other)))


def test_an_address_outside_the_window_is_no_match(api: CdrClient) -> None:
    api.tenant()
    session = rows(api.legs(limit=1))[0]["call_session_id"]
    for wanted in (session, 0, -1, 2**63, 10**40, session + 10**6):
        found = simple("call_session_id", "=", wanted)
        assert total(api.legs(("2026-02-01 00:00:00", "2026-03-01 23:59:59"), filter=found)) == 0


def test_pinned_calls_are_in_order(api: CdrClient) -> None:
    tenant = api.tenant()
    generated = total(api.legs(WEEK))
    tenant.history.pins.add({"start": "2026-03-02T10:00:00", "talk_seconds": 61})
    answer = api.legs(WEEK, limit=10_000)
    found = rows(answer)
    assert total(answer) > generated
    assert [row["start_time"] for row in found] == sorted(row["start_time"] for row in found)
    pinned = [row for row in found if row["duration"] == 61 and row["start_time"][11:16] == "10:00"]
    session = simple("call_session_id", "=", pinned[0]["call_session_id"])
    assert {row["id"] for row in pinned} <= set(ids(rows(api.legs(filter=session))))


@pytest.mark.proves("cdr.leg-direction")
def test_the_direction_can_be_the_sessions(api: CdrClient) -> None:
    tenant = api.tenant()
    session_ways = {row["id"]: row["direction"] for row in rows(api.sessions())}
    own = rows(api.legs(limit=10_000))
    assert any(row["direction"] != session_ways[row["call_session_id"]] for row in own)
    tenant.assumptions.set_choice("cdr.leg-direction", "session")
    for filter in (None, simple("direction", "=", "in")):
        for row in rows(api.legs(limit=10_000, filter=filter)):
            assert row["direction"] == session_ways[row["call_session_id"]]


@pytest.mark.proves("cdr.null-parameter")
@pytest.mark.parametrize("name", ["filter", "sort", "fields", "limit", "offset", "user_id"])
def test_null_counts_as_absent(api: CdrClient, name: str) -> None:
    tenant = api.tenant()
    assert api.legs(ONE_DAY, **{name: None})["result"] == api.legs()["result"]
    tenant.assumptions.set_choice("cdr.null-parameter", "data_type_error")
    assert error_fields(api.legs(ONE_DAY, **{name: None}))[:2] == ("data_type_error", name)


def test_the_journal_names_what_an_answer_rested_on(api: CdrClient) -> None:
    tenant = api.tenant()
    api.legs()
    assert set(last_entry(tenant).assumptions) == {
        "cdr.window-ends",
        "cdr.leg-direction",
        "cdr.default-order",
        "cdr.wav-records",
        "cdr.point-windows",
        "cdr.ended-calls",
    }
    api.legs(sort=[{"field": "duration"}])
    assert "cdr.sort-nulls" in last_entry(tenant).assumptions
    assert last_entry(tenant).operation == "get.call_legs_report"
    assert last_entry(tenant).status == 200


def test_equal_seeds_give_equal_bytes_and_others_do_not(api: CdrClient) -> None:
    for name, seed in (("t", 7), ("same", 7), ("other", 8)):
        api.tenant(name, seed=seed)
    answers = [
        api.rpc("get.call_legs_report", f"{name}-token", date_from=ONE_DAY[0], date_till=ONE_DAY[1])
        for name in ("t", "same", "other")
    ]
    assert answers[0] == answers[1]
    assert rows(answers[0]) != rows(answers[2])


def test_what_is_kept_of_a_query_never_crosses_a_choice(api: CdrClient) -> None:
    """Tenants with equal seeds share generated days and matches, but not their choices."""
    one, other = api.tenant("t"), api.tenant("u")
    wanted = {
        "filter": simple("employee_rating", "!=", 5),
        "sort": [{"field": "employee_rating"}],
        "fields": ["employee_rating"],
        "limit": 10_000,
        "date_from": WEEK[0],
        "date_till": WEEK[1],
    }

    def values(name: str) -> list[int | None]:
        answer = api.rpc("get.call_legs_report", f"{name}-token", **wanted)
        return [row["employee_rating"] for row in rows(answer)]

    plain = values("t")
    other.assumptions.set_choice("cdr.null-comparison", "distinct")
    with_nulls = values("u")
    other.assumptions.set_choice("cdr.sort-nulls", "first")
    nulls_first = values("u")
    assert None not in plain
    assert with_nulls[: len(plain)] == plain
    assert set(with_nulls[len(plain) :]) == {None}
    assert nulls_first == with_nulls[len(plain) :] + plain
    assert values("t") == plain
    one.history.pins.add({"start": "2026-03-01T10:00:00", "talk_seconds": 61})
    one.clock.freeze(datetime(2026, 2, 27, 12))
    assert len(values("t")) < len(plain)
    assert "cdr.sort-nulls" in last_entry(one).assumptions
