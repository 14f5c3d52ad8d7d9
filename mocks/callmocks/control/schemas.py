"""The schemas and tables of the contract over the admin API."""

from typing import Annotated

import msgspec
from aiohttp import web

from callmocks.contract.published_schemas import MEDIA_TYPES, PublishedSchema, list_published
from callmocks.control.json_struct import doc
from callmocks.control.problems import ProblemError
from callmocks.control.routing import RequestContext, RouteTable


class SchemaEntry(msgspec.Struct):
    """A schema or table of the contract."""

    name: Annotated[str, doc("Its path below ``/schemas/``.")]
    media_type: str
    meaning: str
    bytes: int


class SchemaList(msgspec.Struct):
    """Schemas and tables, by name."""

    schemas: list[SchemaEntry]


_MEDIA = tuple(dict.fromkeys(MEDIA_TYPES.values()))
ROUTES = RouteTable()


@ROUTES.add("GET", "/schemas", "Schemas, field tables and the ledger", "schemas_listing")
async def list_schemas(context: RequestContext) -> SchemaList:
    return SchemaList([_describe(each) for each in list_published().values()])


@ROUTES.add("GET", "/schemas/{file}", "One of all providers", "schemas_show", media=_MEDIA)
async def show_schema(context: RequestContext) -> web.Response:
    return _send_schema(context.path_part("file"))


@ROUTES.add(
    "GET", "/schemas/{provider}/{file}", "One of a provider", "schemas_show_own", media=_MEDIA
)
async def show_provider_schema(context: RequestContext) -> web.Response:
    return _send_schema(f"{context.path_part('provider')}/{context.path_part('file')}")


def _describe(published: PublishedSchema) -> SchemaEntry:
    name, media_type, meaning, path = published
    return SchemaEntry(name, media_type, meaning, path.stat().st_size)


def _send_schema(name: str) -> web.Response:
    published = list_published().get(name)
    if published is None:
        raise ProblemError(404, f"no schema {name!r}; GET /schemas lists them", where="file")
    body = published.path.read_bytes()
    return web.Response(body=body, content_type=published.media_type, charset="utf-8")
