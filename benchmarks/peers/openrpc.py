"""The OpenRPC mock server, the npm package ``@open-rpc/mock-server``: examples of methods.

It finds a method by its name and an example by the values of its first parameters, and makes the
JSON anew, so its bytes are the same values in another order. An example must give every parameter
before its last, so one without a filter fits requests with one, too, and comes behind those.
"""

import json
from itertools import takewhile
from typing import Any

from benchmarks.cases import Case
from benchmarks.peers.base import PROTOCOL, Peer, PeerSetup
from benchmarks.same_job import told_apart_json

_PARAMETERS = ("date_from", "date_till", "filter", "limit", "offset")
_ANYTHING: dict[str, Any] = {}


def _write_command(setup: PeerSetup) -> list[str]:
    document = {
        "openrpc": "1.2.6",
        "info": {"title": "bench", "version": "1"},
        "servers": [{"name": "bench", "url": f"http://127.0.0.1:{setup.port}"}],
        "methods": _make_methods(setup),
    }
    file = setup.work / "openrpc.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    server = setup.script_command("@open-rpc/mock-server/build/cli.js")
    return [*server, "--document", str(file), "--port", str(setup.port)]


def _make_methods(setup: PeerSetup) -> list[dict[str, Any]]:
    by_method: dict[str, list[tuple[Case, dict[str, Any]]]] = {}
    for stub in setup.stubs:
        request = told_apart_json(stub)
        by_method.setdefault(request["method"], []).append((stub, request.get("params", {})))
    return [_make_method(name, examples) for name, examples in by_method.items()]


def _make_method(name: str, examples: list[tuple[Case, dict[str, Any]]]) -> dict[str, Any]:
    params = [key for key in _PARAMETERS if any(key in values for _, values in examples)]
    made = [_make_example(stub, values, params) for stub, values in examples]
    return {
        "name": name,
        "paramStructure": "by-name",
        "params": [{"name": key, "schema": _ANYTHING} for key in (*params, "access_token")],
        "result": {"name": "result", "schema": _ANYTHING},
        "examples": sorted(made, key=lambda example: -len(example["params"])),
    }


def _make_example(stub: Case, values: dict[str, Any], params: list[str]) -> dict[str, Any]:
    """By the parameters up to the first that the request leaves out."""
    given = takewhile(lambda key: key in values, params)
    result = json.loads(stub.answer)["result"]
    return {
        "name": stub.name,
        "params": [{"name": key, "value": values[key]} for key in given],
        "result": {"name": "result", "value": result},
    }


def _is_answer(case: Case, body: bytes) -> bool:
    answer = json.loads(body)
    return "result" in answer and answer["result"] == json.loads(case.answer)["result"]


PEER = Peer(
    "open-rpc",
    "@open-rpc/mock-server",
    (PROTOCOL,),
    _write_command,
    serves=lambda case: case.provider == "cdr",
    is_answer=_is_answer,
    own_path="/",
)
