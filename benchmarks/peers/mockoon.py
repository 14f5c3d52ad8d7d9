"""Mockoon by its command line, the npm package ``@mockoon/cli``."""

import json
from typing import Any

from benchmarks.cases import Case
from benchmarks.peers.base import Peer, PeerSetup


def _write_command(setup: PeerSetup) -> list[str]:
    environment = {
        "uuid": "00000000-0000-4000-8000-000000000000",
        "lastMigration": 33,
        "name": "bench",
        "port": setup.port,
        "hostname": "127.0.0.1",
        "endpointPrefix": "",
        "latency": 0,
        "folders": [],
        "routes": [_make_route(number, stub) for number, stub in enumerate(setup.stubs, 1)],
        "rootChildren": [
            {"type": "route", "uuid": _make_uuid(number, 0)}
            for number in range(1, len(setup.stubs) + 1)
        ],
        "proxyMode": False,
        "proxyHost": "",
        "proxyRemovePrefix": False,
        "proxyReqHeaders": [],
        "proxyResHeaders": [],
        "headers": [],
        "cors": False,
        "tlsOptions": {"enabled": False, "type": "CERT"},
        "data": [],
        "callbacks": [],
    }
    file = setup.work / "environment.json"
    file.write_text(json.dumps(environment), encoding="utf-8")
    mockoon = setup.script_command("@mockoon/cli/bin/run.js")
    return [*mockoon, "start", "--data", str(file), "--port", str(setup.port), "--repair"]


def _make_route(number: int, stub: Case) -> dict[str, Any]:
    response = {
        "uuid": _make_uuid(number, 1),
        "body": stub.answer.decode(),
        "latency": 0,
        "statusCode": 200,
        "label": "",
        "headers": [{"key": "Content-Type", "value": stub.content_type}],
        "bodyType": "INLINE",
        "filePath": "",
        "databucketID": "",
        "sendFileAsBody": False,
        "rules": [],
        "rulesOperator": "OR",
        "disableTemplating": True,
        "fallbackTo404": False,
        "default": True,
        "crudKey": "id",
        "callbacks": [],
    }
    return {
        "uuid": _make_uuid(number, 0),
        "type": "http",
        "documentation": "",
        "method": "post",
        "endpoint": stub.name,
        "responses": [response],
        "responseMode": None,
    }


def _make_uuid(number: int, part: int) -> str:
    return f"00000000-0000-4000-8000-{number:06d}{part:06d}"


PEER = Peer("Mockoon", "@mockoon/cli", True, _write_command)
