"""MockServer: the jar inside the npm package ``mockserver-node``."""

import json

from benchmarks.peers.base import Peer, PeerSetup


def _write_command(setup: PeerSetup) -> list[str]:
    expectations = [
        {
            "httpRequest": {"method": "POST", "path": f"/{stub.name}"},
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


PEER = Peer("MockServer", "mockserver-node", True, _write_command)
