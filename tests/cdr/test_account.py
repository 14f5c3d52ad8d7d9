"""Access: sessions, keys, addresses, partners, components."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network
from random import Random
from typing import Any

import pytest

from callmocks.errors import SettingsError
from callmocks.tenants.networks import NetworkSet
from callmocks.tenants.registry import TenantConflict
from callmocks.tenants.settings import CdrSettings, CdrUser, TenantSettings
from tests.cdr.conftest import Answer, CdrClient, error_fields, mnemonic, rows, simple

USERS = [
    CdrUser(id=12, login="anna", name="Анна", customer_id=2, description="старшая"),
    CdrUser(id=11, login="boris", name="Борис", customer_id=1),
    CdrUser(id=13, login="vera", name="Вера", customer_id=2),
]


def login(api: CdrClient, **params: Any) -> Answer:
    return api.rpc("login.user", token=None, **({"login": "t", "password": "t"} | params))


def partner(api: CdrClient) -> None:
    api.tenant(cdr=CdrSettings(partner=True, customer_users=USERS))


@pytest.mark.proves("cdr.login", "cdr.login-metadata", "cdr.ended-session")
def test_login_gives_a_token_of_one_hour(api: CdrClient) -> None:
    tenant = api.tenant()
    result = login(api)["result"]
    assert result["data"]["expire_at"] == tenant.clock.to_unix_seconds() + 3600
    assert set(result["data"]) == {"access_token", "expire_at", "app_id"}
    assert "limits" in result["metadata"]
    token = result["data"]["access_token"]
    assert rows(api.rpc("get.account", token=token))
    tenant.clock.advance(3599)
    assert rows(api.rpc("get.account", token=token))
    tenant.clock.advance(1)
    assert mnemonic(api.rpc("get.account", token=token)) == "access_token_invalid"
    tenant.assumptions.set_choice("cdr.ended-session", "access_token_expired")
    assert mnemonic(api.rpc("get.account", token=token)) == "access_token_expired"


def test_logout_ends_one_session_only(api: CdrClient) -> None:
    api.tenant()
    first, second = (login(api)["result"]["data"]["access_token"] for _ in range(2))
    assert first != second
    assert api.rpc("logout.user", token=first)["result"]["data"] == {}
    assert mnemonic(api.rpc("get.account", token=first)) == "access_token_invalid"
    assert mnemonic(api.rpc("logout.user", token=first)) == "access_token_invalid"
    assert rows(api.rpc("get.account", token=second))


@pytest.mark.proves("cdr.login")
def test_a_static_key_has_no_end(api: CdrClient) -> None:
    tenant = api.tenant()
    api.rpc("logout.user")
    tenant.clock.advance(10**8)
    assert rows(api.rpc("get.account"))


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"password": "wrong"}, ("auth_error", None, None)),
        ({"login": "nobody"}, ("auth_error", None, None)),
        ({"login": "", "password": ""}, ("auth_error", None, None)),
        ({"login": None}, ("required_parameter_missed", "login", None)),
        ({"password": 1}, ("data_type_error", "password", "1")),
        ({"remember": True}, ("unexpected_parameters", "remember", "true")),
        ({"access_token": "x"}, ("unexpected_parameters", "access_token", "x")),
    ],
)
def test_wrong_logins(
    api: CdrClient, params: dict[str, Any], expected: tuple[str, str | None, str | None]
) -> None:
    api.tenant()
    assert error_fields(login(api, **params)) == expected


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (None, "required_parameter_missed"),
        (5, "data_type_error"),
        ("", "access_token_invalid"),
        ("T-TOKEN", "access_token_invalid"),
    ],
)
def test_wrong_tokens(api: CdrClient, token: Any, expected: str) -> None:
    api.tenant()
    answer = api.rpc("get.account", token=None, access_token=token)
    assert mnemonic(answer) == expected
    assert answer["error"]["data"]["field"] == "access_token"


def test_the_token_of_another_tenants_session_leads_to_that_tenant(api: CdrClient) -> None:
    api.tenant()
    api.tenant("u", cdr=CdrSettings(login="u@example.org", password="пароль"))
    token = login(api, login="u@example.org", password="пароль")["result"]["data"]["access_token"]
    assert rows(api.rpc("get.account", token=token))[0]["name"] == "u"
    assert mnemonic(api.rpc("get.account", token=token[:16])) == "access_token_invalid"
    assert mnemonic(api.rpc("get.account", token=token[:-1] + "x")) == "access_token_invalid"


def test_sessions_end_with_a_reset_of_the_tenant(api: CdrClient) -> None:
    import asyncio

    tenant = api.tenant()
    token = login(api)["result"]["data"]["access_token"]
    asyncio.run(tenant.reset())
    assert mnemonic(api.rpc("get.account", token=token)) == "access_token_invalid"


def test_an_unknown_token_is_journaled_as_unmatched(api: CdrClient) -> None:
    api.tenant()
    before = len(list(api.registry.unmatched.journal.read_entries()))
    api.rpc("get.account", token="unknown")
    assert len(list(api.registry.unmatched.journal.read_entries())) == before + 1


@pytest.mark.proves("cdr.account")
def test_get_account_is_a_list_of_one(api: CdrClient) -> None:
    api.tenant(timezone="Asia/Yekaterinburg")
    answer = api.rpc("get.account")
    (row,) = rows(answer)
    assert (row["name"], row["timezone"]) == ("t", "Asia/Yekaterinburg")
    assert row["app_id"] == login(api)["result"]["data"]["app_id"]
    assert answer["result"]["metadata"]["total_items"] == 1
    assert error_fields(api.rpc("get.account", limit=1))[0] == "unexpected_parameters"


@pytest.mark.proves("cdr.customer-users")
def test_customer_users_are_for_partners(api: CdrClient) -> None:
    partner(api)
    answer = api.rpc("get.customer_users")
    assert [row["id"] for row in rows(answer)] == [11, 12, 13]
    assert rows(answer)[1] == {
        "id": 12,
        "login": "anna",
        "description": "старшая",
        "name": "Анна",
        "customer_id": 2,
    }
    second = api.rpc(
        "get.customer_users",
        filter=simple("customer_id", "=", 2),
        sort=[{"field": "name", "order": "desc"}],
        fields=["name"],
        limit=1,
        offset=1,
    )
    assert rows(second) == [{"name": "Анна"}]
    assert second["result"]["metadata"]["total_items"] == 2


def test_a_partner_without_customers_has_an_empty_list(api: CdrClient) -> None:
    api.tenant(cdr=CdrSettings(partner=True))
    assert rows(api.rpc("get.customer_users")) == []


@pytest.mark.proves("cdr.partner-user", "cdr.foreign-user")
@pytest.mark.parametrize("method", ["get.call_legs_report", "get.calls_report", "get.account"])
def test_a_partner_must_name_a_user(api: CdrClient, method: str) -> None:
    partner(api)
    dates = {"date_from": "2026-03-02 00:00:00", "date_till": "2026-03-02 01:00:00"}
    params: dict[str, Any] = {} if method == "get.account" else dates
    assert error_fields(api.rpc(method, **params))[:2] == ("required_parameter_missed", "user_id")
    assert error_fields(api.rpc(method, user_id="11", **params))[:2] == (
        "data_type_error",
        "user_id",
    )
    assert error_fields(api.rpc(method, user_id=True, **params))[:2] == (
        "data_type_error",
        "user_id",
    )
    assert error_fields(api.rpc(method, user_id=99, **params)) == ("forbidden", "user_id", "99")
    assert "result" in api.rpc(method, user_id=11, **params)


@pytest.mark.proves("cdr.foreign-user")
def test_a_foreign_user_can_be_a_wrong_value(api: CdrClient) -> None:
    partner(api)
    tenant = api.registry.get("t")
    assert tenant is not None
    tenant.assumptions.set_choice("cdr.foreign-user", "invalid_parameter_value")
    assert mnemonic(api.rpc("get.account", user_id=99)) == "invalid_parameter_value"


@pytest.mark.proves("cdr.client-user-id")
def test_a_client_account_may_name_any_user(api: CdrClient) -> None:
    api.tenant()
    assert rows(api.rpc("get.account", user_id=99))
    assert error_fields(api.rpc("get.account", user_id="x"))[0] == "data_type_error"


@pytest.mark.proves("cdr.client-user-id")
def test_a_user_id_of_a_client_account_can_be_forbidden(api: CdrClient) -> None:
    api.tenant().assumptions.set_choice("cdr.client-user-id", "forbidden")
    assert error_fields(api.rpc("get.account", user_id=99)) == ("forbidden", "user_id", "99")
    assert rows(api.rpc("get.account"))


@pytest.mark.parametrize(
    ("allowed", "open_"),
    [
        ([], True),
        (["127.0.0.1"], True),
        (["127.0.0.0/8"], True),
        (["0.0.0.0/0"], True),
        (["10.0.0.1", "127.0.0.1/32"], True),
        (["10.0.0.0/8"], False),
        (["::/0"], False),
    ],
)
def test_ip_allow_list(api: CdrClient, allowed: list[str], open_: bool) -> None:
    api.tenant(cdr=CdrSettings(allowed_ips=allowed))
    for answer in (api.rpc("get.account"), login(api)):
        assert ("result" in answer) is open_


@pytest.mark.parametrize("version", [4, 6])
def test_an_address_is_in_a_network_as_the_standard_library_says(version: int) -> None:
    bits, make = (32, IPv4Address) if version == 4 else (128, IPv6Address)
    drawn = Random(version)
    entries = [
        f"{make(drawn.getrandbits(bits))}/{drawn.choice([1, 3, 8, 20, bits])}" for _ in range(12)
    ]
    allowed, networks = NetworkSet(entries), [ip_network(each, strict=False) for each in entries]
    ends = [end for each in networks for end in (each.network_address, each.broadcast_address)]
    addresses = [make(max(int(end) + step, 0) % 2**bits) for end in ends for step in (-1, 0, 1)]
    for address in addresses:
        assert (str(address) in allowed) is any(address in each for each in networks), address
        if version == 4:  # as a socket of both versions tells it
            assert (f"::ffff:{address}" in allowed) is (str(address) in allowed)
    assert "" not in allowed
    assert f"{make(0)}%lo" in NetworkSet([str(make(0))])


def test_a_disabled_account_cannot_log_in_either(api: CdrClient) -> None:
    api.tenant(cdr=CdrSettings(active=False))
    assert mnemonic(login(api)) == "account_inactive"
    assert mnemonic(login(api, password="wrong")) == "auth_error"


@pytest.mark.proves("cdr.component-code")
def test_disabled_components(api: CdrClient) -> None:
    tenant = api.tenant(cdr=CdrSettings(disabled_components=["data_api_reports"]))
    assert api.legs()["error"]["code"] == -32008
    assert mnemonic(api.sessions()) == "method_component_disabled"
    assert rows(api.rpc("get.account"))
    tenant.assumptions.set_choice("cdr.component-code", "-32602")
    assert api.legs()["error"]["code"] == -32602


def test_a_disabled_recording_only_matters_when_named(api: CdrClient) -> None:
    api.tenant(cdr=CdrSettings(disabled_components=["call_records"]))
    assert "result" in api.legs()
    assert mnemonic(api.legs(fields=["wav_call_records"])) == "parameter_component_disabled"


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"allowed_ips": ["300.1.1.1"]}, "cdr.allowed_ips"),
        ({"disabled_components": ["nope"]}, "cdr.disabled_components"),
        ({"minute_limit": -1}, "cdr.minute_limit"),
    ],
)
def test_invalid_settings(api: CdrClient, settings: dict[str, Any], field: str) -> None:
    with pytest.raises(SettingsError, match=field):
        api.tenant(cdr=CdrSettings(**settings))


def test_a_key_belongs_to_one_tenant(api: CdrClient) -> None:
    api.tenant(cdr=CdrSettings(blocked_tokens=["shared"]))
    with pytest.raises(TenantConflict):
        api.tenant("u", cdr=CdrSettings(token="shared"))
    api.registry.delete("t")
    api.registry.create(TenantSettings("u", cdr=CdrSettings(token="shared")))
    assert rows(api.rpc("get.account", token="shared"))[0]["name"] == "u"
