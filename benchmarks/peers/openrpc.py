"""The OpenRPC mock server, the npm package ``@open-rpc/mock-server``: examples of a method.

It finds an example by the method's parameters and makes the JSON anew, so its bytes are the
same values in another order.
"""

import json
from typing import Any

from benchmarks.cases import Case
from benchmarks.peers.base import Peer, PeerSetup

_SERVED = ("cdr-1", "cdr-100")


def _write_command(setup: PeerSetup) -> list[str]:
    stubs = sorted(setup.stubs, key=lambda stub: stub.name)
    names = ("filter", "access_token", "date_from", "date_till", "limit")
    anything: dict[str, Any] = {}
    method = {
        "name": "get.call_legs_report",
        "paramStructure": "by-name",
        "params": [{"name": name, "schema": anything} for name in names],
        "result": {"name": "result", "schema": anything},
        "examples": [_make_example(stub) for stub in stubs if stub.name in _SERVED],
    }
    document = {
        "openrpc": "1.2.6",
        "info": {"title": "bench", "version": "1"},
        "servers": [{"name": "bench", "url": f"http://127.0.0.1:{setup.port}"}],
        "methods": [method],
    }
    file = setup.work / "openrpc.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    server = setup.script_command("@open-rpc/mock-server/build/cli.js")
    return [*server, "--document", str(file), "--port", str(setup.port)]


def _make_example(stub: Case) -> dict[str, Any]:
    """By the filter, which is the first parameter; without one the example fits any request."""
    params = json.loads(stub.bodies[0])["params"]
    filters = [{"name": "filter", "value": params["filter"]}] if "filter" in params else []
    result = json.loads(stub.answer)["result"]
    return {"name": stub.name, "params": filters, "result": {"name": "result", "value": result}}


def _serves_case(case: Case) -> bool:
    return case.name in _SERVED


PEER = Peer("open-rpc", "@open-rpc/mock-server", False, _write_command, _serves_case, "/")
