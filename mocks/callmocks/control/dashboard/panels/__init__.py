"""One panel for each provider: access, example requests, rows of a call, limits."""

from callmocks.control.addresses import Addresses
from callmocks.control.dashboard.panels.arm import ArmPanel
from callmocks.control.dashboard.panels.base import ProviderPanel, RemainingLimit
from callmocks.control.dashboard.panels.cdr import CdrPanel
from callmocks.control.dashboard.panels.onec import OnecPanel
from callmocks.control.dashboard.texts import Texts
from callmocks.tenants.tenant import Tenant

PANELS: dict[str, ProviderPanel] = {
    panel.provider.name: panel for panel in (ArmPanel(), CdrPanel(), OnecPanel())
}
"""By the provider's name, in the order they are shown."""
PROVIDER_TITLES = {name: panel.provider.title for name, panel in PANELS.items()}


async def read_limits(
    tenant: Tenant, addresses: Addresses, texts: Texts
) -> list[tuple[ProviderPanel, RemainingLimit]]:
    return [
        (panel, limit)
        for panel in PANELS.values()
        if getattr(addresses, panel.provider.name)
        for limit in await panel.read_limits(tenant, texts)
    ]
