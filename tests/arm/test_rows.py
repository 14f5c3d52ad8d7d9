"""A record: its attributes, its empty strings and its arithmetic, held against the truth."""

from __future__ import annotations

import io
import re
import wave
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientPayloadError

from callmocks.arm import tag
from callmocks.arm.media import render_pdf
from callmocks.contract.json_model import to_json
from callmocks.faults.active import FaultScope
from callmocks.history.walltime import datetime_to_ms, ms_to_datetime
from tests.arm.conftest import ArmSocket, RunningArm, Start, basic_auth, request_xml

ORDER = [
    "total_duration", "waiting_duration", "talk_duration", "release_reason", "digits",
    "remote_digits", "call_ref", "duration", "release_time", "answer_time", "start_time",
    "direction", "call_record", "remote_display_name", "display_name", "remote_agent_id",
]  # fmt: skip
OPERATORS = ("101", "105", "110")


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y/%m/%d %H:%M:%S")


async def rows_of(demo: RunningArm, operator: str, limit: int = 600) -> list[dict[str, str]]:
    return (await demo.history(operator, limit=limit)).rows


def legs_by_ref(demo: RunningArm, start: datetime, end: datetime) -> dict[str, dict[str, Any]]:
    """From the truth: the leg behind each call_ref, with its call."""
    found: dict[str, dict[str, Any]] = {}
    for call in demo.tenant.history.truth_between(
        datetime_to_ms(start), datetime_to_ms(end), datetime_to_ms(end)
    ):
        for shown in call.arm:
            own = [leg for leg in call.legs if leg.operator == shown.operator and leg.rang]
            if len(own) == 1:
                found[shown.call_ref] = {**to_json(own[0]), "call": to_json(call)}
    return found


@pytest.mark.proves("arm.attributes", "arm.queue-id")
async def test_attributes_come_in_the_documented_order(demo: RunningArm) -> None:
    for row in await rows_of(demo, "101"):
        names = list(row)
        assert names[: len(ORDER)] == ORDER
        assert names[len(ORDER) :] in ([], ["queue_id"])


@pytest.mark.proves("arm.own-legs")
async def test_rows_are_the_legs_that_rang_without_coaching(demo: RunningArm) -> None:
    start, now = moment("2026/02/16 00:00:00"), moment("2026/03/02 12:00:00")
    calls = demo.tenant.history.truth_between(*map(datetime_to_ms, (start, now, now)))
    own = [leg for call in calls for leg in call.legs if leg.operator == "101"]
    rang = [leg.start for leg in own if leg.rang and leg.role != "coach"]
    assert len(rang) < len(own)
    answer = await demo.history("101", limit=10_000, from_date="2026/02/16", skip_incomplete="0")
    shown = sorted(moment(row["start_time"]) for row in answer.rows)
    assert shown == sorted(each.replace(microsecond=0) for each in rang)


@pytest.mark.proves("arm.times", "arm.durations")
async def test_every_duration_is_that_of_the_true_call_to_the_millisecond(demo: RunningArm) -> None:
    checked = behind = 0
    for operator in OPERATORS:
        rows = await rows_of(demo, operator)
        truth = legs_by_ref(demo, moment(rows[-1]["start_time"]), moment("2026/03/02 12:00:00"))
        for row in rows:
            leg = truth.get(row["call_ref"])
            if leg is None:
                continue
            start, end = (datetime.fromisoformat(leg[name]) for name in ("start", "end"))
            assert moment(row["start_time"]) == start.replace(microsecond=0)
            assert moment(row["release_time"]) == end.replace(microsecond=0)
            answered = leg["answered"] and datetime.fromisoformat(leg["answered"])
            exact = int((end - answered).total_seconds()) if answered else 0
            assert int(row["duration"]) == exact
            assert (row["answer_time"] == "") == (answered is None)
            behind += int(row["talk_duration"]) - exact
            checked += 1
    assert checked > 1000
    assert behind > 100  # talk and talk - 1 both occur


