"""Faults that are on, open websockets, and a form for each kind of fault from its schema."""

from functools import cache
from typing import Any

from callmocks.contract.quoting import shorten_text
from callmocks.control.dashboard.panels import PROVIDER_TITLES
from callmocks.control.dashboard.render import MAX_LISTED
from callmocks.control.dashboard.template_filters import format_parameter
from callmocks.control.dashboard.texts import Texts, find_texts
from callmocks.control.faults import FaultKind, FaultView, describe_fault, describe_fault_type
from callmocks.control.problems import ProblemError
from callmocks.control.routing import RequestContext
from callmocks.errors import StateError
from callmocks.server.providers import FAULT_TYPES

_MAX_PARAMETER_CHARS = 80


async def show_faults(context: RequestContext) -> dict[str, Any]:
    tenant = context.tenant
    provider = context.request.query.get("provider", "cdr")
    if provider not in PROVIDER_TITLES:
        raise ProblemError(422, f"provider {provider!r} is none of {', '.join(PROVIDER_TITLES)}")
    texts = find_texts(context)
    active = tenant.faults.list_active()
    for fault in active[:MAX_LISTED]:
        await fault.refresh()
    listed = [describe_fault(fault) for fault in active[:MAX_LISTED]]
    try:
        connections, problem = await context.app_context.store.list_connections(tenant), ""
    except StateError as error:  # of a replica that does not answer
        connections, problem = [], str(error)
    return {
        "tenant": tenant,
        "connections": connections[:MAX_LISTED],
        "connections_problem": problem,
        "unlisted_connections": max(len(connections) - MAX_LISTED, 0),
        "active": [(fault, _summarize_fault(fault, texts)) for fault in listed],
        "unlisted": max(len(active) - MAX_LISTED, 0),
        "provider": provider,
        "kinds": [kind for kind in _fault_kinds() if provider in kind.providers],
        "errors": list(context.registry.providers[provider].list_errors()),
        "operations": sorted(context.registry.providers[provider].operations),
    }


@cache
def _fault_kinds() -> list[FaultKind]:
    """First those the contract allows."""
    kinds = map(describe_fault_type, FAULT_TYPES.values())
    return sorted(kinds, key=lambda kind: (kind.breaks_contract, kind.fault))


def _summarize_fault(fault: FaultView, texts: Texts) -> str:
    parts = [
        f"{name} {shorten_text(format_parameter(value), _MAX_PARAMETER_CHARS)}"
        for name, value in fault.params.items()
        if value != {}
    ]
    if fault.operation is not None:
        parts.append(texts.gettext("only %(name)s") % {"name": fault.operation})
    if fault.skip:
        parts.append(texts.gettext("after %(number)d") % {"number": fault.skip})
    if fault.times is not None:
        text = texts.ngettext("%(num)s time", "%(num)s times", fault.times)
        parts.append(text % {"num": fault.times})
    if fault.probability < 1:
        chance = {"number": f"{fault.probability:g}"}
        parts.append(texts.gettext("probability %(number)s") % chance)
    return shorten_text(", ".join(parts))
