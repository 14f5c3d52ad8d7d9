"""Thousands of messages with names, telephone numbers, e-mails and passwords in every place pass
the proxy, and none of these is in anything it writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from callmocks.server.providers import PROVIDERS
from callmocks.verification.mask_message import UnknownPolicy
from callmocks.verification.proxy_server import ProxyServer, ProxySettings
from tests.verification.planted import PHONES, VALUES, Planter, find_planted
from tests.verification.processes import read_exchanges

ARM_PATH = "/DOMAIN/service/cc/arm"
COUNTS = {"cdr": 1000, "arm": 600, "onec": 600}
FRAMES = 400
SHARES = [pytest.param(0.2, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]


class Upstream:
    """Answers each request with what was prepared for it."""

    def __init__(self) -> None:
        self.url = ""
        self.responses: list[tuple[int, dict[str, str], bytes]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade"):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            async for _ in socket:
                await socket.send_bytes(self.responses.pop(0)[2])
            return socket
        await request.read()
        status, headers, body = self.responses.pop(0)
        return web.Response(status=status, headers=headers, body=body)


@asynccontextmanager
async def run_upstream() -> AsyncIterator[Upstream]:
    upstream = Upstream()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", upstream.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    upstream.url = f"http://{host}:{port}"
    yield upstream
    await runner.cleanup()


async def send_planted(
    provider: str, folder: Path, unknown: UnknownPolicy, counts: dict[str, int], frames: int
) -> tuple[str, list[dict[str, Any]]]:
    """Everything that was written, and the recording."""
    events: list[str] = []
    file = folder / "recording.jsonl"
    planter = Planter(seed=len(provider))
    async with run_upstream() as upstream:
        settings = ProxySettings(
            PROVIDERS[provider],
            upstream.url + PROVIDERS[provider].url_path,
            control_port=0,
            record=file,
            record_unknown=unknown,
        )
        async with ProxyServer(settings, events.append) as proxy, aiohttp.ClientSession() as client:
            path = ARM_PATH if provider == "arm" else ""
            for each in planter.exchanges(provider, counts[provider]):
                upstream.responses.append((each.status, each.response_headers, each.response))
                url = f"{proxy.url}{path}/{each.operation}".rstrip("/")
                url += f"?{each.query}" if each.query else ""
                async with client.post(url, data=each.request, headers=each.headers) as response:
                    assert await response.read() == each.response
            if frames:
                url = f"{proxy.url}{ARM_PATH}"
                async with client.ws_connect(url) as socket:
                    for request, answer in planter.frame_pairs(frames):
                        upstream.responses.append((200, {}, answer))
                        await socket.send_bytes(request)
                        assert (await socket.receive()).data == answer
            async with client.get(f"{proxy.control_url}/api/tenants/proxy/journal") as response:
                events.append(await response.text())
    return "\n".join([*events, file.read_text(encoding="utf-8")]), read_exchanges(file)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_nothing_of_anybody_is_written(
    provider: str, share: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frames = int(FRAMES * share) if provider == "arm" else 0
    counts = {name: int(count * share) for name, count in COUNTS.items()}
    written, recorded = await send_planted(provider, tmp_path, "hash", counts, frames)
    assert find_planted(written + caplog.text) == []
    assert "callmocks has a defect" not in written
    # It was not just thrown away: most messages are there, a part as a hash.
    count = counts[provider] + frames
    assert len(recorded) >= count * 0.9
    whole = [each for each in recorded if each["request"] and each["response"]]
    hashed = [each for each in recorded if each.get("request_hash") or each.get("response_hash")]
    assert len(whole) > count * 0.3 and len(hashed) > count * 0.2
    assert all("cannot be replayed" in " ".join(each["notes"]) for each in hashed)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_nothing_is_written_of_what_is_unknown_either(
    provider: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    counts = dict.fromkeys(COUNTS, 100)
    written, recorded = await send_planted(provider, tmp_path, "masked", counts, 0)
    assert find_planted(written + caplog.text) == []
    assert all(each["request"] and each["response"] for each in recorded)


def test_the_search_finds_every_spelling() -> None:
    for value in VALUES:
        assert find_planted(f"x {value} y")
    assert find_planted('{"a": "' + "".join(f"\\u{ord(char):04x}" for char in "Щукина-Цой") + '"}')
    assert find_planted(f"tel {PHONES[0][1:4]} {PHONES[0][4:]}")
    assert not find_planted("79160000000 Иванов")
