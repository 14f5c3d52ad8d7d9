"""A request's way through the Data API, free of sockets.

::

    bytes ─ envelope ─ method ─ token, account ─ limits ─ parameters ─ data ─ point ─ answer

The order is the contract's (assumed). jsonrpcserver dispatches; its reader and validator are
replaced by the vendor's rules, and its error objects by the vendor's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

from callmocks.cdr import account, envelope, openrpc, selfcheck
from callmocks.cdr.errors import RpcError
from callmocks.cdr.limits import Points
from callmocks.cdr.methods import METHODS, Answer, Data
from callmocks.cdr.rows import Pieces
from callmocks.cdr.rpc import Right, Success, dispatch
from callmocks.tenancy.exchange import Reply

if TYPE_CHECKING:
    from callmocks.cdr.envelope import Envelope
    from callmocks.tenancy.exchange import Exchange

_MISTAKES = frozenset({-32700, -32600, -32601, -32602, -32099})
"""Codes of errors that say the request breaks the contract."""


async def handle(exchange: Exchange, read: Read | None = None) -> Reply:
    """Answer an exchange; ``read`` is its request when that was read already."""
    if read is None or read.body is not exchange.request:
        read = Read(exchange.request)
    dialogue = _Dialogue(exchange, read)
    body = await dispatch(
        deserializer=dialogue.deserialize,
        validator=dialogue.validate,
        methods=_TABLE,
        context=dialogue,
        post_process=dialogue.finish,
        request="",
    )
    return Reply(cast("bytes", body))


class Read:
    """A body that was read: its envelope, or the error that kept it from being one."""

    __slots__ = ("body", "envelope", "error")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.error: RpcError | None = None
        try:
            self.envelope = envelope.read(body)
        except RpcError as error:
            self.envelope, self.error = envelope.Envelope(), error


class _Dialogue:
    """One request and its answer, as jsonrpcserver is led through them."""

    def __init__(self, exchange: Exchange, read: Read) -> None:
        self.exchange = exchange
        self._read = read
        self._error = read.error
        self._points = Points(exchange)
        self._authenticated = False

    @property
    def envelope(self) -> Envelope:
        return self._read.envelope

    def deserialize(self, _: str) -> dict[str, Any]:
        if self._error is not None:
            raise self._error
        sent = self.envelope
        if isinstance(sent.method, str):
            self.exchange.operation = sent.method
        return {"method": sent.method, "params": {}, "id": sent.echo_id}

    def validate(self, request: Any) -> Any:
        try:
            self.envelope.check()
        except RpcError as error:
            self._error = error
            raise
        return request

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
        selfcheck.check_envelope(self.exchange, limits, data.total, data.shown)
        metadata = msgspec.json.encode({"limits": limits})
        if data.total is not None:
            metadata = b'{"total_items":%d,' % data.total + metadata[1:]
        return b'{"metadata":', metadata, b',"data":', *data.body, b"}"

    async def fail(self, error: RpcError) -> None:
        """Remember an error, with the limits when it came after authentication."""
        if self._authenticated and self.exchange.assume("cdr.error-limits") == "present":
            error.metadata = {"limits": await self._points.shown()}
        self._error = error

    def finish(self, response: Any) -> bytes:
        """The bytes of the answer; jsonrpcserver's own errors become the vendor's."""
        if isinstance(response, Right):
            success = response._value
            head = b'{"jsonrpc":"2.0","id":%b,"result":' % bytes(success.id)
            return b"".join((head, *success.result, b"}"))
        failure = response._error
        error = self._error
        if error is None:
            known = failure.code == -32601
            sent = self.envelope.method if known else None
            error = RpcError(
                "method_not_found" if known else "internal_error", "method" if known else None, sent
            )
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
            return Success(await dialogue.answer(name, method))
        except RpcError as error:
            await dialogue.fail(error)
            raise
        except Exception as defect:
            dialogue.exchange.notes.append(f"internal error: {type(defect).__name__}: {defect}")
            await dialogue.fail(RpcError("internal_error"))
            raise  # jsonrpcserver logs it

    return call


async def _discover(_: _Dialogue) -> Any:
    return Success((bytes(openrpc.source()),))


_TABLE: dict[str, Any] = {name: _served(name, method) for name, method in METHODS.items()}
_TABLE["rpc.discover"] = _discover