@pytest.mark.proves("arm.times", "arm.durations")
async def test_durations_are_differences_of_the_shown_times(demo: RunningArm) -> None:
    for row in await rows_of(demo, "101"):
        start, release = moment(row["start_time"]), moment(row["release_time"])
        answer = moment(row["answer_time"]) if row["answer_time"] else None
        waiting, talk = int(row["waiting_duration"]), int(row["talk_duration"])
        assert timedelta(seconds=waiting) == (answer or release) - start
        assert timedelta(seconds=talk) == (release - answer if answer else timedelta(0))
        assert int(row["total_duration"]) == waiting + talk
        assert int(row["duration"]) in ((talk, talk - 1) if answer else (0,))


@pytest.mark.proves("arm.newest-first")
async def test_newest_first(demo: RunningArm) -> None:
    starts = [row["start_time"] for row in await rows_of(demo, "101")]
    assert starts == sorted(starts, reverse=True)
    assert starts[0].startswith("2026/03/02")


@pytest.mark.proves("arm.release-reason")
async def test_release_reasons_are_the_three_known_and_say_who_hung_up(demo: RunningArm) -> None:
    rows = [row for operator in OPERATORS for row in await rows_of(demo, operator)]
    reasons = {(row["release_reason"], row["direction"], bool(row["answer_time"])) for row in rows}
    assert {reason for reason, _, _ in reasons} == {
        "released_by_system", "released_by_a", "released_by_b",
    }  # fmt: skip
    assert ("released_by_system", "in", False) in reasons
    assert ("released_by_system", "in", True) in reasons
    truth = legs_by_ref(demo, moment("2026/02/23 00:00:00"), moment("2026/03/02 12:00:00"))
    caller = {"in": "subscriber_disconnects", "out": "operator_disconnects"}
    compared = 0
    for row in rows:
        leg = truth.get(row["call_ref"])
        if leg and row["answer_time"] and row["release_reason"] != "released_by_system":
            direction = "in" if leg["call"]["direction"] == "internal" else row["direction"]
            by_caller = leg["finish_reason"] == caller[direction]
            assert row["release_reason"] == ("released_by_a" if by_caller else "released_by_b")
            compared += 1
    assert compared > 100


@pytest.mark.proves("arm.call-ref")
async def test_call_refs_have_the_documented_sizes(demo: RunningArm) -> None:
    seen = {"in": 0, "out": 0}
    for row in await rows_of(demo, "101"):
        bits = int(row["call_ref"]).bit_length()
        assert bits <= 32 if row["direction"] == "in" else 62 <= bits <= 63
        assert row["call_ref"] == str(int(row["call_ref"]))
        seen[row["direction"]] += 1
    assert min(seen.values()) > 50


@pytest.mark.proves("arm.digits")
async def test_digits_are_the_operators_and_remote_digits_the_other_partys(
    demo: RunningArm,
) -> None:
    rows = await rows_of(demo, "105")
    truth = legs_by_ref(demo, moment(rows[-1]["start_time"]), moment("2026/03/02 12:00:00"))
    internal = anonymous = 0
    for row in rows:
        assert row["digits"] == "105"
        assert row["display_name"] == ""
        leg = truth.get(row["call_ref"])
        if leg is None:
            continue
        call = leg["call"]
        if call["direction"] == "internal":
            others = {other["operator"] for other in call["legs"]} - {"105"}
            assert row["remote_digits"] in others
            assert row["remote_agent_id"] == row["remote_digits"]
            internal += 1
        elif leg["role"] == "operator":
            assert row["remote_digits"] == (call["client_phone"] or "")
            assert row["remote_display_name"] == (call["client"] or "")
            anonymous += not call["client_phone"]
    assert internal
    assert anonymous


@pytest.mark.proves("arm.own-display-name")
async def test_the_operators_own_name_is_empty_unless_chosen(demo: RunningArm) -> None:
    assert {row["display_name"] for row in await rows_of(demo, "105", 5)} == {""}
    demo.tenant.assumptions.set_choice("arm.own-display-name", "full-name")
    (operator,) = (o for o in demo.tenant.history.directory.operators if o.number == "105")
    assert {row["display_name"] for row in await rows_of(demo, "105", 5)} == {operator.full_name}


