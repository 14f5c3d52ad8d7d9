"""What the rest of callmocks asks about the Data API's messages: for faults and the journal."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from callmocks.cdr import limits
from callmocks.cdr.errors import RpcError, load_error_table
from callmocks.cdr.service import ParsedRequest
from callmocks.provider import base
from callmocks.tenants.exchange import Reply

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange

_BEFORE_AUTHENTICATION = frozenset(
    {
        "parse_error",
        "invalid_request",
        "method_not_found",
        "auth_error",
        "access_token_invalid",
        "access_token_expired",
        "access_token_blocked",
        "batch_opreations_not_supported",
        "notifications_not_supported",
    }
)


class CdrProvider:
    """The Data API, as ``provider.base`` wants to know it."""

    name = "cdr"

    def find_operation(self, exchange: Exchange) -> str:
        """The request's method."""
        method = ParsedRequest(exchange.request).envelope.method
        return method if isinstance(method, str) else ""

    def read_fields(self, request: bytes) -> dict[str, object]:
        """The envelope's and the parameters' names with their values; lists and trees whole."""
        sent = ParsedRequest(request).envelope
        found: dict[str, object] = {}
        for name in ("jsonrpc", "method"):
            if not isinstance(value := getattr(sent, name), msgspec.UnsetType):
                found[name] = value
        if isinstance(sent.id, msgspec.Raw):
            found["id"] = msgspec.json.decode(sent.id)
        if isinstance(sent.params, dict):
            found |= {f"params.{name}": value for name, value in sent.params.items()}
        return found

    def list_errors(self) -> Mapping[str, tuple[str, ...]]:
        """The mnemonics of the error table, each with what its message names."""
        return {name: ("field", "value", *_placeholders(name)) for name in load_error_table()}

    def error_reply(self, exchange: Exchange, name: str, params: Mapping[str, str]) -> Reply:
        """The vendor's error; substitutions of its message that are missing get likely values."""
        given = {**_default_params(exchange, name, params), **params}
        error = RpcError(name, given.pop("field", None), given.pop("value", None), given)
        if name not in _BEFORE_AUTHENTICATION:
            error.metadata = {"limits": limits.initial_limits(exchange, name, given)}
        return Reply(error.encode_response(ParsedRequest(exchange.request).envelope.echo_id))

    def unavailable_reply(self, exchange: Exchange, text: str) -> Reply:
        """``internal_error``; its text is the vendor's, the journal says more."""
        return Reply(
            RpcError("internal_error").encode_response(
                ParsedRequest(exchange.request).envelope.echo_id
            )
        )


def _default_params(exchange: Exchange, name: str, params: Mapping[str, str]) -> dict[str, Any]:
    settings = exchange.tenant.settings.cdr
    window = params.get("limit_type", "minute")
    values: dict[str, Any] = {
        "ip": exchange.peer,
        "components": "data_api_reports",
        "limit_type": window,
        "limit_max_value": settings.day_limit if window == "day" else settings.minute_limit,
        "error_message": "error",
    }
    return {key: value for key, value in values.items() if key in _placeholders(name)}


def _placeholders(name: str) -> tuple[str, ...]:
    """The substitutions of an error's message."""
    parts = string.Formatter().parse(load_error_table()[name].message)
    return tuple(dict.fromkeys(part for _, part, _, _ in parts if part))


def register() -> None:
    """Make the Data API known to faults and the journal."""
    base.register_provider(CdrProvider())
