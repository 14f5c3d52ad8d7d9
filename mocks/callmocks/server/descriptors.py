"""File descriptors: how many connections this process may have."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from callmocks.config.server_limits import ServerLimits
from callmocks.errors import OutOfDescriptors, SettingsError
from callmocks.tenants.descriptors import fds_available

# Descriptors for what is not a connection: rejected clients, files, pipes, libraries.
_RESERVED: Final = 48


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
    if soft >= needed:
        return limits
    fitting = wanted - (needed - soft)
    if fitting < 2:
        text = f"this process may open only {soft} files (ulimit -n), too few for connections"
        raise SettingsError(f"--max-connections: {text}")
    control = min(limits.control_connections, fitting // 2)
    connections = min(limits.connections, fitting - control)
    return replace(limits, connections=connections, control_connections=control)


def start_query_engine() -> None:
    """Of Polars, at its first query. If it cannot open what it needs then, it never starts."""
    import polars as pl

    if not fds_available():
        raise OutOfDescriptors
    pl.DataFrame().select([])


def _count_open_files() -> int:
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        return 32
