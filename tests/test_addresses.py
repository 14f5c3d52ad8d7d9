"""Addresses in answers lead back to the suite: behind mapped ports, service names and proxies."""

from __future__ import annotations

import base64
import http.client
import json
import re
from collections.abc import Iterator

import pytest

from callmocks.config.options import ENV_PREFIX, resolve_settings
from callmocks.config.settings import ServeSettings
from callmocks.errors import SettingsError
from tests.test_serve import serving

FROZEN = ("--now", "2026-03-02T12:00:00")
BASIC = "Basic " + base64.b64encode(b"101:demo").decode()
PROVIDERS = ("arm", "cdr", "onec")
HISTORY = b'<in><request><filters limit="50" offset="0"/></request></in>'


def ask(
    address: str, path: str, host: str, body: bytes | None = None, **headers: str
) -> tuple[int, str]:
    """Status and text of an answer to a client that knows the server by another host and port."""
    _, port = address.split("/")[2].split(":")
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET" if body is None else "POST", path, body, {"Host": host, **sent})
    answer = connection.getresponse()
    try:
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def anywhere() -> Iterator[dict[str, str]]:
    """A suite that listens everywhere, as in a container."""
    with serving(*FROZEN, "--host", "0.0.0.0") as (_, ready):
        yield ready


def records(text: str) -> set[str]:
    """``http://host:port`` of the records in an ARM answer."""
    return set(re.findall(r'"(https?://[^/"]+)/[^"]*call_record', text))


@pytest.mark.parametrize("host", ["localhost:49153", "mocks:18088", "gateway.example", "[::1]:7"])
def test_wsdl_and_records_are_where_the_client_reached_the_provider(
    anywhere: dict[str, str], host: str
) -> None:
    status, wsdl = ask(anywhere["onec"], "/cus/ws/PartnerWebAPI2?wsdl", host)
    assert status == 200
    assert wsdl.count(f'location="http://{host}/cus/ws/PartnerWebAPI2"') == 2
    path = "/demo/service/cc/arm/operator_call_history"
    headers = {"Authorization": BASIC, "Content_Type": "text/xml"}
    status, answer = ask(anywhere["arm"], path, host, HISTORY, **headers)
    assert status == 200
    assert records(answer) == {f"http://{host}"}


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("callmocks:8080", "callmocks"),
        ("localhost:49153", "localhost"),
        ("host.docker.internal", "host.docker.internal"),
        ("[::1]:8080", "[::1]"),
        ("[::1]", "[::1]"),
    ],
)
def test_tenants_of_a_suite_that_listens_everywhere_are_at_the_name_the_client_used(
    anywhere: dict[str, str], host: str, name: str
) -> None:
    _, text = ask(anywhere["control"], "/api/tenants/demo", host)
    tenant = json.loads(text)
    for provider in PROVIDERS:
        assert tenant[provider]["url"] == anywhere[provider].replace("0.0.0.0", name)
    _, text = ask(anywhere["control"], "/health", host)
    assert json.loads(text)["addresses"]["cdr"] == tenant["cdr"]["url"]


def test_a_suite_with_an_address_of_its_own_keeps_it() -> None:
    with serving("--only", "cdr") as (_, ready):
        _, text = ask(ready["control"], "/api/tenants/demo", "localhost:49153")
        assert json.loads(text)["cdr"]["url"] == ready["cdr"]


def test_every_server_may_have_a_public_address_of_its_own() -> None:
    public = "cdr=https://api.example,onec=http://localhost:18088/,control=http://localhost:18080"
    with serving("--public-url", public) as (_, ready):
        assert ready["cdr"] == "https://api.example/v2.0"
        assert ready["onec"] == "http://localhost:18088/cus/ws/PartnerWebAPI2"
        assert ready["control"] == "http://localhost:18080"
        assert ready["arm"].startswith("http://127.0.0.1:")


def test_a_public_address_wins_over_the_host_of_the_request() -> None:
    """As behind a proxy that ends TLS, adds a path and rewrites the host."""
    public = "https://mocks.example:{port}/telephony/"
    with serving(*FROZEN, "--public-url", public) as (_, ready):
        _, text = ask(ready["control"], "/api/tenants/demo", "localhost:1")
        tenant = json.loads(text)
        assert {name: tenant[name]["url"] for name in PROVIDERS} == {
            name: ready[name] for name in PROVIDERS
        }
        _, wsdl = ask(ready["onec"], "/cus/ws/PartnerWebAPI2?wsdl", "upstream:1")
        assert wsdl.count(f'location="{ready["onec"]}"') == 2
        path = "/demo/service/cc/arm/operator_call_history"
        headers = {"Authorization": BASIC, "Content_Type": "text/xml"}
        _, answer = ask(ready["arm"], path, "upstream:1", HISTORY, **headers)
        assert f'"{ready["arm"]}/demo/' in answer


def test_control_answers_to_the_names_it_was_given_and_to_no_other() -> None:
    names = "Mocks.Example, *.ci.example"
    with serving("--allowed-hosts", names, "--only", "cdr") as (_, ready):
        for host in (
            "mocks.example",
            "MOCKS.example:80",
            "job-7.ci.example",
            "callmocks",
            "10.1.2.3",
        ):
            assert ask(ready["control"], "/api/tenants", host)[0] == 200, host
        for host in (
            "evil.example",
            "a.b.ci.example",
            "ci.example",
            "x.mocks.example",
            "",
            "mocks.example.evil.test",
        ):
            status, text = ask(ready["control"], "/api/tenants", host)
            assert (status, json.loads(text)["where"]) == (421, "Host"), host
            assert "--allowed-hosts" in json.loads(text)["detail"]


def test_pages_at_the_public_address_may_change_things_and_no_others() -> None:
    public = "https://mocks.example:{port}"
    with serving("--public-url", public, "--only", "cdr") as (_, ready):
        port = ready["control"].rpartition(":")[2]

        def make(name: str, origin: str) -> int:
            body = json.dumps({"name": name}).encode()
            return ask(ready["control"], "/api/tenants", "upstream:1", body, Origin=origin)[0]

        assert make("a", f"https://mocks.example:{port}") == 201
        assert make("b", "http://upstream:1") == 201
        for origin in ("https://mocks.example", f"http://mocks.example:{port}", "null", "://"):
            assert make("c", origin) == 403, origin


@pytest.mark.parametrize(
    "text",
    [
        "mocks.example",
        "http://",
        "cdr=ftp://x",
        "db=http://x",
        "cdr=",
        "http://x:port",
        "http://x/?a",
        "http://x:{prt}",
        "http://x/{prt}",
    ],
)
def test_a_public_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^--public-url: "):
        resolve_settings({"public_url": text})


@pytest.mark.parametrize(
    "text", ["http://mocks.example", "mocks.example:80", "a b", "*", "a..b", "-a"]
)
def test_an_allowed_host_that_is_none_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLMOCKS_ALLOWED_HOSTS", text)
    with pytest.raises(SettingsError, match=r"^CALLMOCKS_ALLOWED_HOSTS: .* is not a host name"):
        resolve_settings({}, env_prefix=ENV_PREFIX)


def test_allowed_hosts_take_other_alphabets_and_addresses() -> None:
    settings = resolve_settings({"allowed_hosts": "пример.рф,::1"})
    assert settings.allowed_hosts == ("xn--e1afmkfd.xn--p1ai", "::1")
    assert ServeSettings(public_url="cdr=http://a:{port},onec=http://b").host_names() == (
        "127.0.0.1",
        "a",
        "b",
    )
