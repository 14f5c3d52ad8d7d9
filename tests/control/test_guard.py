"""Who may talk to the admin API."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession

from callmocks.control.server import make_app
from callmocks.tenants.registry import Registry
from tests.control.conftest import ADDRESSES, ControlClient


async def status(control: ControlClient, method: str = "GET", **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"name": "acme"} if method == "POST" else None
    return (await control.call(method, "/api/tenants", body, headers=named))[0]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8080", "localhost", "localhost:8080", "[::1]:8080", "10.1.2.3", "callmocks:8080",
     "app.localhost", "localhost."],
)  # fmt: skip
async def test_addresses_and_names_without_a_dot_are_this_server(
    control: ControlClient, host: str
) -> None:
    assert await status(control, Host=host) == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.ru",
             "user@evil.example", "evil.example@localhost", "localhost/evil.example",
             "localhost#evil.example", "localhost?evil.example", "[::1"],
)  # fmt: skip
async def test_a_rebound_name_is_refused(control: ControlClient, host: str) -> None:
    assert await status(control, Host=host) == 421


async def test_a_configured_name_is_allowed(registry: Registry, serve: Any) -> None:
    url = await serve(make_app(registry, ADDRESSES, hosts=["mocks.corp.example"]))
    async with ClientSession() as session:
        guarded = ControlClient(url, session, registry)
        assert await status(guarded, Host="Mocks.corp.example:80") == 200
        assert await status(guarded, Host="evil.example") == 421


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:1", "null", "http://localhost:3000"]
)
async def test_a_page_of_another_site_is_refused(
    control: ControlClient, method: str, origin: str
) -> None:
    assert await status(control, method, Origin=origin) == 403
    assert len(control.registry) == 1


async def test_an_own_origin_does_not_hide_another(control: ControlClient) -> None:
    headers = [("Origin", control.url), ("Origin", "https://evil.example")]
    async with control.session.post(f"{control.url}/api/tenants", headers=headers) as answer:
        assert answer.status == 403


async def test_a_page_of_this_server_is_allowed(control: ControlClient) -> None:
    assert await status(control, "POST", Origin=control.url) == 201


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_cross_site_request_may_read_but_not_change(
    control: ControlClient, site: str
) -> None:
    assert await status(control, "GET", Sec_Fetch_Site=site) == 200
    assert await status(control, "POST", Sec_Fetch_Site=site) == 403


@pytest.fixture
async def guarded(registry: Registry, serve: Any) -> AsyncIterator[ControlClient]:
    url = await serve(make_app(registry, ADDRESSES, token="s3cret"))
    async with ClientSession() as session:
        yield ControlClient(url, session, registry)


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


async def test_with_a_token_everything_but_health_requires_it(guarded: ControlClient) -> None:
    assert (await guarded.call("GET", "/health"))[0] == 200
    for path in ("/api/tenants", "/metrics", "/openapi.json", "/", "/nothing"):
        async with guarded.session.get(guarded.url + path) as answer:
            assert answer.status == 401
            assert "Bearer" in answer.headers["WWW-Authenticate"]
            assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("sent", ["Bearer s3cret", "bearer s3cret", basic("s3cret")])
async def test_the_token_gives_access(guarded: ControlClient, sent: str) -> None:
    assert await status(guarded, Authorization=sent) == 200


@pytest.mark.parametrize(
    "sent", ["Bearer wrong", "Bearer", "s3cret", "Digest s3cret", basic("wrong"), "Basic s3cret",
             "Bearer s3cret\u00e9"],
)  # fmt: skip
async def test_anything_else_is_refused(guarded: ControlClient, sent: str) -> None:
    assert await status(guarded, Authorization=sent) == 401
