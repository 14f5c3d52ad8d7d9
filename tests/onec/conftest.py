"""A 1C-Connect server on a port of its own, and tenants made for one test each."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from aiohttp import web
from lxml import etree

from callmocks.contract.journal import JournalEntry
from callmocks.history.factory import HistoryFactory
from callmocks.onec import Structure, ValueTable, read_answer
from callmocks.onec.server import OnecServer
from callmocks.server.providers import PROVIDERS
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant import Tenant

DOCUMENTED = Path(__file__).parents[2] / "fixtures" / "documented" / "onec"
PATH = "/cus/ws/PartnerWebAPI2"
SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
SERVICE = "http://buhphone.com/PartnerWebAPI2"
CORE = "http://v8.1c.ru/8.1/data/core"
XS = "http://www.w3.org/2001/XMLSchema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

NIGHT = "2026-03-03T02:30:00"
DAY = "2026-03-03T12:30:00"
FROM, TO = "2026-02-23T00:00:00", "2026-03-02T00:00:00"  # a week


def make_value(kind: str, text: object) -> str:
    """A Value with a type."""
    return f'<Value xsi:type="{kind}">{text}</Value>'


def make_property(name: str, xml: str) -> str:
    """A Property around a Value."""
    return f'<Property xmlns="{CORE}" name="{name}">{xml}</Property>'


def make_parameter(name: str, content: object) -> str:
    """A parameter as the document writes it."""
    kind = {"Pe": "xs:dateTime", "Ch": "xs:dateTime", "Ca": "xs:decimal"}.get(name[:2], "xs:string")
    return make_property(name, make_value(kind, content))


def make_envelope(inside: str, version: str = SOAP12, header: str = "") -> bytes:
    """An envelope around what stands in the Body."""
    return (
        f'<soap:Envelope xmlns:soap="{version}" xmlns:par="{SERVICE}" xmlns:xs="{XS}" '
        f'xmlns:xsi="{XSI}">{header}<soap:Body>{inside}</soap:Body></soap:Envelope>'
    ).encode()


def make_call(operation: str, params: str = "", version: str = SOAP12) -> bytes:
    """A request with properties that are written already."""
    return make_envelope(
        f"<par:{operation}><par:Params>{params}</par:Params></par:{operation}>", version
    )


def make_history_call(version: str = SOAP12, **parameters: object) -> bytes:
    """``GetHistoryOfServiceCalls`` with typed parameters."""
    params = "".join(make_parameter(name, content) for name, content in parameters.items())
    return make_call("GetHistoryOfServiceCalls", params, version)


@dataclass
class Client:
    """An account of the service."""

    url: str
    tenant: Tenant
    session: requests.Session
    schema: etree.XMLSchema

    def post(self, body: bytes, **more: Any) -> requests.Response:
        """Send a request with the account's credentials."""
        more.setdefault("auth", (self.tenant.name, self.tenant.name))
        more.setdefault("headers", {"Content-Type": "application/soap+xml; charset=utf-8"})
        return self.session.post(self.url, data=body, timeout=60, **more)

    def answer(self, body: bytes) -> Structure:
        """The result of a call that is no Fault; every answer must keep the WSDL's schema."""
        response = self.post(body)
        assert response.status_code == 200, response.text
        self.schema.assertValid(get_body_child(response.content))
        return read_answer(response.content)

    def table(self, body: bytes) -> ValueTable:
        """The table of a call that succeeds."""
        answer = self.answer(body)
        assert answer["ResultCode"] == "SUCCESS", answer
        table = answer["ResultData"]
        assert isinstance(table, ValueTable)
        return table

    def records(self, body: bytes) -> list[dict[str, Any]]:
        """The rows of a call that succeeds, by column."""
        return list(self.table(body).records())

    def code(self, body: bytes) -> str:
        """The ResultCode."""
        code = self.answer(body)["ResultCode"]
        assert isinstance(code, str)
        return code

    def read(self, operation: str, **parameters: object) -> list[dict[str, Any]]:
        """The rows of a sibling read."""
        params = "".join(make_parameter(name, content) for name, content in parameters.items())
        return self.records(make_call(operation, params))

    @property
    def journal(self) -> list[JournalEntry]:
        """The account's journal, oldest entry first."""
        return list(self.tenant.journal.read_entries())


class Service:
    """A running server."""

    schema: etree.XMLSchema

    def __init__(self) -> None:
        self.registry = Registry(HistoryFactory(), PROVIDERS)
        self.port = 0
        self._names = (f"t{number}" for number in itertools.count(1))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"

    def client(self, now: str = NIGHT, **settings: Any) -> Client:
        """An account of a new tenant; its clock stands still."""
        settings.setdefault("limits", "off")
        tenant = self.registry.create(TenantSettings(next(self._names), now=now, **settings))
        return Client(self.url, tenant, requests.Session(), self.schema)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(30)
        wsdl = requests.get(f"{self.url}?wsdl", timeout=30).content
        self.schema = load_wsdl_schema(etree.fromstring(wsdl))

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = web.AppRunner(OnecServer(self.registry).create_app(), access_log=None)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """One server for all tests; each test takes tenants of its own."""
    running = Service()
    running.start()
    yield running
    running.stop()


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    """An account at night, with no limits."""
    made = service.client()
    yield made
    made.session.close()


@pytest.fixture(scope="session")
def week(service: Service) -> list[dict[str, Any]]:
    """A week of the default world."""
    return service.client().records(make_history_call(PeriodFrom=FROM, PeriodTo=TO))


@pytest.fixture(scope="session")
def wsdl_schema(service: Service) -> etree.XMLSchema:
    """The schema inside the WSDL as it is served."""
    return service.schema


def load_wsdl_schema(wsdl: etree._Element) -> etree.XMLSchema:
    """The schema inside a WSDL, without callmocks' own loading."""
    inline = {s.get("targetNamespace"): s for s in wsdl.iter(f"{{{XS}}}schema")}
    for other in inline[SERVICE].iter(f"{{{XS}}}import"):
        other.set("schemaLocation", "mem:core")

    class Resolver(etree.Resolver):
        def resolve(self, url: Any, pubid: Any, context: Any) -> Any:  # type: ignore[override]
            return self.resolve_string(etree.tostring(inline[CORE]), context, base_url=None)

    parser = etree.XMLParser()
    parser.resolvers.add(Resolver())
    return etree.XMLSchema(etree.fromstring(etree.tostring(inline[SERVICE]), parser))


def get_body_child(answer: bytes) -> etree._Element:
    """What stands in the Body of an answer."""
    root = etree.fromstring(answer)
    body = root.find(f"{{{etree.QName(root).namespace}}}Body")
    assert body is not None and len(body) == 1
    return body[0]
