"""All that a tenant holds, as one document, over the admin API."""

import msgspec
from msgspec import UNSET

from callmocks.contract.structs import omit_defaults
from callmocks.control.problems import ProblemError
from callmocks.control.routing import TENANT, RequestContext, RouteTable
from callmocks.control.tenants import check_world_file
from callmocks.history.world import World
from callmocks.history.world_file import world_names
from callmocks.tenants.contents import check_settings, describe_scenario, fill_tenant
from callmocks.tenants.registry import TenantConflict
from callmocks.tenants.scenario import NamedTenantScenario, TenantScenario
from callmocks.tenants.worker import run_in_worker, yield_turn

_SCENARIO = f"{TENANT}/scenario"
ROUTES = RouteTable()


@ROUTES.add(
    "GET", _SCENARIO, "All that a tenant holds", "scenario_show", response=NamedTenantScenario
)
async def show_scenario(context: RequestContext) -> msgspec.Raw:
    scenario, answer = await describe_scenario(context.tenant), context.answer
    await yield_turn()
    is_listed = isinstance(scenario.world, World)  # with all its users
    return await run_in_worker(lambda: answer.encode(omit_defaults(scenario)), is_slow=is_listed)


@ROUTES.add(
    "PUT",
    _SCENARIO,
    "Reset a tenant and give it all that a scenario says, or change nothing",
    "scenario_replace",
    body=TenantScenario,
    response=NamedTenantScenario,
    problems={409: "One of the credentials belongs to another tenant"},
)
async def replace_scenario(context: RequestContext) -> msgspec.Raw:
    scenario: TenantScenario = context.body
    tenant = context.tenant
    if scenario.name not in (UNSET, tenant.name):
        text = f"this is the tenant {tenant.name!r}; leave the name out, or name this one"
        raise ProblemError(422, text, where="$.name")
    if isinstance(scenario.world, str):
        check_world_file(context, scenario.world)
    settings = scenario.replace_given(tenant.settings).with_defaults()
    if scenario.world is UNSET and settings.world not in world_names():
        settings.world = tenant.history.world  # its file may be on another replica's machine
    await run_in_worker(lambda: check_settings(settings))
    try:
        store = context.app_context.store
        await store.replace(tenant, settings, lambda prepared: fill_tenant(prepared, scenario))
    except TenantConflict as error:
        raise ProblemError(409, str(error), where=f"$.{error.where}") from None
    return await show_scenario(context)
