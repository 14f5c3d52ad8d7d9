"""File descriptors: how many connections this process may have, and whether one is left."""

import errno
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from callmocks.config.server_limits import ServerLimits
from callmocks.errors import SettingsError

# Descriptors for what is not a connection: rejected clients, files, pipes, libraries.
_RESERVED: Final = 48
OUT_OF_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE)


def fit_connections(limits: ServerLimits) -> ServerLimits:
    """Raises the soft limit as far as it may be; ``SettingsError`` when not even one fits."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return limits
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + limits.control_connections
    needed = wanted + _count_open_files() + _RESERVED
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return limits
    raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if raised > soft:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    fitting = wanted - (needed - soft)
    if fitting < 2:
        text = f"this process may open only {soft} files (ulimit -n), too few for connections"
        raise SettingsError(f"--max-connections: {text}")
    control = min(limits.control_connections, fitting // 2)
    connections = min(limits.connections, fitting - control)
    return replace(limits, connections=connections, control_connections=control)


def fd_available() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno not in OUT_OF_DESCRIPTORS
    return True


def _count_open_files() -> int:
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        return 32
