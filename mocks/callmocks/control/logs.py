"""A line of JSON for every request, with an id.

A request to control has the id its client sent as ``X-Request-Id`` (or a number) and gets it
back. An exchange with a provider has its tenant and its number in the journal, ``demo-17``: real
providers send no such header.
"""

import itertools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TextIO

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from callmocks.control.metrics import MAX_OPERATION_CHARS
from callmocks.history.clock import read_stopwatch
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.http_head import find_trace_parent

REQUEST_ID_HEADER = "X-Request-Id"
# Of the request that this task answers.
_request_id: ContextVar[str] = ContextVar("request_id", default="")


def make_logger(file: TextIO) -> Any:
    import structlog

    return structlog.wrap_logger(
        structlog.PrintLogger(file),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.BoundLogger,
    )


def make_observer(log: Any) -> Callable[[Exchange, Reply, float], None]:
    def log_exchange(exchange: Exchange, reply: Reply, seconds: float) -> None:
        tenant = exchange.tenant
        parent = find_trace_parent(exchange.head)
        log.info(
            "exchange",
            request_id=f"{tenant.name}-{tenant.journal.last_seq}",
            tenant=tenant.name,
            provider=exchange.provider.name,
            operation=exchange.operation[:MAX_OPERATION_CHARS],
            status=reply.status,
            ms=round(seconds * 1000, 3),
            violations=len(exchange.violations),
            faults=exchange.faults,
            **({"traceparent": parent} if parent else {}),
        )

    return log_exchange


async def add_request_id(request: web.Request, response: web.StreamResponse) -> None:
    if request_id := _request_id.get():
        response.headers[REQUEST_ID_HEADER] = request_id


def make_middleware(log: Any | None) -> Middleware:
    numbers = itertools.count(1)

    @web.middleware
    async def log_request(request: web.Request, handler: Handler) -> web.StreamResponse:
        sent = request.headers.get(REQUEST_ID_HEADER, "")
        usable = 0 < len(sent) <= 100 and sent.isascii() and sent.isprintable()
        request_id = sent if usable else f"control-{next(numbers)}"
        begin = read_stopwatch()
        _request_id.set(request_id)
        response = await handler(request)
        if log is not None:
            ms = round((read_stopwatch() - begin) * 1000, 3)
            log.info(
                "control",
                request_id=request_id,
                method=request.method,
                path=request.path,
                status=response.status,
                ms=ms,
            )
        return response

    return log_request
