"""Numbers for Prometheus, and one line of JSON for each request."""

import io
import json
from typing import Any

from aiohttp import ClientSession
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from callmocks.cdr.provider import CDR
from callmocks.control.metrics import BUCKETS, MAX_OPERATIONS, Metrics
from callmocks.control.server import make_app
from callmocks.server.providers import PROVIDERS
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.registry import Registry
from tests.control.conftest import ADDRESSES, ControlClient


async def samples(control: ControlClient) -> dict[tuple[str, ...], float]:
    async with control.session.get(control.url + "/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        text = await answer.text()
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def ask(control: ControlClient, url: str, method: str, **headers: str) -> None:
    params = {"access_token": "demo-token"}
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    async with control.session.post(url + "/v2.0", json=request, headers=headers) as answer:
        await answer.read()


async def test_exchanges_violations_faults_and_durations_are_counted(
    control: ControlClient, serve: Any
) -> None:
    url = await serve(CDR.create_app(control.registry))
    body = {"provider": "cdr", "fault": "status", "params": {"status": 503}, "skip": 2}
    await control.post("/api/tenants/demo/faults", body)
    for method in ("get.account", "get.nothing", "get.account"):
        await ask(control, url, method)
    found = await samples(control)
    assert found["callmocks_exchanges_total", "200", "cdr", "get.account"] == 1
    assert found["callmocks_exchanges_total", "503", "cdr", "get.account"] == 1
    assert found["callmocks_exchanges_total", "200", "cdr", "get.nothing"] == 1
    assert found["callmocks_violations_total", "cdr", "request"] == 1
    assert found["callmocks_faults_total", "cdr", "status"] == 1
    assert found["callmocks_answer_seconds_count", "cdr"] == 3
    assert found["callmocks_answer_seconds_bucket", "+Inf", "cdr"] == 3
    assert 0 < found["callmocks_answer_seconds_sum", "cdr"] < 3
    assert found["callmocks_tenants",] == 1
    assert found["callmocks_faults_on",] == 1
    assert found["callmocks_journal_entries",] == 3
    assert found["callmocks_journal_bytes",] > 3000
    assert found["process_resident_memory_bytes",] > 10_000_000


async def test_nothing_is_global(control: ControlClient, serve: Any, registry: Registry) -> None:
    await control.get("/health")
    assert not [family for family in REGISTRY.collect() if family.name.startswith("callmocks")]
    other = await serve(make_app(registry, ADDRESSES))
    async with ClientSession() as session:
        found = await samples(ControlClient(other, session, registry))
    assert not [name for name in found if name[0] == "callmocks_exchanges_total"]


def test_names_that_clients_invent_do_not_make_series_without_end(registry: Registry) -> None:
    meter, tenant = Metrics(), registry.unmatched
    for number in range(MAX_OPERATIONS + 50):
        for _ in range(2):
            exchange = Exchange.start(tenant, PROVIDERS["cdr"], b"", operation=f"m{number}")
            meter.count_exchange(exchange, Reply(b""), BUCKETS[0])
    assert len(meter.exchanges) == MAX_OPERATIONS + 1
    assert meter.exchanges["cdr", "other", 200] == 100
    assert meter.durations["cdr"][0] == 2 * MAX_OPERATIONS + 100  # a bound belongs to its bucket


async def test_long_names_that_clients_invent_are_neither_kept_nor_logged(
    registry: Registry, serve: Any
) -> None:
    log = io.StringIO()
    url = await serve(make_app(registry, ADDRESSES, log=log))
    cdr = await serve(CDR.create_app(registry))
    async with ClientSession() as session:
        control = ControlClient(url, session, registry)
        for number in range(3):
            await ask(control, cdr, f"get.{number}" + "x" * 100_000)
        found = await samples(control)
    assert found["callmocks_exchanges_total", "200", "cdr", "other"] == 3
    assert len(log.getvalue()) < 3000


async def test_each_request_is_a_line_of_json_under_an_id(registry: Registry, serve: Any) -> None:
    log = io.StringIO()
    url = await serve(make_app(registry, ADDRESSES, log=log))
    cdr = await serve(CDR.create_app(registry))
    async with ClientSession() as session:
        control = ControlClient(url, session, registry)
        async with session.get(url + "/health", headers={"X-Request-Id": "mine-1"}) as answer:
            assert answer.headers["X-Request-Id"] == "mine-1"
        async with session.get(url + "/nothing") as answer:
            assert answer.headers["X-Request-Id"] == "control-1"
        await ask(control, cdr, "get.account")
        await ask(control, cdr, "get.account")
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["event"], line["request_id"], line["status"]) for line in lines] == [
        ("control", "mine-1", 200),
        ("control", "control-1", 404),
        ("exchange", "demo-1", 200),
        ("exchange", "demo-2", 200),
    ]
    assert lines[1]["method"] == "GET" and lines[1]["path"] == "/nothing"
    assert lines[2]["provider"] == "cdr" and lines[2]["operation"] == "get.account"
    assert all(line["level"] == "info" and line["timestamp"] and line["ms"] >= 0 for line in lines)


async def test_an_exchange_is_logged_with_its_traceparent(registry: Registry, serve: Any) -> None:
    log, parent = io.StringIO(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await serve(make_app(registry, ADDRESSES, log=log))
    cdr = await serve(CDR.create_app(registry))
    async with ClientSession() as session:
        for headers in ({"traceparent": parent}, {}):
            async with session.post(cdr + "/v2.0", data=b"{", headers=headers) as answer:
                await answer.read()
    first, second = (json.loads(line) for line in log.getvalue().splitlines())
    assert first["traceparent"] == parent and "traceparent" not in second


async def test_it_is_quiet_by_default(
    control: ControlClient, serve: Any, capfd: Any, caplog: Any
) -> None:
    url = await serve(CDR.create_app(control.registry))
    await control.get("/health")
    await control.call("GET", "/nothing")
    await ask(control, url, "get.account")
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


async def test_a_defect_is_a_problem_for_the_client_and_a_traceback_in_the_log(
    control: ControlClient, monkeypatch: Any, caplog: Any
) -> None:
    tenant = control.registry.get("demo")
    monkeypatch.setattr(tenant, "clock", None)
    status, problem = await control.call("GET", "/api/tenants/demo/clock")
    assert status == 500 and "defect" in problem["detail"] and "NoneType" not in str(problem)
    assert "AttributeError" in caplog.text
