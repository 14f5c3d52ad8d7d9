"""Open websockets of the workplace over the admin API."""

from typing import Annotated, Any

import msgspec

from callmocks.contract.connections import Connection, EndMethod
from callmocks.contract.json_model import to_json
from callmocks.control.json_struct import doc, json_struct
from callmocks.control.problems import ProblemError
from callmocks.control.routing import TENANT, RequestContext, RouteTable

ConnectionView = json_struct(Connection)


class ConnectionList(msgspec.Struct):
    """Websockets, oldest first, whichever worker or replica serves them."""

    connections: list[ConnectionView]  # type: ignore[valid-type]


class ConnectionQuery(msgspec.Struct, forbid_unknown_fields=True):
    """How to end a connection."""

    how: Annotated[
        EndMethod, doc("``close``: by a close frame with code 1001; ``reset``: by a TCP reset.")
    ] = "close"


_CONNECTIONS = f"{TENANT}/connections"
ROUTES = RouteTable()


@ROUTES.add("GET", _CONNECTIONS, "Open websockets", "connections_listing", response=ConnectionList)
async def list_connections(context: RequestContext) -> dict[str, Any]:
    return _render_list(await context.app_context.store.list_connections(context.tenant))


@ROUTES.add(
    "DELETE",
    _CONNECTIONS,
    "End all websockets",
    "connections_end_all",
    query=ConnectionQuery,
    response=ConnectionList,
)
async def end_connections(context: RequestContext) -> dict[str, Any]:
    """Those that there were."""
    store, how = context.app_context.store, context.query.how
    return _render_list(await store.end_connections(context.tenant, how))


@ROUTES.add(
    "DELETE",
    f"{_CONNECTIONS}/{{connection}}",
    "End one websocket",
    "connections_end",
    query=ConnectionQuery,
)
async def end_connection(context: RequestContext) -> None:
    id, store = context.path_part("connection"), context.app_context.store
    if not await store.end_connections(context.tenant, context.query.how, id):
        raise ProblemError(404, f"no connection {id!r}", where="connection")


def _render_list(connections: list[Connection]) -> dict[str, Any]:
    return {"connections": [to_json(each) for each in connections]}
