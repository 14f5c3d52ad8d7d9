"""All tenants: what each is doing, and a form that makes another."""

from itertools import islice
from typing import Any

from callmocks.control.dashboard.journal import count_entries
from callmocks.control.dashboard.render import MAX_LISTED, describe_clock
from callmocks.control.dashboard.texts import find_texts
from callmocks.control.routing import RequestContext
from callmocks.history.world_file import world_names


async def show_tenants(context: RequestContext) -> dict[str, Any]:
    texts = find_texts(context)
    return {
        "tenants": [
            (tenant, describe_clock(tenant, texts), count_entries(tenant.journal))
            for tenant in islice(context.registry, MAX_LISTED)
        ],
        "unlisted": max(len(context.registry) - MAX_LISTED, 0),
        "worlds": world_names(),
        "defaults": context.app_context.defaults,
    }
