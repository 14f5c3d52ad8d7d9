"""Paging by tag: every row exactly once, whatever shares a second and whoever calls meanwhile."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callmocks.arm import tag
from callmocks.arm.tag import PagingTag
from tests.arm.conftest import ParsedResponse, RunningArm, Start
from tests.arm.test_tag import documented

SECOND = datetime(2026, 3, 2, 11, 0, 0)


async def walk(workplace: RunningArm, limit: int, **filters: Any) -> list[ParsedResponse]:
    """All pages, by tag, until one is empty."""
    pages = [await workplace.history(limit=limit, **filters)]
    while pages[-1].rows:
        pages.append(await workplace.history(limit=limit, tag=pages[-1].tag))
    return pages


def together(pages: list[ParsedResponse]) -> list[dict[str, str]]:
    return [row for page in pages for row in page.rows]


def missed(at: datetime, count: int = 1, **more: Any) -> list[dict[str, Any]]:
    """Unanswered calls of operator 101 that begin in one second, some in the same millisecond."""
    return [
        {
            "start": (at + timedelta(milliseconds=97 * (index // 2))).isoformat(),
            "operator": "101", "answered": False, "wait_seconds": 15, **more,
        }
        for index in range(count)
    ]  # fmt: skip


@pytest.mark.proves("arm.tag-paging")
@pytest.mark.parametrize("limit", [1, 7, 50, 333])
async def test_pages_are_the_history_cut_into_pieces(demo: RunningArm, limit: int) -> None:
    date = "2026/02/26" if limit < 50 else "2026/02/01"
    pages = await walk(demo, limit, from_date=date)
    whole = await demo.history(limit=10_000, from_date=date)
    assert together(pages) == whole.rows
    assert all(len(page.rows) == limit for page in pages[:-2])


@pytest.mark.proves("arm.tag")
async def test_the_tag_holds_the_start_of_the_last_row_and_the_sessions_operator(
    demo: RunningArm,
) -> None:
    page = await demo.history("104", limit=20)
    read = tag.decode(page.tag or "")
    assert read.start.strftime("%Y/%m/%d %H:%M:%S") == page.rows[-1]["start_time"]
    assert (read.agent, read.skip_incomplete, read.filters) == ("104", True, ())


@pytest.mark.proves("arm.tag")
async def test_a_tag_of_a_plain_page_has_the_documented_bytes_but_for_its_values(
    demo: RunningArm,
) -> None:
    page = await demo.history("102", limit=50)
    read = tag.decode(page.tag or "")
    assert read.after is None
    ours, vendors = base64.b64decode(page.tag or ""), base64.b64decode(documented())
    when = vendors.index(b"b\x00\x00\x07\xe4")
    end = vendors.index(b"l\x00\x00\x00\x06")
    assert ours[:when] == vendors[:when]
    assert ours[ours.index(b"l\x00\x00\x00\x06") :] == vendors[end:]


@pytest.mark.proves("arm.tag-always", "arm.empty-page-tag")
async def test_a_tag_comes_back_although_fewer_rows_than_the_limit_exist(empty: RunningArm) -> None:
    empty.pin(missed(SECOND))
    page = await empty.history(limit=50)
    assert len(page.rows) == 1
    assert page.tag
    after = await empty.history(limit=50, tag=page.tag)
    assert (after.rows, after.tag) == ([], page.tag)
    empty.tenant.assumptions.set_choice("arm.empty-page-tag", "none")
    assert (await empty.history(limit=50, tag=page.tag)).tag is None


async def test_an_empty_first_page_has_no_tag_to_return(empty: RunningArm) -> None:
    page = await empty.history(limit=50)
    assert (page.rows, page.tag) == ([], None)


@pytest.mark.proves("arm.tag-properties")
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 16])
async def test_many_calls_in_one_second_come_exactly_once(empty: RunningArm, limit: int) -> None:
    for offset in (0, 1, 3):
        empty.pin(missed(SECOND + timedelta(seconds=offset), 12))
    whole = await empty.history(limit=1000)
    assert len({row["start_time"] for row in whole.rows}) < 10 < len(whole.rows)
    assert together(await walk(empty, limit)) == whole.rows


async def test_every_row_comes_once_while_new_calls_keep_arriving(empty: RunningArm) -> None:
    empty.pin(missed(SECOND, 20))
    whole = await empty.history(limit=1000)
    seen: list[str] = []
    page = await empty.history(limit=3)
    for step in range(40):
        seen += page.refs
        if not page.rows:
            break
        last = datetime.strptime(page.rows[-1]["start_time"], "%Y/%m/%d %H:%M:%S")
        empty.pin(missed(last + timedelta(seconds=20 + step)))  # newer than the cursor
        empty.pin([{**missed(last)[0], "start": (last - timedelta(seconds=10)).isoformat()}])
        page = await empty.history(limit=3, tag=page.tag)
    assert len(seen) == len(set(seen))
    assert set(whole.refs) <= set(seen)


async def test_calls_pinned_into_the_cursors_own_second_repeat_and_lose_nothing(
    empty: RunningArm,
) -> None:
    empty.pin(missed(SECOND, 6))
    before = (await empty.history(limit=1000)).refs
    first = await empty.history(limit=3)
    empty.pin(missed(SECOND, 8))
    rest = together(await walk_on(empty, first))
    refs = first.refs + [row["call_ref"] for row in rest]
    assert len(refs) == len(set(refs))
    assert set(before) <= set(refs)


async def walk_on(workplace: RunningArm, page: ParsedResponse) -> list[ParsedResponse]:
    pages = []
    while page.rows:
        page = await workplace.history(limit=2, tag=page.tag)
        pages.append(page)
    return pages


async def test_calls_that_end_between_two_pages_do_not_shift_the_next_one(
    demo: RunningArm,
) -> None:
    demo.now("2026-03-02T11:16:30")
    first = await demo.history(limit=5)
    older = (await demo.history(limit=1000, from_date="2026/02/27", offset=5)).refs
    demo.now("2026-03-02T11:40:00")
    refs, page = [], first
    for _ in range(10):
        page = await demo.history(limit=5, tag=page.tag)
        refs += page.refs
    known = [ref for ref in refs if ref in set(older)]
    assert known == older[: len(known)]
    assert len(known) > 30


@pytest.mark.proves("arm.tag-paging", "arm.tag-filters")
async def test_the_documented_tag_is_honoured(start: Start) -> None:
    workplace = await start(now="2021-01-01T00:00:00")
    for operator in ("102", "101"):
        page = await workplace.history(operator, limit=10, tag=documented())
        assert page.status == 200
        cut = "2020/12/10 14:07:56"
        whole = await workplace.history(operator, limit=1000, from_date="2020/12/09")
        assert page.refs == [r["call_ref"] for r in whole.rows if r["start_time"] < cut][:10]
        assert {row["digits"] for row in page.rows} == {operator}
        assert tag.decode(page.tag or "").agent == operator


@pytest.mark.proves("arm.tag-filters")
async def test_filters_frozen_in_the_tag_win_over_those_of_the_request(demo: RunningArm) -> None:
    first = await demo.history(limit=5, direction="out", from_date="2026/02/20")
    frozen = await demo.history(
        limit=5, tag=first.tag, direction="in", from_date="2026/03/02", skip_incomplete="false"
    )
    whole = await demo.history(limit=10, direction="out", from_date="2026/02/20")
    assert first.refs + frozen.refs == whole.refs
    assert "arm.tag-filters" in demo.journal()[-2].assumptions
    demo.tenant.assumptions.set_choice("arm.tag-filters", "request")
    other = await demo.history(limit=5, tag=first.tag, direction="in")
    assert {row["direction"] for row in other.rows} == {"in"}


async def test_skip_incomplete_is_frozen_too(empty: RunningArm) -> None:
    empty.pin(missed(SECOND) + missed(SECOND + timedelta(minutes=5)))
    empty.now((SECOND + timedelta(minutes=5, seconds=10)).isoformat())
    first = await empty.history(limit=1, skip_incomplete="false")
    assert first.rows[0]["release_time"] == ""
    assert not tag.decode(first.tag or "").skip_incomplete
    second = await empty.history(limit=1, tag=first.tag, skip_incomplete="true")
    assert len(second.rows) == 1


@pytest.mark.proves("arm.tag-filters")
async def test_offset_counts_from_the_cursor(demo: RunningArm) -> None:
    whole = (await demo.history(limit=30)).refs
    first = await demo.history(limit=10)
    assert (await demo.history(limit=5, offset=7, tag=first.tag)).refs == whole[17:22]


@pytest.mark.proves("arm.tag-properties")
async def test_every_filter_goes_on_in_the_tag(demo: RunningArm) -> None:
    filters = {
        "from_date": "2026/01/01", "to_date": "2026/03/01", "direction": "in",
        "cc_agent_b_id": "101", "display_name": "ОВ", "to_number": "101",
    }  # fmt: skip
    pages = await walk(demo, 40, **filters)
    whole = await demo.history(limit=10_000, **filters)
    assert len(whole.rows) > 100
    assert together(pages) == whole.rows
    assert dict(tag.decode(pages[0].tag or "").filters) == filters


@pytest.mark.proves("arm.empty-filter")
@pytest.mark.parametrize("choice", ["literal", "absent"])
async def test_paging_under_either_meaning_of_empty_filters(demo: RunningArm, choice: str) -> None:
    demo.tenant.assumptions.set_choice("arm.empty-filter", choice)
    pages = await walk(demo, 20, from_number="", from_date="2026/02/20")
    whole = await demo.history(limit=10_000, from_number="", from_date="2026/02/20")
    assert together(pages) == whole.rows


@pytest.mark.proves("arm.tag-refused")
@pytest.mark.parametrize(
    "forged",
    [
        "", "AAAA", "тег", documented()[:-4], documented()[::-1], "g2oK", "A" * 100_000,
        tag.encode(PagingTag(SECOND, "101", True, (("no_such_filter", "1"),))),
        tag.encode(PagingTag(SECOND, "101", True, (("limit", "1"),))),
    ],
    ids=lambda text: text[:8],
)  # fmt: skip
async def test_a_forged_or_damaged_tag_is_an_error_answer(demo: RunningArm, forged: str) -> None:
    answer = await demo.history(limit=5, tag=forged)
    if forged == "":
        assert len(answer.rows) == 5  # no tag yet
        return
    assert answer.status == 200
    assert answer.error.startswith("/in/request/filters/@tag: expected a tag of an earlier answer")


async def test_a_forged_filter_value_in_a_tag_is_an_error_answer(demo: RunningArm) -> None:
    for name, value in (("from_date", "never"), ("to_date", "9999/99/99")):
        forged = tag.encode(PagingTag(SECOND, "101", True, ((name, value),)))
        assert (await demo.history(limit=5, tag=forged)).error.startswith(
            f"/in/request/filters/@{name}"
        )


async def test_any_cursor_in_any_time_is_answered(demo: RunningArm) -> None:
    cursors: list[PagingTag] = []

    @settings(max_examples=40, database=None, suppress_health_check=list(HealthCheck))
    @given(
        st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(
            lambda at: at.replace(microsecond=0)
        )
        | st.datetimes(datetime(2026, 2, 27), datetime(2026, 3, 3)).map(
            lambda at: at.replace(microsecond=0)
        ),
        st.none() | st.tuples(st.integers(0, 999), st.text("0123456789", max_size=10)),
    )
    def collect(at: datetime, after: tuple[int, str] | None) -> None:
        cursors.append(PagingTag(at, "7", True, (), after))

    collect()
    whole = (await demo.history(limit=10_000, from_date="2026/02/01")).rows
    for cursor in cursors:
        page = await demo.history(limit=3, tag=tag.encode(cursor))
        assert page.status == 200
        if cursor.after is None:
            cut = cursor.start.strftime("%Y/%m/%d %H:%M:%S").zfill(19)
            expected = [row for row in whole if row["start_time"] < cut][:3]
            assert len(expected) < 3 or page.rows == expected


@pytest.mark.proves("arm.filter-bytes")
async def test_the_longest_filters_still_make_a_tag_that_is_taken_back(demo: RunningArm) -> None:
    long = {"display_name": "ы" * 500, "number": "9" * 1000}
    literal = await demo.history(limit=5, from_date="2026/02/25", **long)
    assert literal.rows == []
    made = tag.encode(PagingTag(SECOND, "101", True, tuple(sorted(long.items()))))
    assert (await demo.history(limit=5, from_date="2026/02/25", tag=made)).status == 200


@pytest.mark.parametrize("incomplete", ["true", "false"])
async def test_a_polling_client_sees_every_call_begin_and_end_on_time(
    demo: RunningArm, incomplete: str
) -> None:
    """Pages are remembered between requests; the clock goes to and fro and none may be stale."""
    demo.now("2026-03-03T23:59:59.999")
    rows = (await demo.history(limit=500, from_date="2026/02/26")).rows
    rng = [(step * 7919) % (2 * 86_400) for step in range(150)]
    for second in [*rng, *sorted(rng)]:
        now = datetime(2026, 3, 2) + timedelta(seconds=second, milliseconds=999)
        demo.now(now.isoformat())
        text = now.strftime("%Y/%m/%d %H:%M:%S")
        got = await demo.history(limit=12, skip_incomplete=incomplete)
        column = "release_time" if incomplete == "true" else "start_time"
        expected = [row for row in rows if row[column] <= text][:12]
        assert got.refs == [row["call_ref"] for row in expected], text
        for shown, final in zip(got.rows, expected, strict=True):
            ended = final["release_time"] <= text
            assert shown["release_time"] == (final["release_time"] if ended else "")
            assert shown["total_duration"] == final["total_duration"] or not ended


async def test_a_pinned_call_shows_at_once_although_the_page_was_asked_for_before(
    demo: RunningArm,
) -> None:
    before = (await demo.history(limit=5)).refs
    demo.pin(missed(datetime(2026, 3, 2, 11, 59)))
    assert (await demo.history(limit=5)).refs[1:] == before[:4]
    demo.tenant.history.pins.clear()
    assert (await demo.history(limit=5)).refs == before


@pytest.mark.parametrize("at", ["03T00:00:20", "03T13:31:07", "04T23:59:59"])
async def test_a_page_of_any_offset_is_cut_out_of_the_whole(start: Start, at: str) -> None:
    demo = await start(history_from="2024-06-01")
    demo.now(f"2026-03-{at}")
    # A search that has a date goes through the days one by one.
    whole = (await demo.history(limit=600, from_date="2025/01/01")).rows
    assert len(whole) == 600
    for offset in (150, 40, 570, 0, 3, 41, 12, 549, 350):
        page = await demo.history(limit=30, offset=offset)
        assert page.rows == whole[offset : offset + 30]
    assert not (await demo.history(limit=50, offset=1_000_000)).rows
    demo.pin([{"start": "2026-03-01T12:00:00", "operator": "101"}])
    whole = (await demo.history(limit=560, from_date="2025/01/01")).rows
    assert (await demo.history(limit=10, offset=550)).rows == whole[550:]
