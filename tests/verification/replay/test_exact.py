"""``callmocks serve --replay FILE``: what was recorded is answered again, whoever asks."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
import requests
from lxml import etree
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import callmocks
from callmocks.arm import frames
from callmocks.errors import SettingsError
from callmocks.testing import Mocks
from tests.verification.conftest import DAY, CommandRunner, run_command
from tests.verification.messages import (
    basic_auth,
    exchange_frames,
    history_frame,
    post_legs,
    property_xml,
    soap_envelope,
)
from tests.verification.processes import read_exchanges, run_proxy, run_replay, run_replay_process

SOAP12 = "http://www.w3.org/2003/05/soap-envelope"


def calls_envelope(
    version: str = "http://schemas.xmlsoap.org/soap/envelope/", hour: str = "10"
) -> str:
    period = property_xml("PeriodFrom", f"{DAY}T{hour}:00:00", "dateTime")
    # Without an end it would reach to now, which 1C refuses by day.
    period += property_xml("PeriodTo", f"{DAY}T23:59:59", "dateTime")
    return soap_envelope(f"<p:Params>{period}</p:Params>", version)


@pytest.fixture(scope="session")
def recorded(suite: Mocks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file with what all three providers answered."""
    folder = tmp_path_factory.mktemp("recordings")
    with suite.tenant() as tenant:
        name = tenant.name
        with run_proxy("cdr", tenant.cdr.url, "--record", folder / "cdr") as proxy:
            url = proxy.ready["proxy"]
            login = {"login": name, "password": name}
            body: dict[str, Any] = {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "login.user",
                "params": login,
            }
            requests.post(url, json=body, timeout=10)
            post_legs(url, f"{name}-token", limit=5)
            post_legs(url, f"{name}-token", limit=5, offset=5, sort=[{"field": "start_time"}])
            post_legs(url, f"{name}-token", limit=5)
            longest = [{"field": "duration", "order": "asc"}]
            post_legs(url, f"{name}-token", limit=5, sort=longest)
            proxy.stop()
        with run_proxy("arm", tenant.arm.url, "--record", folder / "arm") as proxy:
            url = f"{proxy.ready['proxy']}/{name}/service/cc/arm"
            page = '<in><request><filters offset="0" limit="3"/></request></in>'
            command = f"{url}/operator_call_history"
            requests.post(command, data=page, auth=("101", name), timeout=10)
            sent = history_frame(limit=4, direction="in")
            asyncio.run(exchange_frames(url.replace("http", "ws"), basic_auth("101", name), sent))
            proxy.stop()
        with run_proxy("onec", tenant.onec.url, "--record", folder / "onec") as proxy:
            url = proxy.ready["proxy"]
            requests.get(f"{url}?wsdl", timeout=10)
            requests.post(url, data=calls_envelope(), auth=(name, name), timeout=10)
            unknown = calls_envelope().replace("GetHistoryOfServiceCalls", "NoSuchThing")
            requests.post(url, data=unknown, auth=(name, name), timeout=10)
            proxy.stop()
    whole = folder / "all.jsonl"
    parts = [(folder / each).read_text(encoding="utf-8") for each in ("cdr", "arm", "onec")]
    whole.write_text("".join(parts), encoding="utf-8")
    return whole


@pytest.fixture(scope="session")
def replay(recorded: Path) -> Any:
    """The addresses of a suite that replays it."""
    with run_replay_process(recorded) as urls:
        yield urls


def recorded_exchanges(recorded: Path, provider: str, operation: str) -> list[dict[str, Any]]:
    lines = recorded.read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines if '"callmocks"' not in line[:14]]
    return [e for e in found if (e["provider"], e["operation"]) == (provider, operation)]


def test_cdr_answers_by_parameters_with_the_id_of_the_request(
    recorded: Path, replay: dict[str, Any]
) -> None:
    first, second, _, by_length = recorded_exchanges(recorded, "cdr", "get.call_legs_report")
    got = post_legs(replay["cdr"], "anybody", limit=5)
    assert got.json()["id"] == "a-1"
    assert got.json()["result"]["data"] == json.loads(first["response"])["result"]["data"]
    # Defaults, the order of members and a missing asc make no other question.
    got = post_legs(
        replay["cdr"], "x", offset=5.0, limit=5, sort=[{"order": "asc", "field": "start_time"}]
    )
    assert got.json()["result"]["data"] == json.loads(second["response"])["result"]["data"]
    got = post_legs(replay["cdr"], "x", limit=5, sort=[{"field": "duration"}], user_id=None)
    assert got.json()["result"]["data"] == json.loads(by_length["response"])["result"]["data"]
    login = {"login": "who", "password": "ever"}
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": 77, "method": "login.user", "params": login}
    answer = requests.post(replay["cdr"], json=body, timeout=10).json()
    assert answer["id"] == 77 and answer["result"]["data"]["access_token"]