@pytest.mark.proves("arm.agent-id", "arm.tag")
async def test_a_world_gives_agents_and_groups_names_of_their_own(
    start: Start, tmp_path: Path
) -> None:
    world = tmp_path / "agents.toml"
    world.write_text(
        """
        [[groups]]
        name = "First line"
        agent_group = "first"
        [[groups]]
        name = "Second line"
        [[operators]]
        number = "1001"
        agent_id = "1"
        group = "First line"
        [[operators]]
        number = "1002"
        group = "Second line"
        """,
        encoding="utf-8",
    )
    centre = await start(world=str(world), history_from="2026-02-01")
    (second,) = (g.id for g in centre.tenant.history.directory.groups if g.name == "Second line")
    inside = (await centre.history("1002", cc_agent_id="1")).rows
    assert inside
    assert {(row["remote_digits"], row["remote_agent_id"]) for row in inside} == {("1001", "1")}
    by_group = await centre.history("1002", cc_agent_group="first")
    assert by_group.rows == inside
    assert (await centre.history("1002", cc_agent_group="First line")).rows == []
    own = await centre.history("1001", cc_agent_group=str(second))
    assert {row["remote_agent_id"] for row in own.rows} == {"1002"}
    assert (await centre.history("1001", cc_agent_id="1001")).rows == []
    assert tag.decode(own.tag or "").agent == "1"


@pytest.mark.proves("arm.queue-id")
async def test_queue_id_only_for_calls_that_passed_a_queue_and_then_last(demo: RunningArm) -> None:
    rows = await rows_of(demo, "101")
    queued = [row for row in rows if "queue_id" in row]
    assert {list(row)[-1] for row in queued} == {"queue_id"}
    assert 0 < len(queued) < len(rows)
    assert all(row["direction"] == "in" and row["queue_id"] for row in queued)


@pytest.mark.proves("arm.url-list", "arm.media-access")
async def test_records_can_be_listened_to_and_last_as_long_as_the_talk(demo: RunningArm) -> None:
    answer = await demo.history("101", limit=300)
    recorded = [call for call in answer.root.iter("call_history") if call.get("call_record")]
    assert 10 < len(recorded) < 300
    for call in recorded[:5]:
        url = call.get("call_record", "")
        assert [item.text for item in call.findall("url_list/url")] == [url]
        async with demo.session.get(url) as audio:
            assert (audio.status, audio.content_type) == (200, "audio/wav")
            with wave.open(io.BytesIO(await audio.read())) as file:
                seconds = file.getnframes() / file.getframerate()
        assert int(seconds) == int(call.get("duration", ""))
    silent = [call for call in answer.root.iter("call_history") if not call.get("call_record")]
    assert all(call.find("url_list/url") is None for call in silent)


@pytest.mark.proves("arm.url-list")
async def test_a_record_is_served_by_range_and_with_head(demo: RunningArm) -> None:
    rows = (await demo.history("101", limit=300)).rows
    url = next(row["call_record"] for row in rows if row["call_record"])
    async with demo.session.get(url, headers={"Range": "bytes=44-143"}) as part:
        assert part.status == 206
        some = await part.read()
    async with demo.session.get(url) as whole:
        assert (await whole.read())[44:144] == some
    async with demo.session.head(url) as head:
        assert int(head.headers["Content-Length"]) == int(whole.headers["Content-Length"])
    entries = [entry.operation for entry in demo.journal()]
    assert entries[-3:] == ["call_record"] * 3


@pytest.mark.parametrize("record", ["0" * 32, "x", "zz" * 16, "%00", "f" * 31])
async def test_an_unknown_record_is_not_found(demo: RunningArm, record: str) -> None:
    async with demo.session.get(f"{demo.address}/call_record/{record}.wav") as answer:
        assert answer.status == 404
        assert "no such record" in await answer.text()


