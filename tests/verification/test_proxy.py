"""``callmocks proxy``: forwards everything, validates, journals, records masked."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import websockets
from lxml import etree

from callmocks.arm import frames
from callmocks.cdr import tables
from callmocks.errors import SettingsError
from callmocks.testing import Mocks
from callmocks.verification.recording import Recorder, RecordingHeader
from tests.verification.conftest import DAY, CommandRunner, run_command, write_file
from tests.verification.messages import (
    basic_auth,
    exchange_frames,
    history_frame,
    post_legs,
    property_xml,
    soap_envelope,
)
from tests.verification.processes import read_exchanges, run_proxy

FIELDS = list(tables.load_fields("get.call_legs_report").fields)


def journal_entries(control: str) -> list[dict[str, Any]]:
    """The proxy's journal."""
    got = requests.get(f"{control}/api/tenants/proxy/journal", timeout=10)
    return list(got.json()["entries"])


def test_answers_pass_byte_for_byte_and_the_recording_is_masked(
    suite: Mocks, tmp_path: Path
) -> None:
    file = tmp_path / "cdr.jsonl"
    with suite.tenant() as tenant:
        token = f"{tenant.name}-token"
        with run_proxy("cdr", tenant.cdr.url, "--record", file) as proxy:
            through = post_legs(proxy.ready["proxy"], token, fields=FIELDS)
            direct = post_legs(tenant.cdr.url, token, fields=FIELDS)
            assert proxy.stop() == 0
    assert through.json()["result"]["data"] == direct.json()["result"]["data"]
    assert through.headers["Content-Type"] == direct.headers["Content-Type"]
    assert proxy.stderr_lines == ["callmocks: 1 exchange, 0 with findings"]
    (recorded,) = read_exchanges(file)
    assert (recorded["operation"], recorded["status"]) == ("get.call_legs_report", 200)
    text = file.read_text(encoding="utf-8")
    rows = through.json()["result"]["data"]
    masked = json.loads(recorded["response"])["result"]["data"]
    assert token not in text
    private = {
        row[name]
        for row in rows
        for name in row
        if name.endswith(("_full_name", "_phone_number")) and row[name] and len(row[name]) > 6
    }
    assert len(private) > 10
    assert not [each for each in private if each in text]
    for row, other in zip(rows, masked, strict=True):
        assert [*row] == [*other]
        for name in ("id", "call_session_id", "employee_id", "finish_reason", "start_time"):
            assert row[name] == other[name]
        phone, shown = row["calling_phone_number"], other["calling_phone_number"]
        assert (phone is None) == (shown is None)
        assert phone is None or (phone[0], len(phone)) == (shown[0], len(shown))
        assert phone is None or not re.fullmatch(r"7\d{10}", phone) or shown != phone
    pairs = {(row["employee_id"], row["employee_full_name"]) for row in masked}
    assert len(pairs) == len({row["employee_id"] for row in masked})


def test_two_recordings_have_different_masks(suite: Mocks, tmp_path: Path) -> None:
    masked = []
    with suite.tenant() as tenant:
        for file in (tmp_path / "one", tmp_path / "two"):
            with run_proxy("cdr", tenant.cdr.url, "--record", file) as proxy:
                post_legs(proxy.ready["proxy"], f"{tenant.name}-token")
                proxy.stop()
            masked.append(read_exchanges(file)[0]["response"])
    assert masked[0] != masked[1]
    assert len(masked[0]) == len(masked[1])


