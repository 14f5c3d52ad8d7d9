"""The tenants that a server begins with: ``demo``, and those of scenario files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from callmocks.config.pin_file import pin_calls_from_file
from callmocks.config.scenario_file import FoundTenant, read_scenarios
from callmocks.history.clock import check_machine_time
from callmocks.history.factory import HistoryFactory
from callmocks.server.providers import PROVIDERS
from callmocks.tenants.contents import check_settings, fill_tenant
from callmocks.tenants.registry import Registry, TenantConflict
from callmocks.tenants.scenario import Mistake, ScenarioError
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.state import StateDump
from callmocks.tenants.tenant_store import TenantStore

if TYPE_CHECKING:
    from callmocks.config.settings import ServeSettings
    from callmocks.tenants.tenant import Tenant

DEFAULT_TENANT = "demo"


class PlannedTenant(msgspec.Struct, frozen=True):
    settings: TenantSettings
    found: FoundTenant | None = None
    calls: Path | None = None  # a file of calls to pin

    async def fill_tenant(self, tenant: Tenant) -> StateDump:
        if self.calls is not None:
            pin_calls_from_file(tenant.pins, self.calls)
        if self.found is None:
            return StateDump()
        return await fill_tenant(tenant, self.found.scenario)

    async def create(self, store: TenantStore) -> Tenant:
        """``ScenarioError`` names the place in a file; others are of flags."""
        if self.found is None:
            return await store.create(self.settings, self.fill_tenant)
        source, path, _ = self.found
        try:
            check_settings(self.settings)
            return await store.create(self.settings, self.fill_tenant)
        except ScenarioError as error:
            raise error.put_within(path, source) from None
        except TenantConflict as error:
            raise ScenarioError([Mistake(error.where, str(error))]).put_within(
                path, source
            ) from None


def plan_tenants(
    settings: ServeSettings, setting: str = "--scenario: "
) -> dict[str, PlannedTenant]:
    """By name, ``demo`` first. A scenario's ``demo`` goes over the flags."""
    found = read_scenarios(settings.scenario, setting)
    base = settings.make_tenant_settings(DEFAULT_TENANT)
    planned = {DEFAULT_TENANT: PlannedTenant(base, calls=settings.calls)}
    for tenant in found:
        scenario = tenant.scenario
        keeps_calls = scenario.name == DEFAULT_TENANT and not scenario.calls
        calls = settings.calls if keeps_calls else None
        planned[scenario.name] = PlannedTenant(scenario.replace_given(base), tenant, calls)
    if any(each.settings.now == "real" for each in planned.values()):
        check_machine_time("--now: real")
    return planned


async def create_tenants(store: TenantStore, planned: Iterable[PlannedTenant]) -> None:
    """All, or an error with all mistakes; those that the store has already stay as they are."""
    mistakes: list[Mistake] = []
    for tenant in planned:
        name = tenant.settings.name
        if store.registry.get(name) is not None:
            continue
        try:
            await tenant.create(store)
        except ScenarioError as error:
            if store.registry.get(name) is None:  # else another replica was faster
                mistakes += error.mistakes
    if mistakes:
        raise ScenarioError(mistakes)


async def check_planned_tenants(planned: Iterable[PlannedTenant]) -> None:
    """Create them where nobody sees them."""
    await create_tenants(TenantStore(Registry(HistoryFactory(), PROVIDERS)), planned)
