"""``callmocks serve --workers``: several processes behind the same ports.

::

    ports, certificate ──┬── worker ──┐
    (this process)       ├── worker ──┼── Redis
                         └── worker ──┘
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from callmocks.cli.serve import make_stop_event, print_message, print_ready, wait_for_stdout
from callmocks.cli.worker import WorkerConfig
from callmocks.config.settings import ServeSettings
from callmocks.errors import SettingsError
from callmocks.provider.listeners import Listener, close_listener

if TYPE_CHECKING:
    from callmocks.server.tls import TlsIdentity

# Before the next try when a worker could not start.
RESTART_SECONDS = 1.0
# Then workers are killed.
_STOP_SECONDS = 1.2


async def supervise_workers(settings: ServeSettings) -> None:
    """Start the workers, announce them when all are ready, replace those that die."""
    if sys.platform == "win32":
        raise SettingsError("--workers: Windows cannot share a port between processes")
    from callmocks.server.mock_server import MockServer, open_listeners

    stopped = make_stop_event()
    # Each worker has sockets of its own at the shared ports, but this process keeps them open: when
    # a worker dies, its queue stays for the next one.
    sockets = open_listeners(settings, settings.workers)
    identity = None
    if settings.tls == "auto":
        from callmocks.server.tls import open_identity

        identity = open_identity(settings)
    workers = [Worker(settings, listeners, identity) for listeners in sockets]
    stop = asyncio.create_task(stopped.wait())
    tasks: list[asyncio.Future[Any]] = [stop]
    try:
        starts = asyncio.gather(*(worker.start() for worker in workers))
        tasks.append(starts)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not stop.done():
            await starts
            tasks += [asyncio.create_task(worker.restart_on_exit()) for worker in workers]
            if await wait_for_stdout(stopped):
                print_ready(MockServer(settings, sockets[0], identity))
            await stop
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in workers))
        for listener in (each for listeners in sockets for each in listeners.values()):
            close_listener(listener)


class Worker:
    def __init__(
        self, settings: ServeSettings, listeners: dict[str, Listener], identity: TlsIdentity | None
    ) -> None:
        self._config = WorkerConfig(
            settings,
            {name: [each.fileno() for each in it] for name, it in listeners.items()},
            identity.generated_pem if identity else None,
            identity.ca_pem if identity else None,
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it serves; ``SettingsError`` when it cannot."""
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "callmocks.cli.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=tuple(chain.from_iterable(self._config.listeners.values())),
        )
        assert process.stdin is not None and process.stdout is not None
        with suppress(ConnectionError):
            process.stdin.write(msgspec.json.encode(self._config, enc_hook=str) + b"\n")
            await process.stdin.drain()
        line = await process.stdout.readline()
        if not line:
            raise SettingsError(f"--workers: a worker {_describe_exit(await process.wait())}")
        problem = msgspec.json.decode(line, type=str)
        if problem:
            raise SettingsError(problem)

    async def restart_on_exit(self) -> None:
        while self._process is not None:
            end = _describe_exit(await self._process.wait())
            print_message(f"worker {self._process.pid} {end}; another takes its place")
            while True:
                try:
                    await self.start()
                    break
                except SettingsError as error:
                    print_message(f"the new worker cannot start yet: {error}")
                    await asyncio.sleep(RESTART_SECONDS)

    async def stop(self) -> None:
        process = self._process
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _describe_exit(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