@pytest.mark.proves("arm.url-list")
async def test_a_record_comes_to_be_when_its_call_has_ended(empty: RunningArm) -> None:
    empty.pin(
        [{"start": "2026-03-02T11:00:00", "operator": "101", "talk_seconds": 60, "recorded": True}]
    )
    url = (await empty.history("101")).rows[0]["call_record"]
    async with empty.session.get(url) as answer:
        assert answer.status == 200
    empty.now("2026-03-02T11:00:30")
    async with empty.session.get(url) as answer:
        assert answer.status == 404


@pytest.mark.proves("arm.faxes", "arm.media-access")
async def test_faxes_and_supplementary_services_for_the_calls_that_have_them(
    demo: RunningArm,
) -> None:
    found = {"success_faxes": 0, "failed_faxes": 0, "ss_list": 0}
    for operator in [str(number) for number in range(101, 113)]:
        answer = await demo.history(operator, limit=2000)
        for call in answer.root.iter("call_history"):
            kinds = [child.tag for child in call]
            assert kinds[0] == "url_list"
            for kind in kinds[1:]:
                found[kind] += 1
            for fax in call.findall("success_faxes/url") + call.findall("failed_faxes/url"):
                if sum(found.values()) < 200:
                    async with demo.session.get(fax.text or "") as document:
                        assert (document.status, document.content_type) == (200, "application/pdf")
                        assert await document.read()
            for service in call.findall("ss_list/ss"):
                assert service.get("name")
    assert min(found.values()) > 0


@pytest.mark.parametrize("path", ["101/5605650000", "101/x", "999/5605650000", "101/" + "9" * 30])
async def test_an_unknown_fax_is_not_found(demo: RunningArm, path: str) -> None:
    async with demo.session.get(f"{demo.address}/fax/{path}.pdf") as answer:
        assert answer.status == 404


async def test_a_fax_is_a_pdf_whose_table_leads_to_its_objects(demo: RunningArm) -> None:
    file = render_pdf(["Fax 1: success", "(79) \\ 5"])
    assert file.startswith(b"%PDF-1.4")
    start = int(re.findall(rb"startxref\n(\d+)\n", file)[0])
    assert file[start:].startswith(b"xref\n0 6\n")
    for number, offset in enumerate(re.findall(rb"(\d{10}) 00000 n", file[start:]), 1):
        assert file[int(offset) :].startswith(b"%d 0 obj" % number)
    (length,) = re.findall(rb"/Length (\d+)", file)
    assert len(file.partition(b"stream\n")[2].partition(b"\nendstream")[0]) == int(length)
    assert b"(\\(79\\) \\\\ 5) '" in file


@pytest.mark.proves("arm.url-list")
async def test_a_record_comes_with_the_row_even_while_others_still_talk(demo: RunningArm) -> None:
    history = demo.tenant.history
    recorded = [
        (operator, history.find_record(row["call_record"][-36:-4]))
        for operator in OPERATORS
        for row in await rows_of(demo, operator)
        if row["call_record"]
    ]
    operator, found = next(
        (operator, found)
        for operator, found in recorded
        if found is not None and found.cdr_from - found.arm_from > 5000  # it was transferred
    )
    demo.now((ms_to_datetime(found.arm_from) + timedelta(seconds=1)).isoformat())
    (row,) = (await demo.history(operator, limit=1)).rows
    async with demo.session.get(row["call_record"]) as answer:
        assert answer.status == 200
        with wave.open(io.BytesIO(await answer.read())) as file:
            assert file.getnframes() * 1000 // file.getframerate() == found.talk_ms


