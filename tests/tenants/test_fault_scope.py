"""Which exchanges a fault applies to."""

import pytest

from callmocks.errors import SettingsError
from callmocks.faults.active import FaultScope
from callmocks.server.providers import FAULT_TYPES
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from tests.tenants.conftest import EchoServer


async def statuses(provider: EchoServer, count: int, path: str = "") -> list[int]:
    return [(await provider.post(path=path))[0] for _ in range(count)]


async def test_the_nth_to_the_mth_request(provider: EchoServer) -> None:
    provider.enable("status", {"status": 503}, skip=2, times=3)
    assert await statuses(provider, 8) == [200, 200, 503, 503, 503, 200, 200, 200]


async def test_once(provider: EchoServer) -> None:
    provider.enable("status", {"status": 503}, times=1)
    assert await statuses(provider, 3) == [503, 200, 200]


async def test_until_removed(provider: EchoServer) -> None:
    switched = provider.enable("status", {"status": 503})
    assert await statuses(provider, 3) == [503, 503, 503]
    provider.tenant.faults.disable(switched.id)
    assert await statuses(provider, 2) == [200, 200]


async def test_zero_times_is_never(provider: EchoServer) -> None:
    provider.enable("status", {"status": 503}, times=0)
    provider.enable("status", {"status": 503}, probability=0)
    assert await statuses(provider, 3) == [200, 200, 200]


async def test_one_operation_only(provider: EchoServer) -> None:
    provider.enable("status", {"status": 503}, operation="orders", skip=1)
    assert await statuses(provider, 2, "users") == [200, 200]
    assert await statuses(provider, 3, "orders") == [200, 503, 503]


async def test_a_probability_is_seeded_and_about_right(provider: EchoServer) -> None:
    switched = provider.enable("status", {"status": 503}, probability=0.3)
    first = await statuses(provider, 60)
    assert 8 <= first.count(503) <= 28 and switched.applied_count == first.count(503)
    provider.tenant.faults.disable_all()
    provider.enable("status", {"status": 503}, probability=0.3)
    assert await statuses(provider, 60) == first


async def test_another_seed_draws_other_numbers(provider: EchoServer, registry: Registry) -> None:
    def draw_delays(seed: int) -> list[float]:
        other = registry.create(TenantSettings(f"t{seed}", seed=seed, world="empty"))
        switched = other.faults.enable("cdr", "delay", {}, FaultScope(probability=0.5))
        return [switched._passes_probability() for switched.matched_count in range(64)]

    assert draw_delays(1) != draw_delays(2)


async def test_a_fault_of_another_provider_does_not_apply(provider: EchoServer) -> None:
    provider.tenant.faults.enable("arm", "status", {"status": 503}, FaultScope())
    assert await statuses(provider, 1) == [200]


async def test_a_fault_of_another_transport_does_not_apply(provider: EchoServer) -> None:
    provider.tenant.faults.enable("arm", "wrong_length", {}, FaultScope())
    assert await statuses(provider, 1) == [200]
    with pytest.raises(SettingsError, match="'cdr' is not one of arm"):
        provider.enable("wrong_length")


async def test_errors_name_the_parameter(provider: EchoServer) -> None:
    with pytest.raises(SettingsError, match=r"no fault 'dealy'; did you mean delay\?"):
        provider.enable("dealy")
    with pytest.raises(SettingsError, match=r"fault status: params.status: Expected `int` <= 599"):
        provider.enable("status", {"status": 900})


async def test_reset_switches_all_off_and_numbers_begin_again(provider: EchoServer) -> None:
    assert provider.enable("delay").id == provider.enable("close").id.replace("2", "1")
    await provider.tenant.reset()
    assert provider.tenant.faults.list_active() == []
    assert await statuses(provider, 1) == [200]
    assert provider.enable("delay").id == "f1"


def test_every_fault_type_exists_and_has_a_summary() -> None:
    wanted = {
        "arm": "delay reset close never_answer status malformed truncated wrong_length wrong_id "
        "duplicated out_of_order split undeclared_attribute breaks_xsd unauthorized",
        "cdr": "delay dribble reset close never_answer status malformed truncated content_type "
        "rpc_error wrong_id missing_result missing_metadata duplicate_rows missing_rows "
        "token_expired",
        "onec": "delay dribble reset close never_answer status malformed truncated content_type "
        "soap_fault result_code limit_reached nil_everywhere columns_reordered table_truncated "
        "unauthorized",
    }
    for provider, names in wanted.items():
        for name in names.split():
            assert provider in FAULT_TYPES[name].providers, name
    for kind in FAULT_TYPES.values():
        assert kind.model.summary().endswith("."), kind.model
