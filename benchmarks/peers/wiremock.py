"""WireMock: the standalone jar inside the npm package ``wiremock``.

Same job: ``equalToJson`` and ``matchesXPath``. Priorities make it try the expectations in order.
"""

import json
from typing import Any

from benchmarks.cases import Case
from benchmarks.peers.base import SAME_JOB, STUB, Peer, PeerSetup
from benchmarks.same_job import NAMESPACES, soap_xpath, told_apart_json


def _write_command(setup: PeerSetup) -> list[str]:
    mappings, files = setup.work / "mappings", setup.work / "__files"
    mappings.mkdir()
    files.mkdir()
    for number, stub in enumerate(setup.stubs, 1):
        (files / stub.name).write_bytes(stub.answer)
        mapping = {
            "priority": number,
            "request": {
                "method": "POST",
                "urlPath": setup.path_of(stub),
                **({"bodyPatterns": [_match_body(stub)]} if setup.kind == SAME_JOB else {}),
            },
            "response": {
                "status": 200,
                "headers": {"Content-Type": stub.content_type},
                "bodyFileName": stub.name,
            },
        }
        (mappings / f"{stub.name}.json").write_text(json.dumps(mapping), encoding="utf-8")
    jar = setup.find_jar("wiremock/build/wiremock-standalone-*.jar")
    options = ["--port", str(setup.port), "--bind-address", "127.0.0.1"]
    return ["java", "-jar", str(jar), *options, "--root-dir", str(setup.work)]


def _match_body(stub: Case) -> dict[str, Any]:
    if stub.provider == "cdr":
        return {"equalToJson": told_apart_json(stub), "ignoreExtraElements": True}
    return {"matchesXPath": soap_xpath(stub), "xPathNamespaces": NAMESPACES}


PEER = Peer(
    "WireMock",
    "wiremock",
    (STUB, SAME_JOB),
    _write_command,
    java=True,
    empty_journal=("DELETE", "/__admin/requests"),
)
