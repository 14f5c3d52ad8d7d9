"""One table of routes makes both: the server's handlers and the OpenAPI document.

::

    Operation ── path, method, body struct, query struct, answer struct, handler
        │
        ├── add(app)      decode ── handler(Call) ── encode
        └── openapi.py    schemas of the same structs
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from callmocks.config import validation
from callmocks.control.addresses import Addresses
from callmocks.control.problems import RefusedError
from callmocks.provider.http import BodyTooLarge, read_body
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant import Tenant
from callmocks.tenants.tenant_store import Changes, Changing

Moment = Annotated[str, Meta(extra_json_schema={"examples": ["2026-03-02T12:00:00"]})]
"""A tenant's wall time, without a zone."""

BODY_BYTES = 8 * 1024 * 1024
"""Longest body."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Desk:
    """What every handler of the admin API works with."""

    registry: Registry
    addresses: Addresses
    changes: Changes
    """How tenants are changed."""
    defaults: TenantSettings
    """What a new tenant is made of where its maker says nothing."""
    streams: set[asyncio.Task[Any]] = field(default_factory=set)

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """While a handler sends without an end: it will be told when the server stops."""
        task = asyncio.current_task()
        assert task is not None
        self.streams.add(task)
        try:
            yield
        finally:
            self.streams.discard(task)


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the admin API, decoded."""

    desk: Desk
    request: web.Request
    body: Any = None
    query: Any = None

    @property
    def registry(self) -> Registry:
        """All tenants."""
        return self.desk.registry

    @property
    def addresses(self) -> Addresses:
        """Where the servers are, for the client that asks."""
        return self.desk.addresses.for_client(self.request.host)

    @property
    def tenant(self) -> Tenant:
        """The tenant named in the path; 404 when there is none."""
        name = self.part("tenant")
        tenant = self.registry.get(name)
        if tenant is None:
            raise RefusedError(404, f"no tenant {name!r}", where="tenant")
        return tenant

    async def change(self, make: Callable[[Changing], T]) -> T:
        """Change the tenant named in the path; ``make`` may be called more than once."""
        return await self.desk.changes.change(self.tenant, make)

    def part(self, name: str) -> str:
        """A variable part of the path."""
        return self.request.match_info[name]


Handler = Callable[[Call], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    ``answer`` is the struct (or a tuple of those it may be) that comes back with ``status``; None
    means that the handler makes its own response of type ``media``, or that there is none (204).
    """

    method: str
    path: str
    summary: str
    handler: Handler
    body: Any = None
    query: type[msgspec.Struct] | None = None
    answer: Any = None
    status: int = 200
    media: str = "application/json"
    body_media: tuple[str, ...] = ("application/json",)
    lines_media: tuple[str, ...] = ()
    """Types under which the body may hold many, one in each line; the handler reads those."""
    refusals: Mapping[int, str] = field(default_factory=dict)
    also: Mapping[int, str] = field(default_factory=dict)
    """Other statuses under which the answer may come."""

    @property
    def shared(self) -> bool:
        """Whether it is about what replicas share; a journal is each replica's own."""
        return self.path.startswith("/api/tenants") and "/journal" not in self.path

    @property
    def answers(self) -> tuple[Any, ...]:
        """The structs that may come back."""
        if isinstance(self.answer, tuple):
            return self.answer
        return () if self.answer is None else (self.answer,)

    @property
    def tag(self) -> str:
        """The part of the API it belongs to."""
        parts = self.path.split("/")
        return parts[4] if len(parts) > 4 and not parts[4].startswith("{") else parts[-1] or "/"


def add(app: web.Application, desk: Desk, operation: Operation) -> None:
    """Serve an operation."""

    async def serve(request: web.Request) -> web.StreamResponse:
        body = await _read_body(request, operation) if operation.body else None
        query = read_query(request, operation.query) if operation.query else None
        if operation.shared:
            await desk.changes.ready()
        result = await operation.handler(Call(desk, request, body, query))
        if isinstance(result, web.StreamResponse):
            return result
        if result is None:
            return web.Response(status=204)
        return json_response(result, operation.status)

    app.router.add_route(operation.method, operation.path, serve)


async def _read_body(request: web.Request, operation: Operation) -> Any:
    """The decoded body; the raw bytes when they are lines for the handler to read."""
    try:
        raw = await read_body(request, BODY_BYTES)
    except BodyTooLarge as error:
        raise RefusedError(413, str(error)) from None
    return raw if request.content_type in operation.lines_media else decode(raw, operation.body)


def json_response(result: object, status: int = 200) -> web.Response:
    """A struct as JSON."""
    return web.Response(
        body=msgspec.json.encode(result), status=status, content_type="application/json"
    )


def decode(raw: bytes, shape: Any) -> Any:
    """A JSON body as the given struct; a problem that names the place otherwise."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        raise _refused(error, shape) from None
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f"the body is not JSON: {error}") from None


def read_query(request: web.Request, shape: type[msgspec.Struct]) -> Any:
    """The query string as the given struct; unknown and repeated names are refused."""
    raw: dict[str, str] = {}
    for name, value in request.query.items():
        if name in raw:
            raise RefusedError(422, f"{name} is given twice", where=name)
        raw[name] = value
    try:
        return msgspec.convert(raw, shape, strict=False)
    except msgspec.ValidationError as error:
        raise _refused(error, shape) from None


def _refused(error: msgspec.ValidationError, shape: Any) -> RefusedError:
    """The problem of a value that has not the shape asked for."""
    place, reason = validation.told(error, shape)
    return RefusedError(422, f"{place}: {reason}" if place else reason, where=place)
