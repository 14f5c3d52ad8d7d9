"""What is used of jsonrpcserver; version 5 reads its own schema in a deprecated way.

Only its dispatch of one request: the vendor has no batches and no notifications, and the step
around it that gathers the requests of a batch took as long as a page of rows.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from jsonrpcserver.async_dispatcher import dispatch_request
    from jsonrpcserver.exceptions import JsonRpcError
    from jsonrpcserver.request import Request
    from jsonrpcserver.result import Success
    from oslash.either import Right

__all__ = ["JsonRpcError", "Request", "Right", "Success", "dispatch_request"]