def test_equal_requests_get_the_responses_in_order_and_then_the_last(recorded: Path) -> None:
    first, _, third, _ = recorded_exchanges(recorded, "cdr", "get.call_legs_report")
    shown = [json.loads(each["response"])["result"]["metadata"] for each in (first, third)]
    lines = recorded.read_text(encoding="utf-8").splitlines(keepends=True)
    with run_replay(recorded) as urls:
        got = [post_legs(urls["cdr"], "x", limit=5).json()["result"]["metadata"] for _ in range(4)]
    assert got == [shown[0], shown[1], shown[1], shown[1]]
    assert len(lines) > 8


def test_without_a_match_the_error_names_the_nearest_request(replay: dict[str, Any]) -> None:
    answer = post_legs(replay["cdr"], "x", limit=6)
    assert answer.status_code == 200
    error = answer.json()["error"]
    assert (error["code"], error["data"]["mnemonic"]) == (-32602, "error")
    assert re.search(
        r"get\.call_legs_report was not recorded so; nearest is number \d: limit: 6, recorded 5",
        error["message"],
    )
    body: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 5,
        "method": "get.account",
        "params": {"access_token": "x"},
    }
    error = requests.post(replay["cdr"], json=body, timeout=10).json()["error"]
    assert "no get.account was recorded, only get.call_legs_report, login.user" in error["message"]
    error = requests.post(replay["cdr"], data=b"{", timeout=10).json()["error"]
    assert error["code"] == -32700


def test_arm_answers_over_both_transports(recorded: Path, replay: dict[str, Any]) -> None:
    by_http, by_frame = recorded_exchanges(recorded, "arm", "operator_call_history")
    url = f"{replay['arm']}/demo/service/cc/arm"
    page = "<in><request><filters limit='3' skip_incomplete='1'/></request></in>"
    got = requests.post(f"{url}/operator_call_history", data=page, timeout=10)
    assert got.text == by_http["response"]
    assert got.headers["Content-Type"].startswith("text/xml")
    socket = url.replace("http", "ws")
    same, other = asyncio.run(
        exchange_frames(socket, {}, history_frame(limit=4, direction="in"), history_frame(limit=3))
    )
    assert same.decode() == by_frame["response"]
    converted = frames.decode_response(other)
    assert (converted.id, converted.status, converted.deviations) == ("0007", 200, ())
    refs = re.findall(r'call_ref="(\d+)"', by_http["response"])
    assert re.findall(r'"call_ref":"(\d+)"', converted.body.decode()) == refs
    page = "<in><request><filters limit='4' direction='in'/></request></in>"
    got = requests.post(f"{url}/operator_call_history", data=page, timeout=10)
    rows = etree.fromstring(got.content).findall("response/history/call_history")
    assert len(rows) == 4
    page = "<in><request><filters limit='9'/></request></in>"
    got = requests.post(f"{url}/operator_call_history", data=page, timeout=10)
    error = etree.fromstring(got.content).find("error")
    assert error is not None and error.get("reason") == "cannot_perform_cmd"
    assert "nearest is number 1: limit: 9, recorded 3" in (error.text or "")
    (frame,) = asyncio.run(exchange_frames(socket, {}, history_frame(limit=8)))
    assert b"cannot_perform_cmd" in frame
    unreadable = requests.post(f"{url}/operator_call_history", data="<in><request>", timeout=10)
    assert (unreadable.status_code, b"<error " in unreadable.content) == (400, True)
    for broken in (b"99callmocks", history_frame()[:-1] + b"}"):
        (frame,) = asyncio.run(exchange_frames(socket, {}, broken))
        assert frames.decode_response(frame).status == 400


def test_websockets_of_a_replay_are_ended_and_refused(replay: dict[str, Any]) -> None:
    url = f"{replay['arm']}/demo/service/cc/arm".replace("http", "ws")
    api = f"{replay['control']}/api/tenants/demo"
    with connect(url) as socket:
        assert len(requests.delete(f"{api}/connections", timeout=10).json()["connections"]) == 1
        with pytest.raises(ConnectionClosed, match="1001"):
            socket.recv(timeout=5)
    faults: dict[str, dict[str, float]] = {"refuse_upgrade": {}, "idle_close": {"seconds": 0.1}}
    for fault, params in faults.items():
        body: Any = {"provider": "arm", "fault": fault, "params": params, "times": 1}
        assert requests.post(f"{api}/faults", json=body, timeout=10).status_code == 201
    with pytest.raises(InvalidStatus, match="503"):
        connect(url).__enter__()
    with connect(url) as socket, pytest.raises(ConnectionClosed, match="idle"):
        socket.recv(timeout=5)
    requests.delete(f"{api}/faults", timeout=10)


