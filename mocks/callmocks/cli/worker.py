"""A process that ``callmocks serve --workers`` starts.

::

    stdin   one line: a WorkerConfig; it ends when the process that started this one ends
    stdout  one line, a JSON string: empty when the worker serves, else why it cannot
"""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

import msgspec

from callmocks.cli import freeze_loaded_objects
from callmocks.config.settings import ServeSettings
from callmocks.control.log_writer import LogWriter
from callmocks.errors import CallmocksError


class WorkerConfig(msgspec.Struct):
    settings: ServeSettings
    listeners: dict[str, list[int]]
    """Descriptors of listening sockets by server."""
    generated_pem: bytes | None = None
    """Key and certificate, when the first process generated them."""
    ca_pem: bytes | None = None


def main() -> NoReturn:
    """Serve until SIGTERM or the end of stdin; the process ends here."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C goes to the first process
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # nothing is served yet
    from callmocks.cli.serve import loop_factory, write_stderr_in_background

    line = sys.stdin.buffer.readline()
    config = msgspec.json.decode(line, type=WorkerConfig, dec_hook=lambda _, path: Path(path))
    problem = ""
    try:
        with (
            write_stderr_in_background(as_json=config.settings.log == "json") as log_writer,
            asyncio.Runner(loop_factory=loop_factory()) as runner,
        ):
            runner.run(_run_worker(config, log_writer))
    except CallmocksError as error:
        problem = str(error)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is stopping already
    if problem:
        _print_status(problem)
    sys.exit(2 if problem else 0)


async def _run_worker(config: WorkerConfig, log_writer: LogWriter | None) -> None:
    from callmocks.server.memory import return_large_blocks
    from callmocks.server.mock_server import MockServer

    return_large_blocks()
    listeners = {
        name: tuple(socket.socket(fileno=each) for each in descriptors)
        for name, descriptors in config.listeners.items()
    }
    identity = None
    if config.generated_pem is not None and config.ca_pem is not None:
        from callmocks.server.tls import load_generated_identity

        identity = load_generated_identity(config.generated_pem, config.ca_pem)
    async with MockServer(config.settings, listeners, identity, log_writer):
        stopped, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stopped.set)
        loop.add_reader(sys.stdin.fileno(), stopped.set)
        freeze_loaded_objects()
        _print_status("")
        await stopped.wait()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is stopping already
        loop.remove_reader(sys.stdin.fileno())


def _print_status(problem: str) -> None:
    print(msgspec.json.encode(problem).decode(), flush=True)


if __name__ == "__main__":
    main()
