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
from callmocks.cdr.limits import Points
from callmocks.cdr.methods import METHODS, Answer, Data
from callmocks.cdr.rows import Pieces
from callmocks.cdr.rpc import Request, Right, Success, dispatch_request
from callmocks.errors import StateError
from callmocks.tenants.exchange import Reply

if TYPE_CHECKING:
    from callmocks.cdr.jsonrpc import Envelope
    from callmocks.tenants.exchange import Exchange

_MISTAKES = frozenset({-32700, -32600, -32601, -32602, -32099})
"""Codes of errors that say the request breaks the contract."""


async def handle(exchange: Exchange, read: Read | None = None) -> Reply:
    """Answer an exchange; ``read`` is its request when that was read already."""
    if read is None or read.body is not exchange.request:
        read = Read(exchange.request)
    dialogue = _Dialogue(exchange, read)
    try:
        name = dialogue.method()
    except RpcError as error:
        return Reply(dialogue.failure(error))
    request = Request(name, {}, None)  # the methods read their parameters from the dialogue
    _, result = await dispatch_request(_TABLE, dialogue, request)
    if dialogue.unreachable is not None:
        raise dialogue.unreachable
    if isinstance(result, Right):
        return Reply(dialogue.success(cast("Pieces", result._value.result)))
    return Reply(dialogue.failure(dialogue.error or _as_vendor(result._error, name)))


def _as_vendor(failure: Any, method: str) -> RpcError:
    """jsonrpcserver's own error as the vendor's."""
    if failure.code == -32601:
        return RpcError("method_not_found", "method", method)
    return RpcError("internal_error")


class Read:
    """A body that was read: its envelope, or the error that kept it from being one."""

    __slots__ = ("body", "envelope", "error")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.error: RpcError | None = None
        try:
            self.envelope = jsonrpc.read(body)
        except RpcError as error:
            self.envelope, self.error = jsonrpc.Envelope(), error


class _Dialogue:
    """One request and its answer, as jsonrpcserver is led through them."""

    def __init__(self, exchange: Exchange, read: Read) -> None:
        self.exchange = exchange
        self.error: RpcError | None = None
        """What went wrong in the method, if anything."""
        self.unreachable: StateError | None = None
        """What replicas share could not be reached."""
        self._read = read
        self._points = Points(exchange)
        self._authenticated = False

    @property
    def envelope(self) -> Envelope:
        return self._read.envelope

    def method(self) -> str:
        """The method that is called; ``RpcError`` when the envelope breaks its rules."""
        if self._read.error is not None:
            raise self._read.error
        sent = self.envelope
        if isinstance(sent.method, str):
            self.exchange.operation = sent.method
        sent.check()
        return cast("str", sent.method)

    async def answer(self, name: str, method: Answer) -> Pieces:
        """The result of a method, when the request is let in; ``login.user`` lets itself in."""
        sent = self.envelope.params
        params = {} if isinstance(sent, msgspec.UnsetType) else sent
        if not isinstance(params, dict):
            raise RpcError("data_type_error", "params", params, expected="an object")
        if name != "login.user":
            await self._let_in(name, params)
        data = await method(self.exchange, params)
        self._authenticated = True
        await self._points.spend()
        return await self._result(data)

    async def _let_in(self, method: str, params: dict[str, Any]) -> None:
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
            await self._points.require()
        except RpcError:
            if exchange.assume("cdr.check-order") == "limits-first":
                raise
        if method not in ("logout.user", "get.customer_users"):
            account.check_user(exchange, params)

    async def _result(self, data: Data) -> Pieces:
        limits = await self._points.shown()
        self_check.check_envelope(self.exchange, limits, data.total, data.shown)
        metadata = msgspec.json.encode({"limits": limits})
        if data.total is not None:
            metadata = b'{"total_items":%d,' % data.total + metadata[1:]
        return b'{"metadata":', metadata, b',"data":', *data.body, b"}"

    async def fail(self, error: RpcError) -> None:
        """Remember an error, with the limits when it came after authentication."""
        if self._authenticated and self.exchange.assume("cdr.error-limits") == "present":
            error.metadata = {"limits": await self._points.shown()}
        self.error = error

    def success(self, result: Pieces) -> bytes:
        """The bytes of an answer with a result."""
        head = b'{"jsonrpc":"2.0","id":%b,"result":' % bytes(self.envelope.echo_id)
        return b"".join((head, *result, b"}"))

    def failure(self, error: RpcError) -> bytes:
        """The bytes of an answer with an error."""
        self._journal(error)
        return error.answer(self.envelope.echo_id)

    def _journal(self, error: RpcError) -> None:
        if error.code in _MISTAKES and not self.exchange.violations:
            where = error.field or "request"
            self.exchange.violated(where, error.expected, str(error.value))


def _served(name: str, method: Answer) -> Any:
    """A method as jsonrpcserver calls it."""

    async def call(dialogue: _Dialogue) -> Any:
        try:
            try:
                return Success(await dialogue.answer(name, method))
            except RpcError as error:
                await dialogue.fail(error)
                raise
            except StateError:
                raise
            except Exception as defect:
                dialogue.exchange.notes.append(f"internal error: {type(defect).__name__}: {defect}")
                await dialogue.fail(RpcError("internal_error"))
                raise  # jsonrpcserver logs it
        except StateError as error:
            dialogue.unreachable = error
            raise RpcError("internal_error") from None  # known to jsonrpcserver: it stays calm

    return _signed(call)


def _signed(method: Any) -> Any:
    """A method that has its signature at hand: jsonrpcserver asks for it at every call."""
    method.__signature__ = inspect.signature(method)
    return method


async def _discover(_: _Dialogue) -> Any:
    return Success((bytes(openrpc.source()),))


_TABLE: dict[str, Any] = {name: _served(name, method) for name, method in METHODS.items()}
_TABLE["rpc.discover"] = _signed(_discover)
