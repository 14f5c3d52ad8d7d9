"""callmocks on a simulated Windows: ``python tests/simulated_windows.py serve …``.

Gone are the modules and functions that only POSIX has, uvloop, signal handlers of the loop and the
machine's time zones; ``sys.platform`` says win32 and text is not UTF-8 unless a program says so.
What the standard library and the libraries do on Windows is theirs: they are imported before.
"""

from __future__ import annotations

import asyncio
import importlib.abc
import os
import signal
import sys
from collections.abc import Sequence
from types import ModuleType

# Libraries that choose their parts by the platform when they are imported.
import aiohttp.web
import click
import jsonschema
import lxml.etree
import numpy
import polars
import prometheus_client
import rich.console
import structlog
import trustme
import xmlschema

LIBRARIES = [aiohttp, click, jsonschema, lxml, numpy, polars, prometheus_client, rich]
LIBRARIES += [structlog, trustme, xmlschema]
POSIX_MODULES = frozenset(("uvloop", "fcntl", "resource", "pwd", "grp", "termios", "tty", "pty"))
POSIX_MODULES |= {"posix", "syslog", "spwd", "crypt", "nis"}
POSIX_OS = (
    "chown chroot fork forkpty getegid geteuid getgid getgroups getloadavg getpgid getpgrp getuid"
    " killpg lchown mkfifo memfd_create nice openpty pipe2 posix_spawn sched_getaffinity"
    " sched_setaffinity setgid setpgid setsid setuid sysconf uname wait4"
)
POSIX_SIGNALS = "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGUSR1 SIGUSR2"


class MissingPosixModules(importlib.abc.MetaPathFinder):
    """Does not find what Windows has not."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        if name.partition(".")[0] in POSIX_MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _reject_signal_handler(*_: object) -> None:
    raise NotImplementedError


def simulate_windows() -> None:
    for name in POSIX_MODULES & sys.modules.keys():
        del sys.modules[name]
    sys.meta_path.insert(0, MissingPosixModules())
    for name in POSIX_OS.split():
        if hasattr(os, name):
            delattr(os, name)
    for name in POSIX_SIGNALS.split():
        delattr(signal, name)
    asyncio.SelectorEventLoop.add_signal_handler = _reject_signal_handler  # type: ignore[method-assign, assignment]
    sys.platform = "win32"


if __name__ == "__main__":
    simulate_windows()
    import runpy

    runpy.run_module("callmocks", run_name="__main__", alter_sys=True)
