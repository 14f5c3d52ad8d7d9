"""Messages from outside, held against the contract; requests by the very checks of the service."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import UNSET

from callmocks.cdr import methods, openrpc, validate_rows
from callmocks.cdr.errors import RpcError, load_error_table
from callmocks.cdr.harmless import is_personal
from callmocks.cdr.jsonrpc import (
    Envelope,
    Members,
    ParsedRequest,
    locate_json_error,
    split_members,
)
from callmocks.cdr.provider import CDR
from callmocks.cdr.schema_validation import explain_violations, format_value, matches_result_schema
from callmocks.contract.assumptions import load_default_choices
from callmocks.contract.findings import Findings, ValidationResult
from callmocks.contract.json_values import decode_json
from callmocks.tenants.detached import detached_exchange

_MAX_COMPARED_CHARS = 2000
_WINDOW_SECONDS = {"day": 86_400, "minute": 60}
# Codes observed on the wire where the document has others.
_OBSERVED_CODES = {"method_component_disabled": -32602, "parameter_component_disabled": -32602}


def is_response(body: bytes) -> bool:
    """Whether JSON is an answer: it has a result or an error, and no method."""
    members = split_members(body)
    if not members:
        return b'"method"' not in body and re.search(rb'"(result|error)"\s*:', body) is not None
    return "method" not in members and bool(members.keys() & {"result", "error"})


def validate_request(body: bytes) -> ValidationResult:
    found = Findings()
    result = ValidationResult("cdr", "JSON-RPC request", "request")
    parsed = ParsedRequest(body)
    if isinstance(parsed.envelope.method, str):
        result.operation = parsed.envelope.method
    error = parsed.error
    if parsed.has_byte_order_mark:
        found.add("byte 1", "no byte order mark", "one", "assumed", "cdr.byte-order-mark")
    if error is None:
        _check_params(parsed.envelope, found)
    elif parsed.json_error is not None:
        where, got = parsed.json_error
        found.add(where, "JSON", got)
    elif error.value is not None:
        where = error.field or "request"
        found.add(where, error.expected, format_value(where, error.value))
    else:
        got = "an array" if error.mnemonic == "batch_opreations_not_supported" else "none"
        found.add(error.field or "request", error.expected, got)
    result.findings = list(found)
    return result


def validate_response(
    body: bytes,
    request: bytes | None = None,
    status: int | None = None,
    choices: Mapping[str, str] | None = None,
) -> ValidationResult:
    """``request`` is what is answered, ``status`` the HTTP status, where they are known;
    ``choices`` are those of the ledger, its defaults without any.
    """
    found = Findings()
    result = ValidationResult("cdr", "JSON-RPC answer", "answer")
    if status is not None and status != 200:
        found.add("status", "200, errors travel with it too", status, "observed")
    try:
        members = msgspec.json.decode(body, type=Members)
        for raw in members.values():  # what is raw was not decoded
            decode_json(raw)
    except msgspec.ValidationError:
        found.add("answer", "an object", "something else")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        where, got = locate_json_error(body)
        found.add(where, "JSON", got)
    else:
        parsed = None if request is None else ParsedRequest(request)
        result.operation = _detect_method(parsed, members)
        _check_envelope(members, parsed, found)
        if "error" in members:
            _check_error(members["error"], found)
        elif "result" in members:
            chosen = choices or load_default_choices()
            _check_result(members["result"], result.operation, parsed, chosen, found)
    result.findings = list(found)
    return result


def _check_params(sent: Envelope, found: Findings) -> None:
    method = sent.method
    if method not in openrpc.load_methods():
        known = ", ".join(openrpc.load_methods())
        found.add("method", f"one of {known}, which callmocks knows", repr(sent.method))
        return
    params = {} if sent.params is UNSET else sent.params
    if not isinstance(params, dict):
        found.add("params", "an object", type(params).__name__)
        return
    exchange = detached_exchange(CDR)
    with suppress(RpcError):  # its violations are those of the exchange
        methods.check_params(exchange, method, params)
    assumed = "cdr.dates-reversed" in exchange.assumptions
    for each in exchange.violations:
        name = each.where.rpartition(".")[2]
        got = format_value(name, each.got) if is_personal(name) else each.got
        where, got = f"params.{each.where}", "none" if got == "None" else got
        if assumed and each.where == "date_from":
            found.add(where, each.expected, got, "assumed", "cdr.dates-reversed")
        else:
            found.add(where, each.expected, got)


def _detect_method(parsed: ParsedRequest | None, members: Members) -> str:
    """The method an answer is for: its request says so, otherwise the fields of its rows do."""
    if parsed is not None:
        method = parsed.envelope.method
        return method if isinstance(method, str) else ""
    try:
        result = decode_json(members.get("result", b"null"))
        data = result["data"]
        names = data.keys() if isinstance(data, dict) else data[0].keys()
    except (msgspec.DecodeError, AttributeError, IndexError, KeyError, TypeError):
        return ""
    if "access_token" in names:
        return "login.user"
    rows = {name: spec.row.keys() for name, spec in openrpc.load_methods().items() if spec.row}
    best = max(rows, key=lambda name: len(names & rows[name]))
    return best if names & rows[best] else ""


def _check_envelope(members: Members, parsed: ParsedRequest | None, found: Findings) -> None:
    if bytes(members.get("jsonrpc", b"")) != b'"2.0"':
        text = bytes(members.get("jsonrpc", b"none")).decode("utf-8", "replace")
        found.add("jsonrpc", 'the string "2.0"', text)
    response_id = members.get("id")
    if response_id is None:
        found.add("id", "the request's id", "none")
    elif parsed is not None:
        expected = bytes(parsed.echo_id)
        if decode_json(response_id) != decode_json(expected):
            found.add("id", f"the request's, {expected.decode()}", bytes(response_id).decode())
    elif "result" in members and not isinstance(decode_json(response_id), str | int | float):
        found.add("id", "a string or a number", bytes(response_id).decode())
    outcomes = [name for name in ("result", "error") if name in members]
    if len(outcomes) != 1:
        found.add("answer", "either result or error", " and ".join(outcomes) or "neither")


def _check_error(raw: msgspec.Raw, found: Findings) -> None:
    error = decode_json(raw)
    if not isinstance(error, dict):
        found.add("error", "an object", format_value("", error))
        return
    for name, kind in (("code", int), ("message", str), ("data", dict)):
        if not isinstance(error.get(name), kind):
            got = format_value(name, error[name]) if name in error else "none"
            found.add(f"error.{name}", {int: "a number", str: "a text"}.get(kind, "an object"), got)
    data = error.get("data")
    if not isinstance(data, dict):
        return
    explain_violations(data, openrpc.load_shared_schema("ErrorData"), "error.data", found)
    entry = load_error_table().get(str(data.get("mnemonic")))
    if entry is not None:
        codes = (entry.code, _OBSERVED_CODES.get(data["mnemonic"], entry.code))
        if error.get("code") not in codes:
            expected = f"{entry.code}, the code of {data['mnemonic']}"
            found.add("error.code", expected, error.get("code"))
        text = str(error.get("message"))
        # Whatever was substituted in the table's message.
        pattern = ".*".join(map(re.escape, re.split(r"{\w+}", entry.message)))
        if not re.fullmatch(pattern, text[:_MAX_COMPARED_CHARS], re.DOTALL):
            found.add("error.message", repr(entry.message), repr(text))
    limits = data.get("metadata")
    if isinstance(limits, dict):
        _check_limits(limits.get("limits"), "error.data.metadata.limits", found)


def _check_result(
    raw: msgspec.Raw,
    method: str,
    parsed: ParsedRequest | None,
    choices: Mapping[str, str],
    found: Findings,
) -> None:
    if method == "rpc.discover":
        return
    result = decode_json(raw)
    if not matches_result_schema(raw, method):
        schema = openrpc.get_result_schema(method)
        explain_violations(result, schema, "result", found)
    if not isinstance(result, dict):
        return
    metadata = result.get("metadata")
    if isinstance(metadata, dict):
        _check_limits(metadata.get("limits"), "result.metadata.limits", found)
    data = result.get("data")
    if openrpc.has_pages(method) and isinstance(data, list):
        rows = [row for row in data if isinstance(row, dict)]
        sent = None if parsed is None else parsed.envelope.params
        params = sent if isinstance(sent, dict) else None
        total = metadata.get("total_items") if isinstance(metadata, dict) else None
        validate_rows.check_rows(method, rows, total, params, choices, found)


def _check_limits(limits: Any, where: str, found: Findings) -> None:
    if not isinstance(limits, dict):
        return
    for window, seconds in _WINDOW_SECONDS.items():
        limit, left, reset = (limits.get(f"{window}_{n}") for n in ("limit", "remaining", "reset"))
        if isinstance(limit, int) and isinstance(left, int) and left > limit:
            found.add(f"{where}.{window}_remaining", f"{limit} at most", left)
        if isinstance(reset, int) and reset > seconds:
            found.add(f"{where}.{window}_reset", f"{seconds} seconds at most", reset)
