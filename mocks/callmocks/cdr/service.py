"""A request's way through the Data API, free of sockets.

::

    bytes ─ envelope ─ method ─ token, account ─ limits ─ parameters ─ data ─ point ─ answer

The order is the contract's (assumed). jsonrpcserver dispatches; the request is read and checked
by the vendor's rules, and the error objects are the vendor's.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, cast

import msgspec

from callmocks.cdr import account, jsonrpc, openrpc, self_check
from callmocks.cdr.errors import RpcError
from callmocks.cdr.limits import RateLimiter
from callmocks.cdr.methods import METHODS, MethodData, MethodHandler
from callmocks.cdr.rows import JsonChunks
from callmocks.cdr.rpc import Request, Right, Success, dispatch_request
from callmocks.errors import StateError
from callmocks.tenants.exchange import Reply

if TYPE_CHECKING:
    from callmocks.cdr.jsonrpc import Envelope
    from callmocks.tenants.exchange import Exchange

CLIENT_ERROR_CODES = frozenset({-32700, -32600, -32601, -32602, -32099})
"""Codes of errors that say the request breaks the contract."""


async def handle(exchange: Exchange, read: ParsedRequest | None = None) -> Reply:
    """Answer an exchange; ``read`` is its request when that was read already."""
    if read is None or read.body is not exchange.request:
        read = ParsedRequest(exchange.request)
    dialogue = RpcCall(exchange, read)
    try:
        name = dialogue.check_envelope()
    except RpcError as error:
        return Reply(dialogue.encode_failure(error))
    request = Request(name, {}, None)  # the methods read their parameters from the dialogue
    _, result = await dispatch_request(_RPC_METHODS, dialogue, request)
    if dialogue.state_error is not None:
        raise dialogue.state_error
    if isinstance(result, Right):
        return Reply(dialogue.encode_success(cast("JsonChunks", result._value.result)))
    return Reply(
        dialogue.encode_failure(dialogue.error or _convert_library_error(result._error, name))
    )


def _convert_library_error(failure: Any, method: str) -> RpcError:
    """jsonrpcserver's own error as the vendor's."""
    if failure.code == -32601:
        return RpcError("method_not_found", "method", method)
    return RpcError("internal_error")


class ParsedRequest:
    """A body that was read: its envelope, or the error that kept it from being one."""

    __slots__ = ("body", "envelope", "error")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.error: RpcError | None = None
        try:
            self.envelope = jsonrpc.decode_envelope(body)
        except RpcError as error:
            self.envelope, self.error = jsonrpc.Envelope(), error


class RpcCall:
    """One request and its answer, as jsonrpcserver is led through them."""

    def __init__(self, exchange: Exchange, read: ParsedRequest) -> None:
        self.exchange = exchange
        self.error: RpcError | None = None
        """What went wrong in the method, if anything."""
        self.state_error: StateError | None = None
        """What replicas share could not be reached."""
        self._read = read
        self._rate_limiter = RateLimiter(exchange)
        self._authenticated = False

    @property
    def envelope(self) -> Envelope:
        return self._read.envelope

    def check_envelope(self) -> str:
        """The method that is called; ``RpcError`` when the envelope breaks its rules."""
        if self._read.error is not None:
            raise self._read.error
        sent = self.envelope
        if isinstance(sent.method, str):
            self.exchange.operation = sent.method
        sent.check()
        return cast("str", sent.method)

    async def call_method(self, name: str, method: MethodHandler) -> JsonChunks:
        """The result of a method, when the request is let in; ``login.user`` lets itself in."""
        sent = self.envelope.params
        params = {} if isinstance(sent, msgspec.UnsetType) else sent
        if not isinstance(params, dict):
            raise RpcError("data_type_error", "params", params, expected="an object")
        if name != "login.user":
            await self._authorize(name, params)
        data = await method(self.exchange, params)
        self._authenticated = True
        await self._rate_limiter.spend_point()
        return await self._encode_result(data)

    async def _authorize(self, method: str, params: dict[str, Any]) -> None:
        """Token, address, account, method's component, points, user: in this order."""
        exchange, given = self.exchange, params.get("access_token")
        if given is None:
            raise RpcError("required_parameter_missed", "access_token", expected="a string")
        if not isinstance(given, str):
            raise RpcError("data_type_error", "access_token", given, expected="a string")
        await account.check_token(exchange, given)
        self._authenticated = True
        account.check_account(exchange)
        account.check_method(exchange, method)
        try:
            await self._rate_limiter.check_available()
        except RpcError:
            if exchange.use_assumption("cdr.check-order") == "limits-first":
                raise
        if method not in ("logout.user", "get.customer_users"):
            account.check_user(exchange, params)

    async def _encode_result(self, data: MethodData) -> JsonChunks:
        limits = await self._rate_limiter.get_limits()
        self_check.check_envelope(self.exchange, limits, data.total, data.page_rows)
        metadata = msgspec.json.encode({"limits": limits})
        if data.total is not None:
            metadata = b'{"total_items":%d,' % data.total + metadata[1:]
        return b'{"metadata":', metadata, b',"data":', *data.body, b"}"

    async def record_error(self, error: RpcError) -> None:
        """Remember an error, with the limits when it came after authentication."""
        if self._authenticated and self.exchange.use_assumption("cdr.error-limits") == "present":
            error.metadata = {"limits": await self._rate_limiter.get_limits()}
        self.error = error

    def encode_success(self, result: JsonChunks) -> bytes:
        """The bytes of an answer with a result."""
        head = b'{"jsonrpc":"2.0","id":%b,"result":' % bytes(self.envelope.echo_id)
        return b"".join((head, *result, b"}"))

    def encode_failure(self, error: RpcError) -> bytes:
        """The bytes of an answer with an error."""
        self._record_violation(error)
        return error.encode_response(self.envelope.echo_id)

    def _record_violation(self, error: RpcError) -> None:
        if error.code in CLIENT_ERROR_CODES and not self.exchange.violations:
            where = error.field or "request"
            self.exchange.add_violation(where, error.expected, str(error.value))


def _make_rpc_method(name: str, method: MethodHandler) -> Any:
    """A method as jsonrpcserver calls it."""

    async def call_method(dialogue: RpcCall) -> Any:
        try:
            try:
                return Success(await dialogue.call_method(name, method))
            except RpcError as error:
                await dialogue.record_error(error)
                raise
            except StateError:
                raise
            except Exception as defect:
                dialogue.exchange.notes.append(f"internal error: {type(defect).__name__}: {defect}")
                await dialogue.record_error(RpcError("internal_error"))
                raise  # jsonrpcserver logs it
        except StateError as error:
            dialogue.state_error = error
            raise RpcError("internal_error") from None  # known to jsonrpcserver: it stays calm

    return _attach_signature(call_method)


def _attach_signature(method: Any) -> Any:
    """A method that has its signature at hand: jsonrpcserver asks for it at every call."""
    method.__signature__ = inspect.signature(method)
    return method


async def _discover_methods(_: RpcCall) -> Any:
    return Success((bytes(openrpc.load_source()),))


_RPC_METHODS: dict[str, Any] = {
    name: _make_rpc_method(name, method) for name, method in METHODS.items()
}
_RPC_METHODS["rpc.discover"] = _attach_signature(_discover_methods)