def test_onec_answers_in_the_version_of_the_request(recorded: Path, replay: dict[str, Any]) -> None:
    (recorded_exchange,) = recorded_exchanges(recorded, "onec", "GetHistoryOfServiceCalls")
    got = requests.post(replay["onec"], data=calls_envelope(), timeout=10)
    assert got.text == recorded_exchange["response"]
    newer = requests.post(replay["onec"], data=calls_envelope(SOAP12), timeout=10)
    assert newer.headers["Content-Type"].startswith("application/soap+xml")
    assert etree.fromstring(newer.content).tag == f"{{{SOAP12}}}Envelope"
    old, new = (etree.fromstring(each.content) for each in (got, newer))
    assert len(list(old.iter("{*}row"))) == len(list(new.iter("{*}row"))) > 0
    other = requests.post(replay["onec"], data=calls_envelope(hour="11"), timeout=10)
    assert other.status_code == 500
    assert f"periodfrom: {DAY}t11:00:00" in other.text.lower()
    fault = calls_envelope().replace("GetHistoryOfServiceCalls", "NoSuchThing")
    assert requests.post(replay["onec"], data=fault, timeout=10).status_code == 500
    wsdl = requests.get(f"{replay['onec']}?wsdl", timeout=10)
    assert set(re.findall(r'location="([^"]+)"', wsdl.text)) == {replay["onec"]}


def test_masked_rows_are_served_in_other_portions(recorded: Path) -> None:
    (_, second, *_), (page, _) = (
        recorded_exchanges(recorded, *each)
        for each in (("cdr", "get.call_legs_report"), ("arm", "operator_call_history"))
    )
    with callmocks.running(replay=recorded, replay_match="window") as mocks:
        sort = [{"field": "start_time"}]
        got = post_legs(mocks.cdr.url, "x", limit=2, offset=7, sort=sort).json()["result"]
        url = f"{mocks.arm.url}/any/service/cc/arm"
        body = "<in><request><filters limit='2' direction='in'/></request></in>"
        answer = requests.post(f"{url}/operator_call_history", data=body, timeout=10)
        frames_sent = history_frame(limit=2, offset=1)
        (frame,) = asyncio.run(exchange_frames(url.replace("http", "ws"), {}, frames_sent))
    recorded_result = json.loads(second["response"])["result"]
    assert got["data"] == recorded_result["data"][2:4]
    assert got["metadata"]["total_items"] == recorded_result["metadata"]["total_items"]
    by_frame = recorded_exchanges(recorded, "arm", "operator_call_history")[1]["response"]
    refs = re.findall(r'"call_ref":"(\d+)"', by_frame)
    assert re.findall(r'call_ref="(\d+)"', answer.text) == refs[:2]
    refs = re.findall(r'call_ref="(\d+)"', page["response"])
    assert re.findall(rb'"call_ref":"(\d+)"', frame) == [ref.encode() for ref in refs[1:3]]


def test_replayed_exchanges_are_in_the_journal_and_faults_apply(replay: dict[str, Any]) -> None:
    api = f"{replay['control']}/api/tenants/demo"
    requests.delete(f"{api}/journal", timeout=10)
    fault: dict[str, Any] = {"provider": "cdr", "fault": "wrong_id", "times": 1}
    requests.post(f"{api}/faults", json=fault, timeout=10)
    assert post_legs(replay["cdr"], "x", limit=5).json()["id"] == "a-1x"
    post_legs(replay["cdr"], "x", limit=7)
    found = requests.get(f"{api}/journal", timeout=10).json()["entries"]
    assert [each["faults"] for each in found] == [["wrong_id"], []]
    assert "nearest is number" in found[1]["notes"][0]


def test_providers_that_were_not_recorded_are_the_mocks_own(
    recorded: Path, tmp_path: Path, cli: CommandRunner
) -> None:
    only = tmp_path / "arm.jsonl"
    lines = recorded.read_text(encoding="utf-8").splitlines(keepends=True)
    only.write_text("".join(x for x in lines if '"provider":"arm"' in x), encoding="utf-8")
    with run_replay(only, limits="off") as urls:
        result = cli("check", "cdr", urls["cdr"], "--token", "demo-token")
    assert result.code == 0, result.out


def _replace_members(line: str, **members: object) -> str:
    return json.dumps(json.loads(line) | members)


