from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

import click

from callmocks.cli import freeze_loaded_objects
from callmocks.config import options
from callmocks.config.settings import ServeSettings
from callmocks.config.types import PROVIDER_TITLES, is_loopback
from callmocks.provider.listeners import URL_PATHS

if TYPE_CHECKING:
    from collections.abc import Callable

    from callmocks.control.log_writer import LogWriter
    from callmocks.server.mock_server import MockServer


_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STDOUT_POLL_SECONDS = 0.1


@click.command(context_settings=options.CONTEXT_SETTINGS)
@options.setting_options()
@click.pass_context
def serve(context: click.Context, /, **_: object) -> None:
    exit_on_stop_signals()
    for name, similar in options.find_similar_env_vars(os.environ).items():
        print_message(f"warning: {name} is no setting; did you mean {similar}?")
    settings = options.make_settings(context)
    with write_stderr_in_background(as_json=settings.log == "json") as log_writer:
        if settings.workers > 1:
            from callmocks.cli.workers import supervise_workers

            asyncio.run(supervise_workers(settings))
            return
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_run_server(settings, log_writer))


@contextmanager
def write_stderr_in_background(as_json: bool = False) -> Iterator[LogWriter | None]:
    """While it serves: the log, warnings and tracebacks never wait for a reader of stderr."""
    from callmocks.control import log_writer

    stream = sys.stderr
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # a caller put something else in its place
        yield None
        return
    stream.flush()
    describe = log_writer.describe_dropped_lines
    if as_json:
        describe = log_writer.describe_dropped_lines_as_json
    with log_writer.LogWriter(descriptor, describe) as writer:
        sys.stderr = writer
        try:
            yield writer
        finally:
            sys.stderr = stream


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _run_server(settings: ServeSettings, log_writer: LogWriter | None) -> None:
    from callmocks.server.memory import return_large_blocks
    from callmocks.server.mock_server import MockServer

    return_large_blocks()
    async with MockServer(settings, log_writer=log_writer) as suite:
        stopped = make_stop_event()
        freeze_loaded_objects()
        if await wait_for_stdout(stopped):
            print_ready(suite)
        await stopped.wait()


def exit_on_stop_signals() -> None:
    """Exit 0 on SIGINT or SIGTERM before there is anything to stop."""
    for number in _STOP_SIGNALS:
        signal.signal(number, lambda *_: sys.exit(0))


def make_stop_event() -> asyncio.Event:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopped.set()
        for number in _STOP_SIGNALS:  # it is stopping already
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)

    for number in _STOP_SIGNALS:
        try:
            # The system may give the signal to any thread: this wakes the loop.
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopped.set))
    return stopped


async def wait_for_stdout(stopped: asyncio.Event) -> bool:
    """Until a line can be printed without waiting for a reader; False when it is to stop first."""
    while not _has_room(sys.stdout):
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), _STDOUT_POLL_SECONDS)
            return False
    return True


def _has_room(stream: TextIO) -> bool:
    try:
        return bool(select.select([], [stream], [], 0)[1])
    except (OSError, ValueError):  # no descriptor, or Windows, which selects sockets alone
        return True


def print_ready(suite: MockServer) -> None:
    settings = suite.settings
    if not is_loopback(settings.host):
        risk = "providers' passwords are those of a mock; see SECURITY.md"
        if not settings.admin_token:
            risk = "admin API asks nobody for a password (--admin-token)"
        start = f"warning: {settings.host} can be reached from other machines"
        print_message(f"{start}, and the {risk}")
    print(_format_ready(suite, settings), flush=True)


def print_message(text: str) -> None:
    print(f"callmocks: {' '.join(text.split())}", file=sys.stderr)


def _format_ready(suite: MockServer, settings: ServeSettings) -> str:
    demo = suite.demo_settings
    cdr = demo.cdr
    if settings.json:
        urls = {name: suite.urls.get(name) for name in URL_PATHS}
        access = {"login": cdr.login, "password": cdr.password, "token": cdr.token}
        return json.dumps({**urls, "tenant": demo.name, "seed": demo.seed, **access})
    titles = {**PROVIDER_TITLES, "control": "control"}
    lines = [f"callmocks is ready: tenant demo, seed {demo.seed}"]
    lines += [f"  {titles[name]:8}{url}" for name, url in suite.urls.items()]
    logins = f"login {cdr.login}, password {cdr.password}, CDR token {cdr.token}"
    lines.append(f"  {logins}; operators 101, 102, … too")
    lines.append(f"  open {suite.urls['control']} in a browser")
    lines += [f"  CA      {settings.tls_ca_out}"] if settings.tls_ca_out else []
    return "\n".join(lines)
