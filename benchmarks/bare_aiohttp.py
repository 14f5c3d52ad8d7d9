"""Bare aiohttp handlers that return constant bytes: the most that aiohttp can do.

usage: python -m benchmarks.bare_aiohttp PORT FILE

``FILE`` is JSON: by path, the file with the answer, its content type, and whether it is a frame.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web


def make_app(stubs: dict[str, dict[str, Any]]) -> web.Application:
    """An application that answers each path with its bytes."""
    app = web.Application()
    for path, stub in stubs.items():
        body = Path(stub["file"]).read_bytes()
        if stub["frame"]:
            app.router.add_get(path, _make_websocket_handler(body))
        else:
            app.router.add_post(path, _make_post_handler(body, stub["content_type"]))
    return app


def _make_post_handler(body: bytes, content_type: str) -> Any:
    headers = {"Content-Type": content_type}

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body, headers=headers)

    return answer


def _make_websocket_handler(body: bytes) -> Any:
    text = body.decode()

    async def answer(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(text)
        return socket

    return answer


async def _serve(port: int, stubs: dict[str, dict[str, Any]]) -> None:
    runner = web.AppRunner(make_app(stubs), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def main(arguments: list[str]) -> None:
    """Serve until the process is ended; on uvloop where it is installed, as callmocks does."""
    port, file = arguments
    stubs = json.loads(Path(file).read_text(encoding="utf-8"))
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(int(port), stubs))


if __name__ == "__main__":
    main(sys.argv[1:])
