"""A request's body read and validated: JSON tree or XML document, then the command's XSD.

The outcome depends on the bytes alone, so that of small bodies is remembered: a client that polls
sends the same ones again and again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from callmocks.arm import schema, tree
from callmocks.arm.schema import Fault
from callmocks.errors import CallmocksError

Form = Literal["json", "xml"]

_REMEMBERED = 2048
"""Bytes of the longest body whose outcome is remembered."""
_BEARER = {schema.HISTORY: "filters", schema.LOGIN: "request", schema.LOGOUT: "in"}
"""The element of each command that has attributes."""


class Read(NamedTuple):
    """What a body says: the attributes of its command, or why there are none.

    ``unreadable``: it is no tree or no document. ``faults``: its schema refuses it.
    """

    attributes: Mapping[str, str]
    faults: tuple[Fault, ...] = ()
    unreadable: str = ""


def read(body: bytes, form: Form, command: str, contract: str) -> Read:
    """Read and validate the body of a known command."""
    if command == schema.HISTORY and len(body) <= _REMEMBERED:
        return _remembered(body, form, command, contract)
    return _read(body, form, command, contract)


def _read(body: bytes, form: Form, command: str, contract: str) -> Read:
    try:
        root = schema.parse(tree.to_xml(tree.decode(body)) if form == "json" else body)
    except CallmocksError as error:
        return Read({}, unreadable=str(error))
    faults = schema.of(command, contract).faults(root)
    if not faults and root.tag != "in":
        faults = [Fault(f"/{root.tag}", "the root in", str(root.tag))]
    if faults:
        return Read({}, tuple(faults))
    bearer = next(root.iter(_BEARER[command]))
    return Read({str(name): str(value) for name, value in bearer.attrib.items()})


_remembered = lru_cache(maxsize=512)(_read)
