"""Two tenants hammered at once do not notice one another."""

import asyncio
import base64
from typing import Any

from aiohttp import ClientSession

from callmocks.config.settings import ServeSettings
from callmocks.server.mock_server import MockServer
from tests.control.server_client import SOAP

NOW = "2026-03-02T12:00:00"
ROUNDS = 40


class User:
    """A client of one tenant: asks all three providers the same things again and again."""

    def __init__(self, suite: MockServer, http: ClientSession, name: str) -> None:
        self.urls, self.http, self.name = suite.urls, http, name
        self.api = f"{suite.urls['control']}/api/tenants/{name}"

    def basic(self, user: str) -> dict[str, str]:
        secret = base64.b64encode(f"{user}:{self.name}".encode()).decode()
        return {"Authorization": f"Basic {secret}", "Content-Type": "text/xml"}

    async def ask(self) -> list[bytes]:
        params = {
            "access_token": f"{self.name}-token",
            "date_from": "2026-03-01 00:00:00",
            "date_till": "2026-03-02 23:59:59",
            "limit": 20,
            "sort": [{"field": "start_time", "order": "desc"}],
        }
        legs = {"jsonrpc": "2.0", "id": 1, "method": "get.call_legs_report", "params": params}
        arm = f"{self.urls['arm']}/{self.name}/service/cc/arm/operator_call_history"
        request = '<in><request><filters limit="20"/></request></in>'
        return [
            await self._post(self.urls["cdr"], json=legs),
            await self._post(arm, data=request, headers=self.basic("101")),
            await self._post(self.urls["onec"], data=SOAP, headers=self.basic(self.name)),
        ]

    async def _post(self, url: str, **more: Any) -> bytes:
        async with self.http.post(url, **more) as answer:
            return await answer.read()

    async def control(self, method: str, path: str, body: Any = None) -> None:
        async with self.http.request(method, self.api + path, json=body) as answer:
            assert answer.status < 300, await answer.text()


def same(answers: list[bytes]) -> list[bytes]:
    """Answers without the one thing that must differ: the tenant's name in record addresses."""
    return [answer.replace(b"/quiet/", b"/X/").replace(b"/busy/", b"/X/") for answer in answers]


async def run_steadily(user: User, first: list[bytes]) -> None:
    for _ in range(ROUNDS):
        assert await user.ask() == first


async def run_busily(user: User) -> None:
    """Everything one tenant can do to itself, while the other just asks."""
    faults = ("malformed", "status", "truncated", "unauthorized", "delay")
    for number in range(ROUNDS):
        fault = faults[number % len(faults)]
        provider = ("onec", "arm")[number % 2]
        params = {"ms": 1} if fault == "delay" else {}
        await user.control(
            "POST", "/faults", {"provider": provider, "fault": fault, "params": params}
        )
        await user.control("POST", "/calls", {"start": f"2026-03-01T03:{number:02}:00"})
        await user.control("POST", "/clock/advance", {"seconds": 61})
        await user.control("PUT", "/assumptions/cdr.default-order", {"choice": "descending"})
        try:
            await user.ask()
        except OSError:
            pass  # truncated: the connection ended too early
        except Exception as error:
            assert "payload" in str(error).lower(), error
        if number % 4 == 3:
            await user.control("POST", "/reset")


async def test_a_busy_tenant_does_not_disturb_another_of_the_same_seed() -> None:
    settings = ServeSettings(
        arm_port=0, cdr_port=0, onec_port=0, control_port=0, now=NOW, limits="off"
    )
    async with MockServer(settings) as suite, ClientSession() as http:
        users = [User(suite, http, name) for name in ("quiet", "busy")]
        for user in users:
            url = suite.urls["control"] + "/api/tenants"
            async with http.post(url, json={"name": user.name}) as made:
                assert made.status == 201
        quiet, busy = users
        first = await quiet.ask()
        assert same(first) == same(await busy.ask())  # one seed, one history
        assert all(len(answer) > 1000 for answer in first)
        await asyncio.gather(
            run_steadily(quiet, first), run_steadily(quiet, first), run_busily(busy)
        )
        await busy.control("POST", "/reset")
        assert same(await busy.ask()) == same(first)
        for name, entries in (("quiet", 3 * (2 * ROUNDS + 1)), ("busy", 3)):
            tenant = suite.registry.get(name)
            assert tenant is not None
            found = [*tenant.journal.read_entries()]
            assert len(found) == entries
            assert all(not entry.faults and not entry.violations for entry in found)
            other = "busy" if name == "quiet" else "quiet"
            assert not any(f"{other}-token" in entry.request for entry in found)