@pytest.mark.parametrize(
    ("fault", "params", "whole"), [("delay", {"ms": 10}, True), ("truncated", {"keep": 0.5}, False)]
)
async def test_a_record_can_be_delayed_and_cut(
    demo: RunningArm, fault: str, params: dict[str, Any], whole: bool
) -> None:
    rows = await rows_of(demo, "101")
    url = next(row["call_record"] for row in rows if row["call_record"])
    async with demo.session.get(url) as answer:
        audio = await answer.read()
    demo.tenant.faults.enable("arm", fault, params, FaultScope(operation="call_record", times=1))
    async with demo.session.get(url) as answer:
        assert int(answer.headers["Content-Length"]) == len(audio)
        begun = b""
        with nullcontext() if whole else pytest.raises(ClientPayloadError):
            async for piece in answer.content.iter_any():
                begun += piece
    assert begun == (audio if whole else audio[: len(audio) // 2])
    assert demo.journal()[-1].faults == (fault,)


CALL = {"start": "2026-03-02T11:00:00", "operator": "101", "wait_seconds": 20, "talk_seconds": 60.9}


@pytest.mark.proves("arm.unfinished", "arm.skip-incomplete")
async def test_an_unfinished_call_appears_only_when_asked_for_with_what_is_known(
    empty: RunningArm,
) -> None:
    empty.pin([CALL])
    (done,) = (await empty.history("101", skip_incomplete="false")).rows
    start, answer = moment(done["start_time"]), moment(done["answer_time"])
    for now in (start + timedelta(seconds=2), answer + timedelta(seconds=7)):
        empty.now(now.isoformat())
        assert (await empty.history("101")).rows == []
        (row,) = (await empty.history("101", skip_incomplete="false")).rows
        talking = now > answer
        assert row["release_time"] == row["release_reason"] == row["call_record"] == ""
        assert row["answer_time"] == (done["answer_time"] if talking else "")
        assert int(row["waiting_duration"]) == ((answer if talking else now) - start).seconds
        assert int(row["talk_duration"]) == ((now - answer).seconds if talking else 0)
        assert int(row["total_duration"]) == (now - start).seconds
        assert int(row["duration"]) in ((6, 7) if talking else (0,))
        assert row["call_ref"] == done["call_ref"]
    empty.now((start - timedelta(seconds=1)).isoformat())
    assert (await empty.history("101", skip_incomplete="false")).rows == []


@pytest.mark.proves("arm.absent-values", "arm.skip-incomplete", "arm.own-legs")
async def test_an_unanswered_call_is_not_an_incomplete_one(empty: RunningArm) -> None:
    empty.pin([{"start": "2026-03-02T11:00:00", "operator": "101", "answered": False}])
    (row,) = (await empty.history("101", skip_incomplete="true")).rows
    assert (row["answer_time"], row["talk_duration"], row["duration"]) == ("", "0", "0")
    assert row["waiting_duration"] == row["total_duration"] != "0"


async def test_names_with_quotes_and_angles_arrive_whole_in_both_forms(start: Start) -> None:
    workplace = await start(world="edge-cases")
    special = set()
    for operator in ("101", "102", "103"):
        posted = await workplace.history(operator, limit=300)
        async with workplace.connect(operator) as raw:
            framed = await ArmSocket(raw).history(limit=300)
        assert framed.rows == posted.rows
        special |= {char for row in posted.rows for char in row["remote_display_name"]}
    assert special & set("\"'&<>«»ё")


async def test_urls_lead_where_the_client_came_from(demo: RunningArm) -> None:
    body = request_xml(limit=300)
    headers = {**basic_auth("101"), "Host": "mock.example:9000"}
    rows = (await demo.post("operator_call_history", body, headers)).rows
    record = next(row["call_record"] for row in rows if row["call_record"])
    assert record.startswith("http://mock.example:9000/demo/service/cc/arm/call_record/")


@pytest.mark.proves("arm.url-list")
async def test_what_url_list_holds_is_a_choice(demo: RunningArm) -> None:
    demo.tenant.assumptions.set_choice("arm.url-list", "empty")
    answer = await demo.history("101", limit=300)
    assert any(row["call_record"] for row in answer.rows)
    lists = list(answer.root.iter("url_list"))
    assert lists
    assert not [url for listed in lists for url in listed.iter("url")]
