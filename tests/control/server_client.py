"""A client of a running server: its three providers and control."""

import base64
from typing import Any
from xml.etree import ElementTree

from aiohttp import ClientSession
from websockets.asyncio.client import connect

from callmocks.server.mock_server import MockServer

CORE = "{http://v8.1c.ru/8.1/data/core}"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
WINDOW = {"date_from": "2026-03-02 09:00:00", "date_till": "2026-03-02 11:59:59"}
SOAP = (
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
    '<x:GetHistoryOfServiceCalls xmlns:x="http://buhphone.com/PartnerWebAPI2"><x:Params>'
    '<Property xmlns="http://v8.1c.ru/8.1/data/core" name="PeriodFrom">'
    '<Value xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xmlns:xs="http://www.w3.org/2001/XMLSchema" xsi:type="xs:dateTime">2026-03-02T09:00:00'
    "</Value></Property></x:Params></x:GetHistoryOfServiceCalls></e:Body></e:Envelope>"
)


def basic(user: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:demo".encode()).decode()}


class Client:
    """A client of all three providers and of control."""

    def __init__(self, server: MockServer, session: ClientSession) -> None:
        self.urls = server.urls
        self.http = session
        self.token = "demo-token"
        self.id = 0

    async def fault(self, provider: str, fault: str, params: Any = None, **scope: Any) -> None:
        body = {"provider": provider, "fault": fault, "params": params or {}, **scope}
        url = self.urls["control"] + "/api/tenants/demo/faults"
        async with self.http.post(url, json=body) as answer:
            assert answer.status == 201, await answer.text()

    async def no_faults(self) -> None:
        url = self.urls["control"] + "/api/tenants/demo/faults"
        async with self.http.delete(url) as answer:
            assert answer.status == 204

    async def applied(self) -> list[str]:
        """Faults on the newest exchange, by the journal."""
        url = self.urls["control"] + "/api/tenants/demo/journal?limit=1"
        async with self.http.get(url) as answer:
            found: list[str] = (await answer.json())["entries"][-1]["faults"]
            return found

    async def cdr(self, method: str = "get.call_legs_report", **params: Any) -> Any:
        self.id += 1
        if method != "login.user":
            params = {"access_token": self.token, **params}
        if method == "get.call_legs_report":
            params = {**WINDOW, **params}
        request = {"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}
        async with self.http.post(self.urls["cdr"], json=request) as answer:
            return await answer.json(content_type=None)

    async def mnemonic(self, method: str = "get.account", **params: Any) -> str | None:
        answer = await self.cdr(method, **params)
        return answer["error"]["data"]["mnemonic"] if "error" in answer else None

    async def ids(self, offset: int, limit: int) -> list[int]:
        answer = await self.cdr(offset=offset, limit=limit, fields=["id"])
        return [row["id"] for row in answer["result"]["data"]]

    async def onec(self) -> tuple[int, ElementTree.Element, bytes]:
        headers = {"Content-Type": "text/xml; charset=utf-8", **basic("demo")}
        async with self.http.post(self.urls["onec"], data=SOAP, headers=headers) as answer:
            body = await answer.read()
            tree = ElementTree.fromstring(body if body[:1] == b"<" else b"<none/>")
            return answer.status, tree, body

    async def table(self) -> tuple[list[str], list[list[ElementTree.Element]]]:
        """Names of the columns and the cells of each row."""
        _, tree, _ = await self.onec()
        names = [column.findtext(f"{CORE}Name") or "" for column in tree.iter(f"{CORE}column")]
        return names, [row.findall(f"{CORE}Value") for row in tree.iter(f"{CORE}row")]

    async def results(self) -> list[str | None]:
        """The texts of the answer's properties: ResultCode and ResultData."""
        _, tree, _ = await self.onec()
        return [value.text for value in tree.iterfind(f".//{CORE}Property/{CORE}Value")]

    async def advance(self, seconds: float, keep_sessions: bool = False) -> None:
        url = self.urls["control"] + "/api/tenants/demo/clock/advance"
        body = {"seconds": seconds, "keep_sessions": keep_sessions}
        async with self.http.post(url, json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def verify(self, *expect: Any, **more: Any) -> Any:
        """The answer of the journal to expectations."""
        url = self.urls["control"] + "/api/tenants/demo/journal/verify"
        async with self.http.post(url, json={"expect": expect, **more}) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    def workplace(self) -> Any:
        url = self.urls["arm"].replace("http", "ws") + "/demo/service/cc/arm"
        return connect(url, additional_headers=basic("101"))


async def post_arm(client: Client, limit: int = 3) -> tuple[int, bytes]:
    url = client.urls["arm"] + "/demo/service/cc/arm/operator_call_history"
    body = f'<in><request><filters limit="{limit}"/></request></in>'
    async with client.http.post(url, data=body, headers=basic("101")) as answer:
        return answer.status, await answer.read()
