"""Everything that takes bytes from outside, and what it must answer.

A target raises when something is wrong: a crash, a response without its protocol's shape, a defect
in the log. ``run_target`` checks how long it seconds.
"""

from __future__ import annotations

import json
import re
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import quoteattr

from lxml import etree

from callmocks.arm import frames, schema, tag, tree
from callmocks.config.options import resolve_settings
from callmocks.config.pin_file import pin_calls_from_file
from callmocks.errors import CallmocksError
from callmocks.history.factory import HistoryFactory
from callmocks.history.world_file import parse_world
from callmocks.onec import SoapFault, read_answer
from callmocks.tenants.settings import TenantSettings
from callmocks.verification.recording import read_recording as read_recording
from tests.fuzz.fuzz_server import FuzzServer

MAX_SECONDS = 1.0
"""No input may take more processor time, of client and server together."""

Target = Callable[[FuzzServer, bytes], None]
TARGETS: dict[str, Target] = {}


def register_target(function: Target) -> Target:
    TARGETS[function.__name__] = function
    return function


def run_target(name: str, server: FuzzServer, data: bytes) -> None:
    started = time.process_time()
    TARGETS[name](server, data)
    seconds = time.process_time() - started
    assert seconds < MAX_SECONDS, f"it took {seconds:.2f} s"
    logged, server.log.messages = server.log.messages, []
    assert not logged, logged[0]


# ARM


@register_target
def arm_frame(server: FuzzServer, data: bytes) -> None:
    """A message on the websocket: one frame comes back, its document valid."""
    answer = frames.decode_response(server.exchange_frame(data))
    assert not answer.deviations
    assert answer.status in (200, 400, 401, 404)
    check_arm_document(tree.to_xml(tree.decode(answer.body)))


@register_target
def arm_http(server: FuzzServer, data: bytes) -> None:
    """A document posted to a command."""
    command = schema.COMMANDS[len(data) % 3]
    path = f"/demo/service/cc/arm/{command}"
    status, content_type, answer = server.send_request("arm", "POST", path, data, "text/xml", "101")
    assert status in (200, 400, 401)
    assert "xml" in content_type
    check_arm_document(answer)


@register_target
def arm_tag(server: FuzzServer, data: bytes) -> None:
    """A tag from outside, by itself and in a request."""
    try:
        again = tag.encode(tag.decode(data.decode("latin-1")))
        assert tag.encode(tag.decode(again)) == again
    except tag.TagError:
        pass
    text = re.sub(r"[^\t\n\r -\ud7ff]", "?", data.decode("latin-1"))
    body = f'<in><request><filters tag={quoteattr(text)} limit="2"/></request></in>'.encode()
    path = "/demo/service/cc/arm/operator_call_history"
    status, _, answer = server.send_request("arm", "POST", path, body, "text/xml", "101")
    assert status == 200
    check_arm_document(answer)


def check_arm_document(document: bytes) -> None:
    root = schema.parse(document)
    assert root.tag == "out"
    error = root.find("error")
    about = error.get("cmd") if error is not None else infer_command(root)
    known = about if about in schema.COMMANDS else schema.HISTORY
    assert not schema.get_schema(known).validate(root)
    assert b"internal error" not in document


def infer_command(root: etree._Element) -> str:
    history = root.find("response/history")
    return schema.HISTORY if history is not None else schema.LOGIN


# CDR


@register_target
def cdr_rpc(server: FuzzServer, data: bytes) -> None:
    """A body: JSON-RPC comes back, never an internal error."""
    status, content_type, answer = server.send_request(
        "cdr", "POST", "/v2.0", data, "application/json"
    )
    assert status == 200
    assert content_type.startswith("application/json")
    response = json.loads(answer)
    assert response["jsonrpc"] == "2.0"
    assert "id" in response
    assert ("result" in response) is not ("error" in response)
    if "error" in response:
        assert response["error"]["data"]["mnemonic"] != "internal_error", answer
        wanted = {"mnemonic", "field", "value", "params", "extended_helper"}
        assert wanted <= set(response["error"]["data"])
    elif isinstance(response["result"], dict) and "metadata" in response["result"]:
        assert "limits" in response["result"]["metadata"]


# 1C


@register_target
def onec_soap(server: FuzzServer, data: bytes) -> None:
    """A body: a SOAP answer or a Fault of the sender's comes back."""
    path = "/cus/ws/PartnerWebAPI2"
    content_type = ("text/xml", "application/soap+xml; charset=utf-8")[len(data) % 2]
    status, answered_type, answer = server.send_request(
        "onec", "POST", path, data, content_type, "demo"
    )
    assert status in (200, 400, 500)
    assert "xml" in answered_type
    try:
        assert read_answer(answer)["ResultCode"]
        assert status == 200
    except SoapFault as fault:
        assert status != 200
        assert fault.code not in ("Server", "Receiver"), fault


