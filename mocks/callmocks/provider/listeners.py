"""Listening sockets, of the mock and of the proxy."""

import os
import socket

from callmocks.errors import SettingsError

# What follows `scheme://host:port` in the address that a client is given, by server.
URL_PATHS = {"arm": "", "cdr": "/v2.0", "onec": "/cus/ws/PartnerWebAPI2", "control": ""}
# Where a server that listens everywhere is reached on its own machine.
LOOPBACK_OF_WILDCARD = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not to listen on


def open_listener(
    host: str, port: int, flag: str, *, backlog: int | None = None, reuse_port: bool = False
) -> socket.socket:
    """``SettingsError`` names the flag of the port, or ``--host``."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        return socket.create_server(address, family=family, backlog=backlog, reuse_port=reuse_port)
    except socket.gaierror as error:
        raise SettingsError(f"--host: {host}: {error.strerror}") from None
    except OSError as error:
        reason = os.strerror(error.errno or 0)  # its own text repeats the address
        raise SettingsError(f"{flag}: {host}:{port}: {reason}") from None


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])
