"""A request's way through the Data API, free of sockets.

1. ``jsonrpc`` decodes the body and checks the envelope.
2. jsonrpcserver finds the method.
3. ``account`` checks the token; errors from here on show the limits.
4. ``account`` checks address, account, component, points and user.
5. The method checks its parameters and makes its data.
6. ``limits`` takes the point of a successful call.
7. ``jsonrpc`` encodes the result or the error.

The order is the contract's (assumed).
"""

import logging
import warnings
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET

from callmocks.cdr import account, openrpc, self_check
from callmocks.cdr.errors import ERRORS_WITHOUT_LIMITS, RpcError
from callmocks.cdr.jsonrpc import (
    NULL_ID,
    ParsedRequest,
    encode_error,
    encode_result,
    make_error_reply,
    read_long_request,
)
from callmocks.cdr.limits import PointLimits, RateLimiter
from callmocks.cdr.methods import METHODS, MethodHandler, check_params
from callmocks.cdr.openrpc import CREDENTIALS, Params, load_methods
from callmocks.cdr.rows import JsonChunks, MethodData
from callmocks.contract.garbage import drop_frames
from callmocks.errors import OutOfDescriptors, TooManyRows, Unavailable
from callmocks.tenants.descriptors import is_out_of_descriptors
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.worker import LONG_REQUEST_BYTES, run_in_worker

with warnings.catch_warnings():  # jsonrpcserver 5 reads its own schema in a deprecated way
    warnings.simplefilter("ignore", DeprecationWarning)
    from jsonrpcserver.async_dispatcher import call
    from jsonrpcserver.codes import ERROR_INTERNAL_ERROR
    from jsonrpcserver.dispatcher import get_method
    from jsonrpcserver.methods import Method
    from jsonrpcserver.request import Request
    from jsonrpcserver.result import Error, Result, Success
    from oslash.either import Left

# Codes of errors that say the request breaks the contract.
CLIENT_ERROR_CODES = frozenset({-32700, -32600, -32601, -32602, -32099})
# Spelt as in the vendor's documents; it comes with versions that are deprecated.
API_VERSION = {
    "current_version_depricated": True,
    "current_version": "v2.0",
    "latest_version": "v3.0",
}

_log = logging.getLogger(__name__)


async def handle_request(exchange: Exchange) -> Reply:
    parsed = await read_long_request(exchange)
    method = _find_method(exchange, parsed)
    if isinstance(method, RpcError):
        result = _make_error(exchange, method)
    else:
        # As one positional argument: the contract checks the parameters, not a Python signature,
        # which jsonrpcserver's dispatch would ask for at every request.
        request = Request(exchange.operation, [parsed.envelope.params], parsed.echo_id)
        result = await call(request, exchange, method)
    if not isinstance(result, Left):
        return Reply(encode_result(parsed.echo_id, result._value.result))
    error = result._error
    if isinstance(error.data, Unavailable):
        raise error.data
    return Reply(encode_error(parsed.echo_id, error._asdict()))


async def find_refusal(exchange: Exchange) -> Reply | None:
    """The error of an envelope or of parameters that the contract refuses.

    Credentials, account and points are not checked.
    """
    parsed, name = await read_long_request(exchange), exchange.operation
    if parsed.error is None and name not in METHODS:
        return None
    method = _find_method(exchange, parsed)
    error = method if isinstance(method, RpcError) else None
    if error is None:
        check = partial(_check_request, exchange, name, parsed.envelope.params)
        is_long = len(exchange.request) > LONG_REQUEST_BYTES
        error = await run_in_worker(check) if is_long else check()
        if error is not None:
            await _add_limits(exchange, name, error, RateLimiter(exchange))
    if error is None:
        return None
    _make_error(exchange, error)
    return make_error_reply(error, parsed.echo_id)


def _check_request(exchange: Exchange, name: str, params: object) -> RpcError | None:
    try:
        given = _require_object(exchange, params)
        required = CREDENTIALS.intersection(load_methods()[name].required)
        check_params(exchange, name, given | dict.fromkeys(required, ""))  # any credentials will do
    except RpcError as refused:
        return drop_frames(refused)
    return None


