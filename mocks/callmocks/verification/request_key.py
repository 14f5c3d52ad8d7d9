"""What a request asks for, in a form in which equal questions are equal.

Credentials, ids and the transport are left out, and so is what has its default.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from lxml import etree

from callmocks.arm import frames, schema, tree
from callmocks.cdr import openrpc
from callmocks.cdr.pii import CREDENTIALS
from callmocks.cdr.service import Read
from callmocks.errors import CallmocksError
from callmocks.onec import envelope
from callmocks.onec.namespaces import PROPERTY
from callmocks.onec.soap import SoapError

Question = dict[str, str]
"""Parameters by name, each as a text."""

_TRUE, _FALSE = ("true", "1"), ("false", "0")
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:T00:00:00)?(?:\.0+)?")


def question(provider: str, request: bytes, *, framed: bool = False) -> Question | None:
    """The parameters of a request; None when it cannot be read."""
    if provider == "cdr":
        return _cdr(request)
    return _arm(request, framed) if provider == "arm" else _onec(request)


def differences(asked: Question, recorded: Question) -> list[str]:
    """In what two questions differ: ``limit: 5, recorded 10``."""
    found = []
    for name in dict.fromkeys([*asked, *recorded]):
        one, other = asked.get(name), recorded.get(name)
        if one != other:
            found.append(f"{name}: {_shown(one)}, recorded {_shown(other)}")
    return found


def _shown(value: str | None) -> str:
    if value is None:
        return "none"
    return value if len(value) <= 60 else value[:60] + "…"


def _cdr(request: bytes) -> Question | None:
    read = Read(request)
    if read.error is not None:
        return None
    params = read.envelope.params
    if not isinstance(params, dict):
        return {}
    method = openrpc.methods().get(str(read.envelope.method))
    found = {}
    for name, value in params.items():
        default = method.params[name].default if method and name in method.params else None
        if name in CREDENTIALS or value is None or value == default:
            continue
        plain = _sorted(_with_order(value) if name == "sort" else value)
        found[name] = plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
    return found


def _with_order(sort: Any) -> Any:
    """Sort keys with the order that is meant when none is said."""
    if not isinstance(sort, list):
        return sort
    return [{"order": "asc", **key} if isinstance(key, dict) else key for key in sort]


def _sorted(value: Any) -> Any:
    """The same value with the members of its objects in order, and whole numbers as such."""
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_sorted(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _arm(request: bytes, framed: bool) -> Question | None:
    try:
        if framed:
            request = frames.decode_request(request).body
        if request.lstrip()[:1] == b"[":
            request = tree.to_xml(tree.decode(request))
        root = schema.parse(request)
    except CallmocksError:
        return None
    found: Question = {}
    for element in root.iter("filters"):
        for name, value in element.attrib.items():
            text = str(value).strip()
            if name == "skip_incomplete":
                text = "false" if text in _FALSE else ""
            if text and (name, text) != ("offset", "0"):
                found[str(name)] = text
    return found


def _onec(request: bytes) -> Question | None:
    try:
        call = envelope.open_envelope(envelope.parse(request)).call
    except SoapError:
        return None
    found: Question = {}
    for element in call.iter(PROPERTY):
        text = _value(element)
        if text:
            found[element.get("name", "").strip()] = text
    return found


def _value(element: etree._Element) -> str:
    text = (element[0].text or "").strip() if len(element) else ""
    date = _DATE.fullmatch(text)
    return f"{date[1]}T00:00:00" if date else text.lower()
