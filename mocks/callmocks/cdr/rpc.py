"""What is used of jsonrpcserver; version 5 reads its own schema in a deprecated way."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from jsonrpcserver.async_dispatcher import dispatch_to_response_pure as dispatch
    from jsonrpcserver.exceptions import JsonRpcError
    from jsonrpcserver.result import Success
    from oslash.either import Right

__all__ = ["JsonRpcError", "Right", "Success", "dispatch"]