def _find_method(exchange: Exchange, parsed: ParsedRequest) -> Method | RpcError:
    name = parsed.envelope.method
    if isinstance(name, str):
        exchange.operation = name
    if parsed.has_byte_order_mark and _refuses_byte_order_mark(exchange):
        parsed.echo_id = NULL_ID
        exchange.add_violation("byte 1", "JSON", "a byte order mark")
        return RpcError("parse_error")
    if parsed.error is not None:
        if parsed.json_error is not None:
            where, reason = parsed.json_error
            exchange.add_violation(where, "JSON", reason)
        return parsed.error
    found = get_method(_RPC_METHODS, name)
    if isinstance(found, Left):
        return RpcError("method_not_found", "method", name, expected="a served method")
    served: Method = found._value
    return served


def _refuses_byte_order_mark(exchange: Exchange) -> bool:
    return exchange.use_assumption("cdr.byte-order-mark") == "parse_error"


def _make_error(exchange: Exchange, error: RpcError) -> Result:
    """The error as jsonrpcserver's; the journal gets what the client did wrong."""
    if error.code in CLIENT_ERROR_CODES and not exchange.violations:
        exchange.add_violation(error.field or "request", error.expected, error.got)
    return Error(**error.build_error_object())


async def _call_method(
    name: str, handler: MethodHandler, exchange: Exchange, params: object
) -> Result:
    try:
        return await _answer_method(name, handler, exchange, params)
    except Unavailable as error:  # the pipeline's; jsonrpcserver lets no exception through
        return Error(ERROR_INTERNAL_ERROR, str(error), error)


async def _answer_method(
    name: str, handler: MethodHandler, exchange: Exchange, params: object
) -> Result:
    limiter = RateLimiter(exchange)
    authenticated = False
    try:
        params = _require_object(exchange, params)
        if name != "login.user":  # it is what authenticates
            await account.check_token(exchange, params.get("access_token"))
            authenticated = True
            await account.authorize(exchange, name, params, limiter)
        data = await handler(exchange, params)
        authenticated = True
        limits = await (limiter.spend_point() if data.points else limiter.get_limits())
        return Success(_encode_data(exchange, data, limits))
    except RpcError as refused:
        error = drop_frames(refused)
    except TooManyRows as refused:
        error = RpcError("error", params={"error_message": str(refused)})
    except Unavailable:
        raise
    except Exception as defect:
        if is_out_of_descriptors(defect):
            raise OutOfDescriptors from defect
        exchange.notes.append(f"internal error: {type(defect).__name__}: {defect}")
        _log.exception("internal error in %s", name)
        error = RpcError("internal_error")
    if authenticated:
        await _add_limits(exchange, name, error, limiter)
    return _make_error(exchange, error)


def _require_object(exchange: Exchange, params: object) -> Params:
    params = {} if params is UNSET else params
    if not isinstance(params, dict):
        exchange.use_assumption("cdr.params-type")
        raise RpcError("data_type_error", "params", params, expected="an object")
    return params


async def _add_limits(exchange: Exchange, name: str, error: RpcError, limiter: RateLimiter) -> None:
    if error.mnemonic in ERRORS_WITHOUT_LIMITS:
        return
    choice = exchange.use_assumption("cdr.error-limits")
    if choice == "present" or (choice == "get-methods" and name.startswith("get.")):
        error.metadata = _make_metadata(exchange, await limiter.get_limits())


def _encode_data(exchange: Exchange, data: MethodData, limits: PointLimits) -> JsonChunks:
    self_check.check_limits(exchange, limits)
    exchange.row_count, exchange.total = data.row_count, data.total
    metadata = msgspec.json.encode(_make_metadata(exchange, limits))
    if data.total is not None:
        metadata = b'{"total_items":%d,' % data.total + metadata[1:]
    return b'{"metadata":', metadata, b',"data":', *data.body, b"}"


def _make_metadata(exchange: Exchange, limits: PointLimits) -> dict[str, Any]:
    # By default there is nothing to see of it: the journal names it only where it is chosen.
    if exchange.tenant.assumptions.choices["cdr.api-version"] == "deprecated":
        exchange.use_assumption("cdr.api-version")
        return {"api_version": API_VERSION, "limits": limits}
    return {"limits": limits}


async def _discover_methods(exchange: Exchange, _params: object) -> Result:
    url = exchange.requester.origin + exchange.provider.url_path
    return Success((bytes(openrpc.load_source(url)),))


_RPC_METHODS: dict[str, Method] = {
    name: partial(_call_method, name, handler) for name, handler in METHODS.items()
}
_RPC_METHODS["rpc.discover"] = _discover_methods
