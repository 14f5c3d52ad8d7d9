"""mountebank, the npm package of that name. It does not record requests by default."""

import json

from benchmarks.peers.base import Peer, PeerSetup
from benchmarks.processes import free_port


def _write_command(setup: PeerSetup) -> list[str]:
    stubs = [
        {
            "predicates": [{"equals": {"method": "POST", "path": f"/{stub.name}"}}],
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
    imposter = {"protocol": "http", "port": setup.port, "host": "127.0.0.1", "stubs": stubs}
    file = setup.work / "imposters.json"
    file.write_text(json.dumps({"imposters": [imposter]}), encoding="utf-8")
    options = ["--port", str(free_port()), "--host", "127.0.0.1", "--localOnly"]
    logs = ["--logfile", str(setup.work / "mb.log"), "--pidfile", str(setup.work / "mb.pid")]
    mountebank = setup.script_command("mountebank/bin/mb")
    return [*mountebank, "start", "--configfile", str(file), "--noParse", *options, *logs]


PEER = Peer("mountebank", "mountebank", True, _write_command)