# the admin API

_PATHS = (
    ("POST", "/api/tenants"),
    ("PUT", "/api/tenants/fuzz/clock"),
    ("POST", "/api/tenants/fuzz/clock/advance"),
    ("POST", "/api/tenants/fuzz/faults"),
    ("POST", "/api/tenants/fuzz/calls"),
    ("POST", "/api/tenants/fuzz/journal/verify"),
    ("PUT", "/api/tenants/fuzz/assumptions/cdr.sort-nulls"),
    ("GET", "/api/tenants/fuzz/truth?"),
    ("GET", "/api/tenants/fuzz/journal?"),
    ("DELETE", "/api/tenants/fuzz/faults/"),
)


@register_target
def admin(server: FuzzServer, data: bytes) -> None:
    """The first byte says where, the rest is the body (or the query): JSON or a problem."""
    method, path = _PATHS[(data[0] if data else 0) % len(_PATHS)]
    body = data[1:]
    if method in ("GET", "DELETE"):
        path += "".join(f"%{byte:02x}" if byte not in b"=&" else chr(byte) for byte in body)[:3000]
        body = b""
    elif data[-1:] == b"\n" and path.endswith("calls"):
        return check_admin_response(server, method, path, body, "application/x-ndjson")
    return check_admin_response(server, method, path, body, "application/json")


def check_admin_response(
    server: FuzzServer, method: str, path: str, body: bytes, content_type: str
) -> None:
    def request(*what: object) -> tuple[int, str, bytes]:
        return server.send_request("control", *what)  # type: ignore[arg-type]

    request("POST", "/api/tenants", b'{"name": "fuzz", "calls_per_day": 0}', "application/json")
    status, answered_type, answer = request(method, path, body, content_type)
    assert status in (200, 201, 204, 400, 404, 405, 409, 413, 415, 422), (status, answer)
    if status >= 400:
        assert answered_type.startswith("application/problem+json")
        assert json.loads(answer)["status"] == status
    elif status != 204:
        json.loads(answer)
    if status == 201 and path == "/api/tenants":
        request("DELETE", f"/api/tenants/{json.loads(answer)['name']}", b"", "application/json")
    request("DELETE", "/api/tenants/fuzz", b"", "application/json")


# HTTP itself


@register_target
def http(server: FuzzServer, data: bytes) -> None:
    """Raw bytes on a port: HTTP comes back or nothing, and the next one is served."""
    name = ("arm", "cdr", "onec", "control")[(data[0] if data else 0) % 4]
    with socket.create_connection(("127.0.0.1", server.port(name)), timeout=5) as raw:
        raw.sendall(data[1:] + b"\r\n\r\n")
        raw.shutdown(socket.SHUT_WR)
        try:
            answer = raw.recv(65536)
        except ConnectionError:
            answer = b""
    assert not answer or answer.startswith(b"HTTP/"), answer[:80]
    status, _, _ = server.send_request("control", "GET", "/health", b"", "")
    assert status == 200


# files


@register_target
def config(server: FuzzServer, data: bytes) -> None:
    """A config file: settings, or an error that names the file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "callmocks.toml")
        file.write_bytes(data)
        try:
            assert resolve_settings({"config": str(file)}).scheme
        except CallmocksError as error:
            assert len(str(error)) < 4000 + 2 * len(data)
            assert "callmocks.toml" in str(error) or "world" in str(error)


@register_target
def world(server: FuzzServer, data: bytes) -> None:
    """A world file: a contact centre, or an error that names the place."""
    try:
        parse_world(data.decode("utf-8", "replace"), "mine.toml")
    except CallmocksError as error:
        assert str(error).startswith("world mine.toml")


@register_target
def calls(server: FuzzServer, data: bytes) -> None:
    """A file of pinned calls: pins, or an error that names file and line."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "calls.jsonl")
        file.write_bytes(data)
        history = HISTORY_FACTORY.create(TenantSettings("fuzz", world="empty"))
        try:
            assert pin_calls_from_file(history.pins, file) >= 0
        except CallmocksError as error:
            assert "calls.jsonl: line" in str(error)


@register_target
def recording(server: FuzzServer, data: bytes) -> None:
    """A recording: exchanges, or an error that names file and line."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "calls.jsonl")
        file.write_bytes(data)
        try:
            assert read_recording(file, "--replay")
        except CallmocksError as error:
            assert str(error).startswith(f"--replay: {file}")


HISTORY_FACTORY = HistoryFactory()
