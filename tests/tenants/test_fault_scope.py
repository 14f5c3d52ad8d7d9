"""Which exchanges a fault applies to."""

import pytest

from callmocks.errors import SettingsError
from callmocks.faults import KINDS, Scope
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from tests.tenants.conftest import Provider


async def statuses(provider: Provider, count: int, path: str = "") -> list[int]:
    return [(await provider.post(path=path))[0] for _ in range(count)]


async def test_the_nth_to_the_mth_request(provider: Provider) -> None:
    provider.switch_on("status", {"status": 503}, skip=2, times=3)
    assert await statuses(provider, 8) == [200, 200, 503, 503, 503, 200, 200, 200]


async def test_once(provider: Provider) -> None:
    provider.switch_on("status", {"status": 503}, times=1)
    assert await statuses(provider, 3) == [503, 200, 200]


async def test_until_removed(provider: Provider) -> None:
    switched = provider.switch_on("status", {"status": 503})
    assert await statuses(provider, 3) == [503, 503, 503]
    provider.tenant.faults.switch_off(switched.id)
    assert await statuses(provider, 2) == [200, 200]


async def test_zero_times_is_never(provider: Provider) -> None:
    provider.switch_on("status", {"status": 503}, times=0)
    provider.switch_on("status", {"status": 503}, probability=0)
    assert await statuses(provider, 3) == [200, 200, 200]


async def test_one_operation_only(provider: Provider) -> None:
    provider.switch_on("status", {"status": 503}, operation="orders", skip=1)
    assert await statuses(provider, 2, "users") == [200, 200]
    assert await statuses(provider, 3, "orders") == [200, 503, 503]


async def test_a_probability_is_seeded_and_about_right(provider: Provider) -> None:
    switched = provider.switch_on("status", {"status": 503}, probability=0.3)
    first = await statuses(provider, 60)
    assert 8 <= first.count(503) <= 28 and switched.applied == first.count(503)
    provider.tenant.faults.clear()
    provider.switch_on("status", {"status": 503}, probability=0.3)
    assert await statuses(provider, 60) == first


async def test_another_seed_has_other_luck(provider: Provider, registry: Registry) -> None:
    def luck(seed: int) -> list[float]:
        other = registry.create(TenantSettings(f"t{seed}", seed=seed, world="empty"))
        switched = other.faults.switch_on("cdr", "delay", {}, Scope(probability=0.5))
        return [switched._lucky() for switched.met in range(64)]

    assert luck(1) != luck(2)


async def test_a_fault_of_another_provider_does_not_apply(provider: Provider) -> None:
    provider.tenant.faults.switch_on("arm", "status", {"status": 503}, Scope())
    assert await statuses(provider, 1) == [200]


async def test_a_fault_of_another_transport_does_not_apply(provider: Provider) -> None:
    provider.tenant.faults.switch_on("arm", "wrong_length", {}, Scope())
    assert await statuses(provider, 1) == [200]
    with pytest.raises(SettingsError, match="'cdr' is not one of arm"):
        provider.switch_on("wrong_length")


async def test_mistakes_are_named(provider: Provider) -> None:
    with pytest.raises(SettingsError, match=r"no fault 'dealy'; cdr has .*delay"):
        provider.switch_on("dealy")
    with pytest.raises(SettingsError, match=r"fault status: params.status: Expected `int` <= 599"):
        provider.switch_on("status", {"status": 900})


async def test_reset_switches_all_off_and_numbers_begin_again(provider: Provider) -> None:
    assert provider.switch_on("delay").id == provider.switch_on("close").id.replace("2", "1")
    await provider.tenant.reset()
    assert provider.tenant.faults.listing() == []
    assert await statuses(provider, 1) == [200]
    assert provider.switch_on("delay").id == "f1"


def test_every_kind_the_issue_names_exists_and_says_what_it_does() -> None:
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
            assert provider in KINDS[name].providers, name
    for kind in KINDS.values():
        assert kind.summary.endswith("."), kind.name
