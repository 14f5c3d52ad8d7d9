"""WireMock: the standalone jar inside the npm package ``wiremock``."""

import json

from benchmarks.peers.base import Peer, PeerSetup


def _write_command(setup: PeerSetup) -> list[str]:
    mappings, files = setup.work / "mappings", setup.work / "__files"
    mappings.mkdir()
    files.mkdir()
    for stub in setup.stubs:
        (files / stub.name).write_bytes(stub.answer)
        mapping = {
            "request": {"method": "POST", "urlPath": f"/{stub.name}"},
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


PEER = Peer("WireMock", "wiremock", True, _write_command)
