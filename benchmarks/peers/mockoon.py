"""Mockoon by its command line, the npm package ``@mockoon/cli``.

Same job: rules of a route's responses on the body, by object path; XML bodies are objects, too. It
works out rule after rule until one fails, so the last parameters, which tell most, come first.
"""

import json
from typing import Any

from benchmarks.cases import Case
from benchmarks.peers.base import SAME_JOB, STUB, Peer, PeerSetup
from benchmarks.same_job import json_leaves, soap_parameters, told_apart_json


def _write_command(setup: PeerSetup) -> list[str]:
    routes = _make_routes(setup)
    environment = {
        "uuid": "00000000-0000-4000-8000-000000000000",
        "lastMigration": 33,
        "name": "bench",
        "port": setup.port,
        "hostname": "127.0.0.1",
        "endpointPrefix": "",
        "latency": 0,
        "folders": [],
        "routes": routes,
        "rootChildren": [{"type": "route", "uuid": route["uuid"]} for route in routes],
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


def _make_routes(setup: PeerSetup) -> list[dict[str, Any]]:
    if setup.kind == STUB:
        return [
            _make_route(number, stub.name, [_make_response(number, 1, stub)])
            for number, stub in enumerate(setup.stubs, 1)
        ]
    responses = [
        _make_response(1, part, stub, _make_rules(stub)) for part, stub in enumerate(setup.stubs, 1)
    ]
    path = setup.path_of(setup.stubs[0]).removeprefix("/")
    return [_make_route(1, path, [*responses, _make_default_response(len(responses) + 1)])]


def _make_route(number: int, path: str, responses: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "uuid": _make_uuid(number, 0),
        "type": "http",
        "documentation": "",
        "method": "post",
        "endpoint": path,
        "responses": responses,
        "responseMode": None,
    }


def _make_response(
    number: int, part: int, stub: Case, rules: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    return {
        "uuid": _make_uuid(number, part),
        "body": stub.answer.decode(),
        "latency": 0,
        "statusCode": 200,
        "label": "",
        "headers": [{"key": "Content-Type", "value": stub.content_type}],
        "bodyType": "INLINE",
        "filePath": "",
        "databucketID": "",
        "sendFileAsBody": False,
        "rules": rules or [],
        "rulesOperator": "AND",
        "disableTemplating": True,
        "fallbackTo404": False,
        "default": not rules,
        "crudKey": "id",
        "callbacks": [],
    }


def _make_default_response(part: int) -> dict[str, Any]:
    """For a request that no rules fit."""
    return {**_make_response(1, part, Case("", "", {}, ())), "statusCode": 404, "headers": []}


def _make_rules(stub: Case) -> list[dict[str, Any]]:
    if stub.provider == "cdr":
        values = reversed([*json_leaves(told_apart_json(stub))])
        return [_make_rule(path[1:], "equals", str(value)) for path, value in values]
    operation, parameters = soap_parameters(stub)
    called = f"soap:Envelope.soap:Body.par:{operation}"
    if not parameters:
        return [_make_rule(called, "null", "", invert=True)]
    single = len(parameters) == 1  # one element is an object, several are an array
    return [
        _make_rule(
            f"{called}.par:Params.Property.{'' if single else f'{place}.'}Value._text",
            "equals",
            value,
        )
        for place, value in enumerate(parameters.values())
    ]


def _make_rule(path: str, operator: str, value: str, *, invert: bool = False) -> dict[str, Any]:
    return {
        "target": "body",
        "modifier": path,
        "value": value,
        "invert": invert,
        "operator": operator,
    }


def _make_uuid(number: int, part: int) -> str:
    return f"00000000-0000-4000-8000-{number:06d}{part:06d}"


PEER = Peer("Mockoon", "@mockoon/cli", (STUB, SAME_JOB), _write_command)
