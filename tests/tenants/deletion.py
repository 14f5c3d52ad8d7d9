"""Requests of a tenant that is deleted afterwards."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from typing import Any, NamedTuple

from aiohttp import ClientError, ClientSession, WSMsgType

from callmocks.server.mock_server import MockServer

WINDOW = {"date_from": "2026-03-02 00:00:00", "date_till": "2026-03-02 11:59:59"}
REPORT = "get.call_legs_report"
DAY = "from=2026-03-02&till=2026-03-03"
CORE = "http://v8.1c.ru/8.1/data/core"
SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP = (
    '<e:Envelope xmlns:e="{namespace}" xmlns:xs="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{header}<e:Body>'
    '<x:{operation} xmlns:x="http://buhphone.com/PartnerWebAPI2"><x:Params>{params}</x:Params>'
    "</x:{operation}></e:Body></e:Envelope>"
)
FRAME = (
    '[{"_name":"in","_content":[{"_name":"request","_content":'
    '[{"_name":"filters","_attributes":%s}]}]}]'
)
_LEFT_AFTER = (0.002, 0.01, 0.03)  # seconds of clients that leave


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def property_of(name: str, value: str, kind: str = "xs:dateTime") -> str:
    return (
        f'<Property xmlns="{CORE}" name="{name}"><Value xsi:type="{kind}">{value}</Value>'
        "</Property>"
    )


PERIOD = property_of("PeriodFrom", "2026-03-02T00:00:00")


class TenantClient:
    """A client of one tenant, which knows what is to be gone after it."""

    def __init__(self, suite: MockServer, http: ClientSession, name: str) -> None:
        self.suite, self.http, self.name = suite, http, name
        self.api = f"{suite.urls['control']}/api/tenants/{name}"
        self.pages = f"{suite.urls['control']}/tenants/{name}"
        self.arm_url = f"{suite.urls['arm']}/{name}/service/cc/arm"
        self.operator = basic("101", name)
        self.open_socket: Any = None
        tenant = suite.registry.get(name)
        assert tenant is not None
        self._references: list[weakref.ref[Any]] = [
            weakref.ref(tenant),
            weakref.ref(tenant.journal),
        ]
        self.watch_history()

    def watch_history(self) -> None:
        tenant = self.suite.registry.get(self.name)
        assert tenant is not None
        history = tenant.history
        self._references += map(weakref.ref, (history.directory, history.generated))

    @property
    def is_gone(self) -> bool:
        return not any(each() for each in self._references)

    async def delete(self) -> None:
        await self.call("DELETE", "")
        if self.open_socket is not None:
            await self.open_socket.close()

    async def send(self, method: str, url: str, *statuses: int, **options: Any) -> bytes:
        async with self.http.request(method, url, allow_redirects=False, **options) as answer:
            body = await answer.read()
            allowed = answer.status in statuses if statuses else answer.status < 300
            assert allowed, (method, url, answer.status, body[:200])
            return body

    async def call(self, method: str, path: str, body: Any = None, *statuses: int) -> Any:
        """Control."""
        is_raw = isinstance(body, str)
        options = {"data": BytesIO(body.encode())} if is_raw else {"json": body}
        found = await self.send(method, self.api + path, *statuses, **options)
        return json.loads(found) if found and method != "HEAD" else None

    async def post_cdr(self, method: str = REPORT, /, **params: Any) -> Any:
        window = WINDOW if method.endswith("_report") else {}
        token = {} if method == "login.user" else {"access_token": f"{self.name}-token"}
        request = {"id": 1, "method": method, "params": {**token, **window, **params}}
        return await self.post_rpc(json.dumps({"jsonrpc": "2.0", **request}).encode())

    async def post_rpc(self, body: bytes) -> Any:
        async with self.http.post(self.suite.urls["cdr"], data=body) as answer:
            return await answer.json(content_type=None)

    async def post_onec(
        self, operation: str = "GetHistoryOfServiceCalls", params: str = PERIOD, header: str = ""
    ) -> bytes:
        body = SOAP.format(operation=operation, params=params, header=header, namespace=SOAP11)
        return await self.post_soap(body.encode())

    async def post_soap(self, body: bytes, **headers: str) -> bytes:
        options = {"Content-Type": "text/xml", **basic(self.name, self.name), **headers}
        url = self.suite.urls["onec"]
        return await self.send("POST", url, 200, 400, 401, 500, data=body, headers=options)

    async def post_arm(
        self, filters: str = 'limit="3"', command: str = "operator_call_history", **headers: str
    ) -> bytes:
        body = f"<in><request><filters {filters}/></request></in>"
        return await self.post_document(body.encode(), command, **headers)

    async def post_document(
        self, body: bytes, command: str = "operator_call_history", **headers: str
    ) -> bytes:
        async with self.http.post(
            f"{self.arm_url}/{command}", data=body, headers=self.operator | headers
        ) as answer:
            return await answer.read()

    def connect(self) -> Any:
        return self.http.ws_connect(self.arm_url.replace("http", "ws"), headers=self.operator)

    async def leave_during(self, ask: Callable[[], Awaitable[object]]) -> None:
        for seconds in _LEFT_AFTER:
            with suppress(TimeoutError, ClientError):
                async with asyncio.timeout(seconds):
                    await ask()


class Case(NamedTuple):
    name: str
    run: Callable[[TenantClient], Awaitable[object]]
    settings: Mapping[str, Any] = {}


def frame(attributes: Mapping[str, str], length: int = 0) -> str:
    text = FRAME % json.dumps(attributes)
    return f"01{48 + len(text) + length:010}0001{'operator_call_history':32}{text}"


def page(path: str, *statuses: int, html: bool = True) -> Case:
    headers = {"Accept": "text/html"} if html else {}

    async def open_page(client: TenantClient) -> None:
        await client.send("GET", client.pages + path, *statuses, headers=headers)

    return Case(f"page {path} {'' if html else 'as a program'}", open_page)


def control(method: str, path: str, body: Any = None, *statuses: int) -> Case:
    return Case(
        f"{method} {path} {str(body)[:60]}",
        lambda client: client.call(method, path, body, *statuses),
    )


async def exchange_frames(client: TenantClient, *messages: str | bytes) -> None:
    async with client.connect() as socket:
        for message in messages:
            if isinstance(message, str):
                await socket.send_str(message)
            else:
                await socket.send_bytes(message)
            answer = await socket.receive()
            assert answer.type in (WSMsgType.TEXT, WSMsgType.BINARY), answer


def find_links(body: bytes) -> Sequence[str]:
    return re.findall(r'http://127[^"&<]+', body.decode())
