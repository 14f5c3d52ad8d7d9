from __future__ import annotations

import string
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from callmocks.cdr import account, jsonrpc, limits, openrpc
from callmocks.cdr.errors import ERRORS_WITHOUT_LIMITS, RpcError, load_error_table
from callmocks.cdr.faults import FAULT_TYPES
from callmocks.cdr.jsonrpc import ParsedRequest, read_request
from callmocks.config.types import PROVIDER_TITLES
from callmocks.contract.cached_property import cached_property
from callmocks.contract.journal import ResponseSummary
from callmocks.contract.json_values import decode_json
from callmocks.contract.listed_names import Operations
from callmocks.contract.message_size import DEEP, MAX_NESTING, find_json_excess
from callmocks.contract.nesting import is_json_too_deep
from callmocks.faults.base import MAX_COUNT
from callmocks.provider.base import Credential, Provider, RequestKey, WireExchange
from callmocks.provider.listeners import URL_PATHS
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.settings import TenantSettings, cdr_token_prefix

if TYPE_CHECKING:
    from aiohttp import web

    from callmocks.contract.findings import ValidationResult
    from callmocks.provider.harmless import HarmlessFields
    from callmocks.provider.recorded_rows import RowReader
    from callmocks.tenants.registry import Registry

_ENVELOPE_FIELDS = ("jsonrpc", "method", "id")
LOGIN, TOKEN = "CDR login", "CDR token"
_CODES_BEFORE_AUTHENTICATION = frozenset({-32700, -32600, -32601, -32001, -32099})


class CdrProvider(Provider):
    name = "cdr"
    title = PROVIDER_TITLES["cdr"]
    url_path = URL_PATHS["cdr"]
    credential_option = "token"
    proxy_port = 9087
    token_counters = frozenset({account.SESSION_COUNTER})
    session_operations = frozenset({"login.user", "logout.user"})
    window_fields = ("date_from", "date_till")
    secret_fields = openrpc.CREDENTIALS
    max_request_bytes = jsonrpc.MAX_BODY_BYTES
    fault_types = FAULT_TYPES

    def create_app(self, registry: Registry) -> web.Application:
        from callmocks.cdr.server import CdrServer

        return CdrServer(self, registry).create_app()

    def list_credentials(self, settings: TenantSettings) -> list[Credential]:
        cdr = settings.cdr
        tokens = [cdr.token, *cdr.blocked_tokens, *cdr.expired_tokens]
        return [
            Credential(LOGIN, cdr.login),
            *(Credential(TOKEN, token, secret=True) for token in tokens),
            Credential(TOKEN, cdr_token_prefix(settings.name), secret=True),
        ]

    def quota_kind(self, key: str) -> type[int] | None:
        return int if limits.POINTS_KEY.fullmatch(key) else None

    def find_operation(self, exchange: Exchange | WireExchange) -> str:
        if isinstance(exchange, Exchange):
            method = read_request(exchange).envelope.method
        else:
            method = ParsedRequest(exchange.request).envelope.method
        return method if isinstance(method, str) else ""

    def find_content_excess(self, request: bytes, transport: str) -> str:
        if excess := find_json_excess(request, jsonrpc.MAX_VALUES):
            return excess
        return DEEP if is_json_too_deep(request, MAX_NESTING) else ""

    def read_fields(self, request: bytes) -> dict[str, object]:
        sent = ParsedRequest(request).envelope
        found: dict[str, object] = {}
        for name in ("jsonrpc", "method"):
            if not isinstance(value := getattr(sent, name), msgspec.UnsetType):
                found[name] = value
        if isinstance(sent.id, msgspec.Raw):
            found["id"] = decode_json(sent.id)
        if isinstance(sent.params, dict):
            found |= {f"params.{name}": value for name, value in sent.params.items()}
        return found

    @cached_property
    def operations(self) -> Operations:
        return {
            name: (*_ENVELOPE_FIELDS, *(f"params.{param}" for param in method.params))
            for name, method in openrpc.load_methods().items()
        }

    def request_key(self, request: bytes, transport: str = "http") -> RequestKey | None:
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
            if name in openrpc.CREDENTIALS or value is None or value == default:
                continue
            if name == "sort" and isinstance(value, list):
                value = [{"order": "asc", **key} if isinstance(key, dict) else key for key in value]
            found[name] = _write_key_value(_normalize_json(value))
        return found

    def describe_value(self, name: str, value: object) -> str:
        if name == "filter":
            return _describe_filter(value)
        if name == "sort" and isinstance(value, list):
            return ", ".join(_describe_sort_key(key) for key in value)
        if name == "fields" and isinstance(value, list):
            return ", ".join(map(_write_json, value))
        return _write_json(value)

    def summarize_response(self, response: bytes) -> ResponseSummary:
        try:
            read = _response_decoder.decode(response)
            if read.error is not None:
                data = read.error.data if isinstance(read.error.data, dict) else {}
                return ResponseSummary.of_error(str(data.get("mnemonic") or read.error.code))
            if read.result is None or bytes(memoryview(read.result.data)[:1]) != b"[":
                return ResponseSummary()
            rows, total = _rows_decoder.decode(read.result.data), read.result.metadata
            return ResponseSummary("", len(rows), total.total_items)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ResponseSummary()

    def preload_validator(self, contract: str) -> None:
        from callmocks.cdr import validate

        validate.validate_request(b"{}")

    def validate_request(self, exchange: WireExchange, contract: str) -> ValidationResult:
        from callmocks.cdr import validate

        return validate.validate_request(exchange.request)

    def validate_response(self, exchange: WireExchange, contract: str) -> ValidationResult:
        from callmocks.cdr import validate

        request = exchange.request or None
        return validate.validate_response(exchange.response, request, exchange.status)

    def load_harmless_fields(self) -> HarmlessFields:
        from callmocks.cdr import harmless

        return harmless.load_harmless_fields()

    def replay_reply(self, exchange: Exchange, recorded: WireExchange) -> Reply | None:
        body = recorded.response
        response = jsonrpc.split_members(body)
        request = read_request(exchange)
        if response and request.readable:
            if bytes(response.get("id", b"null")) != b"null":
                response["id"] = request.echo_id
            body = msgspec.json.encode(response)
        return Reply(body, recorded.status, recorded.content_type or "application/json")

    async def find_refusal(self, exchange: Exchange) -> Reply | None:
        from callmocks.cdr import service

        return await service.find_refusal(exchange)

    def make_row_reader(self) -> RowReader:
        from callmocks.cdr import recorded_rows

        return recorded_rows.CdrRowReader()

    def no_match_reply(self, exchange: Exchange, text: str) -> Reply:
        return self.error_reply(exchange, "error", {"error_message": text})

    def list_errors(self) -> Mapping[str, tuple[str, ...]]:
        return {name: ("field", "value", *_placeholders(name)) for name in load_error_table()}

    def error_reply(self, exchange: Exchange, name: str, params: Mapping[str, str]) -> Reply:
        """The vendor's error; substitutions of its message that are missing get likely values."""
        given = {**_default_params(exchange, name, params), **params}
        error = RpcError(name, given.pop("field", None), given.pop("value", None), given)
        if error.code not in _CODES_BEFORE_AUTHENTICATION and name not in ERRORS_WITHOUT_LIMITS:
            spent = given.get("limit_type") if name == "limit_exceeded" else None
            error.metadata = {"limits": limits.initial_limits(exchange, spent)}
        return jsonrpc.make_error_reply(error, read_request(exchange).echo_id)

    def unavailable_reply(self, exchange: Exchange, text: str) -> Reply:
        request_id = read_request(exchange).echo_id
        return jsonrpc.make_error_reply(RpcError("internal_error"), request_id)

    def with_wrong_id(self, exchange: Exchange, reply: Reply) -> Reply | None:
        response = jsonrpc.split_members(reply.body)
        if "id" not in response:
            return None
        other = _change_id(decode_json(response["id"]))
        response["id"] = msgspec.Raw(msgspec.json.encode(other))
        return replace(reply, body=msgspec.json.encode(response))


