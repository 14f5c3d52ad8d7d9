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
from callmocks.cdr.jsonrpc import ParsedRequest
from callmocks.cdr.pii import CREDENTIALS
from callmocks.errors import CallmocksError
from callmocks.onec import envelope
from callmocks.onec.namespaces import PROPERTY
from callmocks.onec.soap import SoapError

RequestKey = dict[str, str]
"""Parameters by name, each as a text."""

_TRUE, _FALSE = ("true", "1"), ("false", "0")
DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:T00:00:00)?(?:\.0+)?")


def build_request_key(provider: str, message: bytes, *, framed: bool = False) -> RequestKey | None:
    """The parameters of a request; None when it cannot be read."""
    if provider == "cdr":
        return _cdr_key(message)
    return _arm_key(message, framed) if provider == "arm" else _onec_key(message)


def list_differences(requested: RequestKey, recorded: RequestKey) -> list[str]:
    """In what two questions differ: ``limit: 5, recorded 10``."""
    found = []
    for name in dict.fromkeys([*requested, *recorded]):
        one, other = requested.get(name), recorded.get(name)
        if one != other:
            found.append(f"{name}: {_format_value(one)}, recorded {_format_value(other)}")
    return found


def _format_value(value: str | None) -> str:
    if value is None:
        return "none"
    return value if len(value) <= 60 else value[:60] + "…"


def _cdr_key(request: bytes) -> RequestKey | None:
    parsed = ParsedRequest(request)
    if not parsed.readable:
        return None
    params = parsed.envelope.params
    if not isinstance(params, dict):
        return {}
    method = openrpc.load_methods().get(str(parsed.envelope.method))
    found = {}
    for name, value in params.items():
        default = method.params[name].default if method and name in method.params else None
        if name in CREDENTIALS or value is None or value == default:
            continue
        plain = _normalize_json(_with_default_order(value) if name == "sort" else value)
        found[name] = plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
    return found


def _with_default_order(sort: Any) -> Any:
    """Sort keys with the order that is meant when none is said."""
    if not isinstance(sort, list):
        return sort
    return [{"order": "asc", **key} if isinstance(key, dict) else key for key in sort]


def _normalize_json(value: Any) -> Any:
    """The same value with the members of its objects in order, and whole numbers as such."""
    if isinstance(value, dict):
        return {name: _normalize_json(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_normalize_json(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _arm_key(request: bytes, framed: bool) -> RequestKey | None:
    try:
        if framed:
            request = frames.decode_request(request).body
        if request.lstrip()[:1] == b"[":
            request = tree.to_xml(tree.decode(request))
        root = schema.parse(request)
    except CallmocksError:
        return None
    found: RequestKey = {}
    for element in root.iter("filters"):
        for name, value in element.attrib.items():
            text = str(value).strip()
            if name == "skip_incomplete":
                text = "false" if text in _FALSE else ""
            if text and (name, text) != ("offset", "0"):
                found[str(name)] = text
    return found


def _onec_key(request: bytes) -> RequestKey | None:
    try:
        call = envelope.read_message(request).payload
    except SoapError:
        return None
    found: RequestKey = {}
    for element in call.iter(PROPERTY):
        text = _property_text(element)
        if text:
            found[element.get("name", "").strip()] = text
    return found


def _property_text(element: etree._Element) -> str:
    text = (element[0].text or "").strip() if len(element) else ""
    date = DATE.fullmatch(text)
    return f"{date[1]}T00:00:00" if date else text.lower()
