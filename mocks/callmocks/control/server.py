"""The control server: the admin API of the running suite."""

import msgspec
from aiohttp import web

from callmocks import __version__
from callmocks.control import problems, tenants
from callmocks.control.addresses import Addresses
from callmocks.control.route import BODY_BYTES, Call, Desk, Operation, add
from callmocks.tenancy.registry import Registry


class Health(msgspec.Struct):
    """That the suite runs, and which."""

    status: str
    version: str
    tenants: int
    addresses: Addresses


async def health(call: Call) -> Health:
    """The suite is up."""
    return Health("ok", __version__, len(call.registry), call.desk.addresses)


OPERATIONS = [
    Operation("GET", "/health", "The suite is up", health, answer=Health),
    *tenants.OPERATIONS,
]


def make_app(registry: Registry, addresses: Addresses) -> web.Application:
    """The control application over the tenants of a registry.

    ``addresses`` says where the other servers are; the admin API hands them out with a tenant.
    """
    app = web.Application(middlewares=[problems.middleware], client_max_size=BODY_BYTES)
    desk = Desk(registry, addresses)
    for operation in OPERATIONS:
        add(app, desk, operation)
    return app