def _change_id(id: object) -> str | float:
    if isinstance(id, str):
        return f"{id}x"
    # Beyond these, the next number may be the same one for a client that reads doubles.
    if isinstance(id, int | float) and abs(id) <= MAX_COUNT:
        return id + 1
    return 1


class _ResponseError(msgspec.Struct):
    code: Any = None
    data: Any = None


class _ResponseMetadata(msgspec.Struct, frozen=True):
    total_items: int | None = None


class _ResponseResult(msgspec.Struct):
    metadata: _ResponseMetadata = _ResponseMetadata()
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Response(msgspec.Struct):
    result: _ResponseResult | None = None
    error: _ResponseError | None = None


_response_decoder = msgspec.json.Decoder(_Response)
_rows_decoder = msgspec.json.Decoder(list[msgspec.Raw])


def _describe_filter(tree: object) -> str:
    """``direction = in and (duration > 10 or is_lost = true)``."""
    if not isinstance(tree, dict):
        return msgspec.json.encode(tree).decode()
    parts = tree.get("filters")
    if not isinstance(parts, list):
        return " ".join(
            _write_json(tree[name]) for name in ("field", "operator", "value") if name in tree
        )
    texts = [
        f"({_describe_filter(part)})"
        if isinstance(part, dict) and "filters" in part
        else _describe_filter(part)
        for part in parts
    ]
    return f" {_write_json(tree.get('condition', 'and'))} ".join(texts)


def _describe_sort_key(key: object) -> str:
    if not isinstance(key, dict):
        return _write_json(key)
    return " ".join(_write_json(key[name]) for name in ("field", "order") if name in key)


def _write_json(value: object) -> str:
    """A string without its quotes."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _write_key_value(value: object) -> str:
    """A string without its quotes, unless it would read as another value: ``"5"`` is not 5."""
    if isinstance(value, str):
        try:
            decode_json(value)
        except (msgspec.DecodeError, RecursionError):
            return value
    return msgspec.json.encode(value).decode()


def _normalize_json(value: Any) -> Any:
    """Members of objects in order, whole numbers as such."""
    if isinstance(value, dict):
        return {name: _normalize_json(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_normalize_json(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _default_params(exchange: Exchange, name: str, params: Mapping[str, str]) -> dict[str, Any]:
    settings = exchange.tenant.settings.cdr
    window = params.get("limit_type", "minute")
    values: dict[str, Any] = {
        "ip": exchange.requester.ip,
        "components": "data_api_reports",
        "limit_type": window,
        "limit_max_value": settings.day_limit if window == "day" else settings.minute_limit,
        "error_message": "error",
    }
    return {key: value for key, value in values.items() if key in _placeholders(name)}


def _placeholders(name: str) -> tuple[str, ...]:
    parts = string.Formatter().parse(load_error_table()[name].message)
    return tuple(dict.fromkeys(part for _, part, _, _ in parts if part))


CDR = CdrProvider()