def test_both_directions_are_validated_and_journaled(suite: Mocks, tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    with suite.tenant() as tenant:
        token = f"{tenant.name}-token"
        more = ("--record", file, "--control-port", "0")
        with run_proxy("cdr", tenant.cdr.url, *more) as proxy:
            control = proxy.ready["control"]
            assert requests.get(f"{control}/health", timeout=10).json()["status"] == "ok"
            post_legs(proxy.ready["proxy"], token, limit="ten")
            with tenant.cdr.fault("missing_metadata"):
                post_legs(proxy.ready["proxy"], token)
            post_legs(proxy.ready["proxy"], token)
            journaled = journal_entries(control)
            question: dict[str, Any] = {
                "expect": [{"provider": "cdr", "fields": {"params.limit": "ten"}}]
            }
            request_body = requests.post(
                f"{control}/api/tenants/proxy/journal/verify", json=question, timeout=10
            )
            proxy.stop()
    assert request_body.json()["ok"]
    sides = [[(each["side"], each["where"]) for each in e["violations"]] for e in journaled]
    assert sides == [[("request", "params.limit")], [("answer", "result.metadata")], []]
    assert token not in json.dumps(journaled)
    assert [len(each.get("violations", [])) for each in read_exchanges(file)] == [1, 1, 0]
    assert any("params.limit: expected a JSON integer" in line for line in proxy.stderr_lines)
    assert proxy.stderr_lines[-1] == "callmocks: 3 exchanges, 2 with findings"


def test_arm_over_http_and_frames(suite: Mocks, tmp_path: Path, cli: CommandRunner) -> None:
    file = tmp_path / "arm.jsonl"
    with suite.tenant(world="edge-cases") as tenant:
        name = tenant.name
        path = f"/{name}/service/cc/arm"
        page = '<in><request><filters offset="0" limit="40"/></request></in>'
        with run_proxy("arm", tenant.arm.url, "--record", file) as proxy:
            url = proxy.ready["proxy"]
            command = f"{path}/operator_call_history"
            through = requests.post(url + command, data=page, auth=("101", name), timeout=10)
            direct = requests.post(tenant.arm.url + command, data=page, auth=("101", name))
            login = f'<in><request login="102" password="{name}"/></in>'
            logged_in = requests.post(f"{url}{path}/login", data=login, timeout=10)
            sent = history_frame(limit=40)
            (answer,) = asyncio.run(
                exchange_frames(url.replace("http", "ws") + path, basic_auth("101", name), sent)
            )
            wrong = requests.post(url + command, data=page, auth=("101", "no"), timeout=10)
            proxy.stop()
    rows = etree.fromstring(through.content).findall("response/history/call_history")
    assert [dict(row.attrib) for row in rows] == [
        dict(row.attrib)
        for row in etree.fromstring(direct.content).findall("response/history/call_history")
    ]
    assert logged_in.cookies.get("arm_session")
    assert frames.decode_response(answer).id == "0007"
    assert wrong.status_code == 401 and "WWW-Authenticate" in wrong.headers
    recorded = read_exchanges(file)
    assert [(each["operation"], each["transport"], each["status"]) for each in recorded] == [
        ("operator_call_history", "http", 200),
        ("login", "http", 200),
        ("operator_call_history", "frame", 200),
        ("operator_call_history", "http", 401),
    ]
    text = file.read_text(encoding="utf-8")
    assert f'password=\\"{name}' not in text
    private = {row.get(k, "") for row in rows for k in ("remote_digits", "remote_display_name")}
    assert not [each for each in private if len(each) > 6 and each in text]
    masked = frames.decode_response(recorded[2]["response"].encode())
    assert masked.deviations == ()
    assert len(recorded[2]["response"].encode()) == len(answer)
    refs = [row.get("call_ref") for row in rows]
    assert all(f'call_ref":"{ref}"' in masked.body.decode() for ref in refs)
    assert cli("validate", file).code == 0


def test_a_websocket_closes_with_the_providers_code(suite: Mocks) -> None:
    with suite.tenant() as tenant, run_proxy("arm", tenant.arm.url) as proxy:
        url = proxy.ready["proxy"].replace("http", "ws") + f"/{tenant.name}/service/cc/arm"

        async def refused() -> int:
            with pytest.raises(websockets.InvalidStatus) as error:
                await exchange_frames(url, basic_auth("101", "wrong"), b"x")
            return error.value.response.status_code

        async def too_long() -> int:
            with pytest.raises(websockets.ConnectionClosed) as error:
                await exchange_frames(url, {}, b"0" * (300 * 1024))
            assert error.value.rcvd is not None
            return error.value.rcvd.code

        assert asyncio.run(refused()) == 401
        assert asyncio.run(too_long()) == 1009
        with tenant.arm.fault("duplicated"):

            async def twice() -> list[bytes]:
                async with websockets.connect(
                    url, additional_headers=basic_auth("101", tenant.name)
                ) as connection:
                    await connection.send(history_frame().decode())
                    got = [await asyncio.wait_for(connection.recv(), 10) for _ in range(2)]
                return [each.encode() if isinstance(each, str) else each for each in got]

            one, other = asyncio.run(twice())
            assert one == other
        proxy.stop()
    assert any("no request waits for an answer" in line for line in proxy.stderr_lines)


def test_onec_and_its_wsdl_lead_through_the_proxy(suite: Mocks, tmp_path: Path) -> None:
    file = tmp_path / "onec.jsonl"
    body = soap_envelope(
        f"<p:Params>{property_xml('PeriodFrom', f'{DAY}T10:00:00', 'dateTime')}</p:Params>"
    )
    read = soap_envelope("<p:Params/>").replace("GetHistoryOfServiceCalls", "SpecialistRead")
    with suite.tenant() as tenant:
        auth = (tenant.name, tenant.name)
        with run_proxy("onec", tenant.onec.url, "--record", file) as proxy:
            url = proxy.ready["proxy"]
            wsdl = requests.get(f"{url}?wsdl", timeout=10)
            calls = requests.post(url, data=body, auth=auth, timeout=10)
            people = requests.post(url, data=read, auth=auth, timeout=10)
            assert requests.post(url, data=body, timeout=10).status_code == 401
            proxy.stop()
            direct = requests.post(tenant.onec.url, data=body, auth=auth)
    assert calls.content == direct.content
    assert set(re.findall(r'location="([^"]+)"', wsdl.text)) == {url}
    recorded = read_exchanges(file)
    assert [(each["operation"], each["status"]) for each in recorded] == [
        ("wsdl", 200),
        ("GetHistoryOfServiceCalls", 200),
        ("SpecialistRead", 200),
        ("GetHistoryOfServiceCalls", 401),
    ]
    assert recorded[1]["response"] == calls.text
    cells = re.findall(r"<Value[^>]*>([^<]+)</Value>", people.text)
    words = {word for cell in cells for word in re.findall(r"[А-ЯЁ][а-яё]{4,}", cell)}
    assert len(words) > 10
    assert not [word for word in words if word in recorded[2]["response"]]
    ids = {
        cell for cell in cells if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", cell)
    }
    assert ids and all(each in recorded[2]["response"] for each in ids)


def test_messages_outside_the_contract_are_forwarded_and_not_recorded(
    suite: Mocks, tmp_path: Path
) -> None:
    file = tmp_path / "r.jsonl"
    with suite.tenant() as tenant, run_proxy("cdr", tenant.cdr.url, "--record", file) as proxy:
        rows = post_legs(proxy.ready["proxy"], f"{tenant.name}-token").json()["result"]["data"]
        row = next(row for row in rows if row["call_records"])
        path = f"/system/media/wav/{row['call_session_id']}/{row['wav_call_records'][0]}"
        audio = requests.get(proxy.ready["proxy"].removesuffix("/v2.0") + path, timeout=10)
        proxy.stop()
    assert audio.content[:4] == b"RIFF"
    assert len(audio.content) == int(audio.headers["Content-Length"])
    assert len(read_exchanges(file)) == 1


@pytest.mark.parametrize("fault", ["close", "reset", "truncated"])
def test_a_truncated_response_stays_truncated(suite: Mocks, fault: str) -> None:
    with suite.tenant() as tenant:
        tenant.cdr.fault(fault, times=1)
        with run_proxy("cdr", tenant.cdr.url) as proxy:
            with pytest.raises(requests.RequestException):
                post_legs(proxy.ready["proxy"], f"{tenant.name}-token")
            assert post_legs(proxy.ready["proxy"], f"{tenant.name}-token").ok
            proxy.stop()
    assert any("no whole answer" in line for line in proxy.stderr_lines)


def test_an_unreachable_upstream_is_502(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with run_proxy("cdr", f"http://127.0.0.1:{port}/v2.0") as proxy:
        answer = post_legs(proxy.ready["proxy"], "t")
        proxy.stop()
    assert answer.status_code == 502
    assert any(
        "the provider cannot be reached: Connection refused" in line for line in proxy.stderr_lines
    )


def test_an_upstream_without_tls_is_named_in_the_error(suite: Mocks) -> None:
    with run_proxy("cdr", suite.cdr.url.replace("http:", "https:")) as proxy:
        answer = post_legs(proxy.ready["proxy"], "t")
        proxy.stop()
    assert answer.status_code == 502
    assert any("cannot be reached: there is no TLS there" in line for line in proxy.stderr_lines)


@contextmanager
def gzip_upstream(body: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """An upstream that answers with gzip, and what it was sent."""
    import http.server

    sent: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            packed = gzip.compress(body)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(packed)))
            self.end_headers()
            self.wfile.write(packed)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v2.0", sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_compressed_messages_are_forwarded_unchanged_and_validated(tmp_path: Path) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"result":{"metadata":{},"data":{}}}'
    request_body = (
        b'{"jsonrpc":"2.0","id":1,"method":"logout.user","params":{"access_token":"sesame-1"}}'
    )
    file = tmp_path / "r.jsonl"
    with gzip_upstream(body) as (url, sent), run_proxy("cdr", url, "--record", file) as proxy:
        answer = requests.post(
            proxy.ready["proxy"],
            data=gzip.compress(request_body),
            headers={"Content-Encoding": "gzip"},
            timeout=10,
        )
        proxy.stop()
    assert gzip.decompress(sent[0]) == request_body
    assert (answer.content, answer.headers["Content-Encoding"]) == (body, "gzip")
    (recorded,) = read_exchanges(file)
    assert recorded["operation"] == "logout.user"
    assert "sesame" not in recorded["request"]
    assert [each["where"] for each in recorded["violations"]] == ["result.metadata.limits"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk here")
def test_a_full_disk_ends_the_recording_and_nothing_else(suite: Mocks) -> None:
    full = ("--record", "/dev/full")
    with suite.tenant() as tenant, run_proxy("cdr", tenant.cdr.url, *full) as proxy:
        for _ in range(2):
            assert post_legs(proxy.ready["proxy"], f"{tenant.name}-token").ok
        assert proxy.stop() == 0
    message = [line for line in proxy.stderr_lines if "recording ended" in line]
    assert message == [
        "callmocks: recording ended after 0 exchanges: /dev/full: No space left on device; "
        "proxying goes on"
    ]


def test_the_whole_check_is_clean_through_a_proxy(
    suite: Mocks, cli: CommandRunner, tmp_path: Path
) -> None:
    with suite.tenant() as tenant, run_proxy("cdr", tenant.cdr.url) as proxy:
        token = f"{tenant.name}-token"
        result = cli("check", "cdr", proxy.ready["proxy"], "--token", token, "--day", DAY)
        proxy.stop()
    assert result.code == 0, result.out


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("ftp://host/v2.0",), "UPSTREAM: 'ftp://host/v2.0' is not an address"),
        (("http://a:b@host/",), "^UPSTREAM: credentials do not belong in the address$"),
        (("http://h/?a=b",), "^UPSTREAM: leave '.a=b' out, the address ends before it$"),
        (("http://h/", "--ca", "/dev/null"), "--ca: /dev/null: no certificate is in it"),
        (("http://h/", "--ca", "/no/file"), "--ca: /no/file: No such file"),
    ],
)
def test_errors_name_the_option(cli: CommandRunner, arguments: tuple[str, ...], error: str) -> None:
    with pytest.raises(SettingsError, match=error):
        cli("proxy", "cdr", *arguments)


def test_errors_are_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run_command("proxy", "cdr", "http://h/", "--port", port)
    message = f"--port: 127.0.0.1:{port}: Address already in use"
    assert (result.code, result.err) == (2, f"callmocks: {message}\n")


def test_a_recording_is_a_new_file(tmp_path: Path) -> None:
    header = RecordingHeader("recording 1", "cdr", "http://h/", "2026-03-02T12:00:00.000")
    there = write_file(tmp_path / "r.jsonl", "")
    os.mkfifo(pipe := tmp_path / "pipe")
    for path, message in (
        (there, "exists already; a recording has a key of its own"),
        (pipe, "is no file; a pipe may hold up the proxy"),
        (tmp_path, "exists already"),
    ):
        with pytest.raises(SettingsError, match=re.escape(f"--record: {path}: {message}")):
            Recorder(path, header, print)
