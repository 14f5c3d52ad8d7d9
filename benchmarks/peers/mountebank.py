"""mountebank, the npm package of that name. It does not record requests by default.

Same job: its ``jsonpath`` predicates, one for each value, and an ``xpath`` predicate. It parses the
body for each predicate until one fails, so the last parameters, which tell most, come first.
"""

import json
from typing import Any

from benchmarks.cases import Case
from benchmarks.peers.base import SAME_JOB, STUB, Peer, PeerSetup
from benchmarks.processes import free_port
from benchmarks.same_job import NAMESPACES, json_leaves, soap_xpath, told_apart_json


def _write_command(setup: PeerSetup) -> list[str]:
    stubs = [
        {
            "predicates": [
                {"equals": {"method": "POST", "path": setup.path_of(stub)}},
                *(_match_body(stub) if setup.kind == SAME_JOB else []),
            ],
            "responses": [
                {
                    "is": {
                        "statusCode": 200,
                        "headers": {"Content-Type": stub.content_type, "Connection": "keep-alive"},
                        "body": stub.answer.decode(),
                    }
                }
            ],
        }
        for stub in setup.stubs
    ]
    if setup.kind == SAME_JOB:  # else it answers what it was not told of with an empty 200
        stubs.append({"predicates": [], "responses": [{"is": {"statusCode": 404}}]})
    imposter = {"protocol": "http", "port": setup.port, "host": "127.0.0.1", "stubs": stubs}
    file = setup.work / "imposters.json"
    file.write_text(json.dumps({"imposters": [imposter]}), encoding="utf-8")
    options = ["--port", str(free_port()), "--host", "127.0.0.1", "--localOnly"]
    logs = ["--logfile", str(setup.work / "mb.log"), "--pidfile", str(setup.work / "mb.pid")]
    mountebank = setup.script_command("mountebank/bin/mb")
    return [*mountebank, "start", "--configfile", str(file), "--noParse", *options, *logs]


def _match_body(stub: Case) -> list[dict[str, Any]]:
    if stub.provider == "cdr":
        return [
            {"equals": {"body": value}, "jsonpath": {"selector": f"${path}"}}
            for path, value in reversed([*json_leaves(told_apart_json(stub))])
        ]
    selector = {"selector": soap_xpath(stub), "ns": NAMESPACES}
    return [{"exists": {"body": True}, "xpath": selector}]


PEER = Peer("mountebank", "mountebank", (STUB, SAME_JOB), _write_command)
