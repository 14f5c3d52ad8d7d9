"""A process that ``callmocks serve --workers`` starts; it is told on stdin what to serve.

::

    stdin   one line: an Order; its end is the end of the process that started this one
    stdout  one line: a Report
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from callmocks.config.settings import ServeSettings
from callmocks.errors import CallmocksError


class WorkerConfig(msgspec.Struct):
    """What to serve, and on which sockets."""

    settings: ServeSettings
    listeners: dict[str, int]
    """Descriptors of listening sockets by server."""
    made_pem: bytes | None = None
    """Key and certificate, when the first process made them."""
    ca_pem: bytes | None = None


class WorkerStatus(msgspec.Struct):
    """Ready, or the problem."""

    problem: str = ""


def encode_config(config: WorkerConfig) -> bytes:
    """An order as a line."""
    return msgspec.json.encode(config, enc_hook=str) + b"\n"


def main() -> NoReturn:
    """Serve until told to stop; the process ends here."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C goes to the first process
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # nothing is served yet
    from callmocks.cli.serve import loop_factory

    order = msgspec.json.decode(
        sys.stdin.buffer.readline(), type=WorkerConfig, dec_hook=_decode_path
    )
    problem = ""
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_run_worker(order))
    except CallmocksError as error:
        problem = str(error)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends already
    if problem:
        _send_status(WorkerStatus(problem))
    sys.exit(2 if problem else 0)


async def _run_worker(config: WorkerConfig) -> None:
    from callmocks.server.mock_server import MockServer

    listeners = {name: socket.socket(fileno=fd) for name, fd in config.listeners.items()}
    identity = None
    if config.made_pem is not None and config.ca_pem is not None:
        from callmocks.server.tls import load_generated_identity

        identity = load_generated_identity(config.made_pem, config.ca_pem)
    async with MockServer(config.settings, listeners, identity):
        stopped, loop = asyncio.Event(), asyncio.get_running_loop()
        signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(stopped.set))
        loop.add_reader(sys.stdin.fileno(), stopped.set)
        _send_status(WorkerStatus())
        await stopped.wait()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends already
        loop.remove_reader(sys.stdin.fileno())


def _send_status(status: WorkerStatus) -> None:
    print(msgspec.json.encode(status).decode(), flush=True)


def _decode_path(kind: type, value: Any) -> Any:
    return Path(value) if issubclass(kind, Path) else value


if __name__ == "__main__":
    main()
