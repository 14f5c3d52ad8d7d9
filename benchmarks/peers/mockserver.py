"""MockServer: the jar inside the npm package ``mockserver-node``.

Same job: its JSON matcher, which by default compares the fields it is given, and its XPath matcher.
"""

import json
from typing import Any

from benchmarks.cases import Case
from benchmarks.peers.base import SAME_JOB, STUB, Peer, PeerSetup
from benchmarks.same_job import NAMESPACES, soap_xpath, told_apart_json


def _write_command(setup: PeerSetup) -> list[str]:
    expectations = [
        {
            "httpRequest": {
                "method": "POST",
                "path": setup.path_of(stub),
                **({"body": _match_body(stub)} if setup.kind == SAME_JOB else {}),
            },
            "httpResponse": {
                "statusCode": 200,
                "headers": {"Content-Type": [stub.content_type]},
                "body": stub.answer.decode(),
            },
        }
        for stub in setup.stubs
    ]
    file = setup.work / "expectations.json"
    file.write_text(json.dumps(expectations), encoding="utf-8")
    jar = setup.find_jar("mockserver-node/mockserver-netty-*.jar")
    return ["java", "-jar", str(jar), "--port", str(setup.port), "--init", str(file)]


def _match_body(stub: Case) -> dict[str, Any]:
    if stub.provider == "cdr":
        return {"type": "JSON", "json": told_apart_json(stub)}
    return {"type": "XPATH", "xpath": soap_xpath(stub), "namespacePrefixes": NAMESPACES}


PEER = Peer("MockServer", "mockserver-node", (STUB, SAME_JOB), _write_command, java=True)