def test_a_journal_is_replayed_too(suite: Mocks, tmp_path: Path) -> None:
    with suite.tenant() as tenant:
        direct = post_legs(tenant.cdr.url, f"{tenant.name}-token", limit=3).json()
        url = f"{suite.control_url}/api/tenants/{tenant.name}/journal"
        entries = requests.get(url, timeout=10).json()["entries"]
    file = tmp_path / "journal.jsonl"
    file.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8-sig")
    with run_replay(file) as urls:
        assert post_legs(urls["cdr"], "x", limit=3).json() == direct


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda lines: [*lines[:3], lines[3][:50]], "line 4: no exchange: "),
        (lambda lines: [*lines[:2], "{}", *lines[2:]], "line 3: no exchange: "),
        (lambda lines: [*lines, "\x00"], "line 14: no exchange: "),
        (
            lambda lines: [lines[0], _replace_members(lines[1], status=99999)],
            "line 2: no exchange: ",
        ),
        (
            lambda lines: [lines[0], _replace_members(lines[1], content_type="a\r\nX: y")],
            "line 2: no exchange: ",
        ),
        (lambda lines: [lines[0].replace("recording 1", "recording 9")], "'recording 9' is not"),
        (lambda lines: [lines[0]], "there is no exchange in it"),
        (lambda lines: [], "there is no exchange in it"),
    ],
)
def test_a_damaged_recording_is_one_error_with_the_line_number(
    recorded: Path, tmp_path: Path, damage: Any, error: str
) -> None:
    file = tmp_path / "damaged.jsonl"
    lines = recorded.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join(damage(lines)), encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        callmocks.running(replay=file).start()
    assert str(raised.value).startswith(f"replay: {file}: ")
    assert error in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_the_recording_itself_is_clean_and_names_what_is_a_hash_alone(
    recorded: Path, cli: CommandRunner
) -> None:
    assert len(read_exchanges(recorded)) > 5
    result = cli("validate", "--json", recorded)
    (file,) = result.json
    found = [each for message in file["messages"] for each in message["violations"]]
    assert [each["where"] for each in found if not each["tolerated"]] == []
    notes = [message["note"] for message in file["messages"] if message["note"]]
    assert notes == ["a message was recorded by a hash alone: not validated"]
    hashed = [each for each in read_exchanges(recorded) if each.get("request_hash")]
    assert [(each["operation"], each["request"], each["response"]) for each in hashed] == [
        ("unknown", "", "")
    ]
    assert "cannot be replayed" in hashed[0]["notes"][0]
    assert "Body/NoSuchThing" not in recorded.read_text(encoding="utf-8")


def nest_json(levels: int) -> str:
    return "[" * levels + "1" + "]" * levels


DEEP = {
    "cdr": f'{{"jsonrpc":"2.0","id":5,"method":"get.account","params":{{"a":{nest_json(600)}}}}}',
    "onec": soap_envelope(f"<p:Params>{'<a>' * 600}{'</a>' * 600}</p:Params>"),
    "arm": "<in>" + "<a>" * 600 + "</a>" * 600 + "</in>",
}


@pytest.mark.parametrize("provider", DEEP)
def test_a_nested_request_is_answered_in_the_providers_shape(
    replay: dict[str, Any], provider: str
) -> None:
    path = "/any/service/cc/arm/operator_call_history" if provider == "arm" else ""
    answer = requests.post(replay[provider] + path, data=DEEP[provider], timeout=10)
    text = "nested deeper than 250 levels"
    if provider == "cdr":
        error = answer.json()
        assert (answer.status_code, error["id"]) == (200, 5)
        assert text in error["error"]["message"]
    elif provider == "arm":
        assert text in (etree.fromstring(answer.content).findtext("error") or "")
    else:
        assert answer.status_code == 500
        assert text in (etree.fromstring(answer.content).findtext(".//faultstring") or "")


def test_a_nested_frame_is_answered_by_a_frame(replay: dict[str, Any]) -> None:
    url = replay["arm"].replace("http", "ws") + "/any/service/cc/arm"
    frame = frames.encode_request("0007", "operator_call_history", nest_json(600).encode())
    (answer,) = asyncio.run(exchange_frames(url, {}, frame))
    decoded = frames.decode_response(answer)
    assert decoded.id == "0007" and b"nested deeper than 250 levels" in decoded.body


@pytest.mark.parametrize("provider", DEEP)
def test_a_recording_of_a_nested_request_is_refused_with_its_line(
    recorded: Path, tmp_path: Path, provider: str
) -> None:
    lines = recorded.read_text(encoding="utf-8").splitlines()[:3]
    exchange = json.loads(lines[1]) | {"provider": provider, "request": DEEP[provider]}
    file = tmp_path / "deep.jsonl"
    file.write_text("\n".join([*lines, json.dumps(exchange)]), encoding="utf-8")
    message = f"replay: {file}: line 4: the request is nested deeper than 250 levels"
    with pytest.raises(SettingsError, match=re.escape(message)):
        callmocks.running(replay=file).start()
    if provider == "cdr":  # as one line, of a command that ends
        result = run_command("serve", "--replay", file)
        assert (result.code, result.out, result.err) == (2, "", f"callmocks: --{message}\n")
