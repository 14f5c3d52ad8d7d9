"""One table of routes makes both: the server's handlers and the OpenAPI document.

::

    Route ── method, path, body struct, query struct, response struct, handler
      │
      ├── add_route()   decode ── handler(context) ── encode
      └── openapi.py    schemas of the same structs
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from callmocks.contract.quoting import quote_text
from callmocks.contract.similar_names import find_similar_name
from callmocks.control.addresses import Addresses
from callmocks.control.answers import PendingAnswer
from callmocks.control.log_writer import LogWriter
from callmocks.control.problems import ProblemError
from callmocks.control.request_bodies import MAX_BODY_BYTES, decode_body, read_query
from callmocks.errors import StateError
from callmocks.provider.bodies import BodyTooLarge, read_body
from callmocks.provider.server import is_disconnected
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.tenant_store import MutableTenant, TenantStore
from callmocks.tenants.worker import (
    LONG_REQUEST_BYTES,
    SHORT_REQUEST_BYTES,
    SMALL_ANSWER_BYTES,
    run_if_long,
    yield_turn,
)

TENANT = "/api/tenants/{tenant}"
MAX_STREAMS = 32
"""Readers of all streams of a process."""

T = TypeVar("T")


class AppContext(msgspec.Struct, frozen=True):
    registry: Registry
    addresses: Addresses
    store: TenantStore
    defaults: TenantSettings
    """Of a new tenant, where a request leaves them out."""
    streams: dict[asyncio.Task[Any], web.Request] = {}
    log_writer: LogWriter | None = None

    @property
    def dropped_log_lines(self) -> int:
        return self.log_writer.dropped if self.log_writer else 0

    @contextmanager
    def track_stream(self, request: web.Request) -> Iterator[None]:
        """``ProblemError`` when there are ``MAX_STREAMS`` readers already."""
        if len(self.streams) - sum(map(is_disconnected, self.streams.values())) >= MAX_STREAMS:
            text = f"{MAX_STREAMS} readers follow journals already"
            raise ProblemError(503, text, headers={"Retry-After": "1"})
        task = asyncio.current_task()
        assert task is not None
        self.streams[task] = request
        try:
            yield
        finally:
            del self.streams[task]


class RequestContext(msgspec.Struct, frozen=True):
    app_context: AppContext
    request: web.Request
    answer: PendingAnswer
    body: Any = None
    query: Any = None
    is_long: bool = False
    """Whether the body is, so that its checks run beside the loop."""

    @property
    def registry(self) -> Registry:
        return self.app_context.registry

    @property
    def addresses(self) -> Addresses:
        return self.app_context.addresses.for_client(self.request.host)

    @property
    def tenant(self) -> Tenant:
        name = self.path_part("tenant")
        tenant = self.registry.get(name)
        if tenant is None:
            near = find_similar_name(name, [tenant.name for tenant in self.registry])
            hint = f"; did you mean {near}?" if near else ""
            raise ProblemError(404, f"no tenant {quote_text(name)}{hint}", where="tenant")
        return tenant

    async def change_tenant(self, change: Callable[[MutableTenant], T]) -> T:
        """Change the tenant named in the path; ``change`` may be called more than once."""
        return await self.app_context.store.update(self.tenant, change)

    def path_part(self, name: str) -> str:
        return self.request.match_info[name]


Handler = Callable[[RequestContext], Awaitable[object]]
H = TypeVar("H", bound=Handler)


class Route(msgspec.Struct, frozen=True):
    """One method of one path.

    ``response`` is the struct (or a tuple of those it may be) sent with ``status``; None means that
    the handler makes its own response of a type of ``media``, or that there is none (204).
    """

    method: str
    path: str
    summary: str
    handler: Handler
    id: str
    """The ``operationId`` of /openapi.json."""
    body: Any = None
    query: type[msgspec.Struct] | None = None
    response: Any = None
    status: int = 200
    media: tuple[str, ...] = ("application/json",)
    lines_media: tuple[str, ...] = ()
    """Types under which the body may hold many items, one a line; the handler reads those."""
    problems: Mapping[int, str] = {}
    other_statuses: Mapping[int, str] = {}
    """Under which the response may come too."""

    @property
    def replicated(self) -> bool:
        return self.of_tenants and "/journal" not in self.path

    @property
    def of_tenants(self) -> bool:
        return self.path.startswith("/api/tenants")

    @property
    def responses(self) -> tuple[Any, ...]:
        if isinstance(self.response, tuple):
            return self.response
        return () if self.response is None else (self.response,)

    @property
    def tag(self) -> str:
        names = [part for part in self.path.split("/") if part and not part.startswith("{")]
        return names[min(len(names), 3) - 1]


class RouteTable(list[Route]):
    def add(
        self, method: str, path: str, summary: str, id: str, **options: Any
    ) -> Callable[[H], H]:
        """Decorates a handler; its return type is the ``response`` unless that is given."""

        def add_handler(handler: H) -> H:
            returned = inspect.signature(handler).return_annotation
            if returned is None:
                options.setdefault("status", 204)
            elif isinstance(returned, type) and issubclass(returned, msgspec.Struct):
                options.setdefault("response", returned)
            self.append(Route(method, path, summary, handler, id, **options))
            return handler

        return add_handler


def add_route(app: web.Application, app_context: AppContext, route: Route) -> None:
    async def handle_request(request: web.Request) -> web.StreamResponse:
        body, is_long = await _read_body(request, route) if route.body else (None, False)
        query = read_query(request, route.query) if route.query else None
        if route.of_tenants:
            try:
                await app_context.store.sync()
            except StateError:
                if route.replicated:
                    raise
        answer = PendingAnswer(request)
        try:
            context = RequestContext(app_context, request, answer, body, query, is_long)
            result = await route.handler(context)
            if isinstance(result, web.StreamResponse):
                return result
            if result is None:
                return web.Response(status=204)
            if answer.size > SMALL_ANSWER_BYTES:
                await yield_turn()
            encoded = msgspec.json.encode(result)
            del result  # a slow client shall not keep it beside the bytes
            return await answer.send(encoded, route.status)
        finally:
            answer.release()

    app.router.add_route(route.method, route.path, handle_request)
    if route.method == "GET":
        app.router.add_route("HEAD", route.path, handle_request)


async def _read_body(request: web.Request, route: Route) -> tuple[Any, bool]:
    try:
        raw = await read_body(request, MAX_BODY_BYTES)
    except BodyTooLarge as error:
        raise ProblemError(413, str(error)) from None
    if len(raw) > SHORT_REQUEST_BYTES:
        await yield_turn()
    is_long = len(raw) > LONG_REQUEST_BYTES
    if request.content_type in route.lines_media:
        return raw, is_long
    return await run_if_long(partial(decode_body, raw, route.body), is_long), is_long


def render_json(result: object, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(result), status=status, content_type="application/json"
    )
