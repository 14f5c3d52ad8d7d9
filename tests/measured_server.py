"""A server whose event loop reports callbacks that take long: ``python measured_server.py WORLD``.

Prints its addresses, then a line of JSON for each callback of more than 250 ms of its thread's CPU.
"""

import asyncio
import json
import sys
import time
from asyncio import events
from typing import Any

from callmocks.config.settings import ServeSettings
from callmocks.server.mock_server import MockServer

MAX_SECONDS = 0.25
_run = events.Handle._run


def run_measured(handle: Any) -> None:
    begun = time.thread_time()
    _run(handle)
    seconds = time.thread_time() - begun
    if seconds > MAX_SECONDS:
        owner = getattr(handle._callback, "__self__", handle._callback)
        what = owner.get_coro() if isinstance(owner, asyncio.Task) else owner
        line = {"ended": time.time(), "seconds": round(seconds, 2), "callback": repr(what)}
        print(json.dumps(line), flush=True)


async def serve(world: str) -> None:
    ports: dict[str, Any] = {f"{name}_port": 0 for name in ("arm", "cdr", "onec", "control")}
    now = "2026-03-03T23:00:00"
    async with MockServer(ServeSettings(world=world, now=now, limits="off", **ports)) as server:
        events.Handle._run = run_measured  # type: ignore[assignment]
        print(json.dumps(server.urls), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
