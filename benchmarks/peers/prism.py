"""Prism by its command line, the npm package ``@stoplight/prism-cli``: examples of a document."""

import json
from typing import Any

from benchmarks.cases import Case
from benchmarks.peers.base import STUB, Peer, PeerSetup


def _write_command(setup: PeerSetup) -> list[str]:
    document = {
        "openapi": "3.0.3",
        "info": {"title": "bench", "version": "1"},
        "paths": {f"/{stub.name}": {"post": _make_operation(stub)} for stub in setup.stubs},
    }
    file = setup.work / "openapi.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    prism = setup.script_command("@stoplight/prism-cli/dist/index.js")
    return [*prism, "mock", str(file), "--port", str(setup.port), "--host", "127.0.0.1"]


def _make_operation(stub: Case) -> dict[str, Any]:
    media = stub.content_type.partition(";")[0]
    text = stub.answer.decode()
    example = json.loads(text) if media.endswith("json") else text
    kind = "object" if media.endswith("json") else "string"
    content = {media: {"schema": {"type": kind}, "example": example}}
    media_type = stub.headers["Content-Type"].partition(";")[0]
    return {
        "requestBody": {"content": {media_type: {}}},
        "responses": {"200": {"description": "recorded", "content": content}},
    }


PEER = Peer(
    "Prism",
    "@stoplight/prism-cli",
    (STUB,),
    _write_command,
    no_same_job="an example is chosen by the header Prefer, never by the body",
)
