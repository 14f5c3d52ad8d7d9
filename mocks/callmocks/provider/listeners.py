"""Listening sockets, of the mock and of the proxy."""

import asyncio
import errno
import os
import socket
from collections.abc import Sequence
from typing import Any

from callmocks.errors import SettingsError

# What follows `scheme://host:port` in the address that a client is given, by server.
URL_PATHS = {"arm": "", "cdr": "/v2.0", "onec": "/cus/ws/PartnerWebAPI2", "control": ""}
# Where a server that listens everywhere is reached on its own machine.
LOOPBACK_OF_WILDCARD = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not to listen on
BACKLOG = 1024
_PORT_TRIES = 50

Listener = tuple[socket.socket, ...]
"""The sockets of one server: one for each of its addresses, all at one port."""
_Address = tuple[socket.AddressFamily, tuple[Any, ...]]  # as bind() takes it


class _PortTaken(SettingsError):
    pass


def open_listener(
    hosts: Sequence[str],
    port: int,
    flag: str,
    *,
    backlog: int | None = None,
    reuse_port: bool = False,
) -> Listener:
    """``SettingsError`` names the flag of the port, or ``--host``."""
    found = [address for host in hosts for address in _resolve_host(host)]
    addresses = list(dict.fromkeys(found))
    # Beside an address of IPv4, that of all interfaces must not take its port.
    dual = len({family for family, _ in addresses}) == 1 and socket.has_dualstack_ipv6()
    unfit: list[socket.socket] = []  # held, so that the system offers another free port
    try:
        for tries_left in reversed(range(1 if port else _PORT_TRIES)):
            opened: list[socket.socket] = []
            try:
                for family, address in addresses:
                    where = (address[0], port_of(opened) if opened else port, *address[2:])
                    opened.append(_open_socket(family, where, flag, backlog, reuse_port, dual))
                return tuple(opened)
            except SettingsError as error:
                unfit += opened
                if not (tries_left and isinstance(error, _PortTaken)):
                    raise
    finally:
        close_listener(unfit)
    raise AssertionError("the last try returns or raises")


def _open_socket(
    family: socket.AddressFamily,
    address: tuple[Any, ...],
    flag: str,
    backlog: int | None,
    reuse_port: bool,
    dual: bool,
) -> socket.socket:
    dual = dual and address[0] == "::"
    try:
        return socket.create_server(
            address, family=family, backlog=backlog, reuse_port=reuse_port, dualstack_ipv6=dual
        )
    except OSError as error:
        reason = os.strerror(error.errno or 0)  # its own text repeats the address
        kind = _PortTaken if error.errno == errno.EADDRINUSE else SettingsError
        raise kind(f"{flag}: {address[0]}:{address[1]}: {reason}") from None


def _resolve_host(host: str) -> list[_Address]:
    """All addresses of a name, but for those of a family that this machine does not have."""
    # Python loads IDNA's tables for any text, even an address.
    name = host.encode() if host.isascii() else host
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise SettingsError(f"--host: {host}: {error.strerror}") from None
    addresses: list[_Address] = [(family, address) for family, _, _, _, address in found]
    here = [each for each in addresses if len(addresses) > 1 and _is_of_here(*each)]
    return here or addresses


def _is_of_here(family: socket.AddressFamily, address: tuple[Any, ...]) -> bool:
    try:
        with socket.socket(family) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True


async def wait_for_connection(listener: Listener) -> None:
    """Until somebody connects, who then waits; at once where the loop cannot tell (Windows)."""
    loop, connected = asyncio.get_running_loop(), asyncio.Event()
    watched: list[socket.socket] = []
    try:
        for each in listener:
            loop.add_reader(each, connected.set)
            watched.append(each)
        await connected.wait()
    except NotImplementedError:
        return
    finally:
        for each in watched:
            loop.remove_reader(each)


def close_listener(listener: Sequence[socket.socket]) -> None:
    for each in listener:
        each.close()


def port_of(listener: Sequence[socket.socket]) -> int:
    return int(listener[0].getsockname()[1])
