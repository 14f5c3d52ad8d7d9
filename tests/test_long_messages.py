"""Long messages: faults change them, and the ARM reads them, beside the event loop."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from callmocks.arm import frames, requests, service
from callmocks.arm.faults.breaks_xsd import BreaksXsd
from callmocks.faults.base import Fault, FaultContext
from callmocks.provider.server import is_disconnected
from callmocks.server.providers import PROVIDERS as ALL_PROVIDERS
from callmocks.tenants import loop_turns
from callmocks.tenants.exchange import Reply
from tests.control.server_client import SOAP, basic
from tests.limited_server import ARM, PATHS, PROVIDERS, limited_server
from tests.test_serve import LEGS

XML = {"Content-Type": "text/xml"}
FAULT_PARAMS = {"rpc_error": {"mnemonic": "limit_exceeded"}}
HOOKS = ("rewrite_request", "short_circuit", "modify_response", "corrupt_bytes")
LONG_ANSWERS = {
    "arm": ARM.replace(b'"1"', b'"1000"'),
    "cdr": json.dumps(LEGS | {"params": LEGS["params"] | {"limit": 1000, "offset": 1}}).encode(),
    "onec": SOAP.replace("2026-03-02T09", "2026-02-25T00").encode(),
}


async def enable_faults(client: aiohttp.ClientSession, control: str, name: str, *kinds: str) -> str:
    url = f"{control}/api/tenants/demo/faults"
    for kind in kinds:
        fault = {"provider": name, "fault": kind, "params": FAULT_PARAMS.get(kind, {})}
        async with client.post(url, json=fault) as enabled:
            assert enabled.status == 201, await enabled.text()
    return url


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("long", ["request", "answer"])
async def test_no_fault_reads_a_long_message_on_the_event_loop(
    monkeypatch: pytest.MonkeyPatch, name: str, long: str
) -> None:
    threads: dict[tuple[str, str], str] = {}

    def record_thread(model: type[Fault], hook: str) -> Callable[..., Any]:
        called = getattr(model, hook)

        def call(*args: Any) -> Any:
            threads[model.fault_name, hook] = threading.current_thread().name
            return called(*args)

        return call

    kinds, expected = [], set()
    for kind, model in ALL_PROVIDERS[name].fault_types.items():
        hooks = [hook for hook in HOOKS if hook in vars(model)]
        if "http" in model.transports and (long == "request" or "short_circuit" not in hooks):
            read = [hook for hook in hooks if hook in (HOOKS[:2], HOOKS[2:])[long == "answer"]]
            kinds += [kind] if read else []
            expected |= {(kind, hook) for hook in read}
            for hook in hooks:
                monkeypatch.setattr(model, hook, record_thread(model, hook))
    body = LONG_ANSWERS[name]
    if long == "request":
        body += b" " * 70_000
    headers = {"cdr": {}, "arm": XML | basic("101"), "onec": XML | basic("demo")}[name]
    async with limited_server() as server, aiohttp.ClientSession() as client:
        urls = server.suite.urls
        url = urls[name] + PATHS["arm"] if name == "arm" else urls[name]
        async with client.post(url, data=body, headers=headers) as answer:
            whole = await answer.read()
            assert answer.status == 200 and (long == "request" or len(whole) > 70_000)
        for kind in kinds:
            faults = await enable_faults(client, urls["control"], name, kind)
            with suppress(aiohttp.ClientError):  # one of them truncates
                async with client.post(url, data=body, headers=headers) as answer:
                    await answer.read()
            async with client.delete(faults) as disabled:
                assert disabled.status in (200, 204)
    assert expected and expected <= threads.keys()
    assert {threads[each] for each in expected} == {"callmocks worker"}


async def test_the_changes_of_an_answer_end_when_its_client_has_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, changed = threading.Semaphore(0), []

    def wait_until_disconnected(fault: Fault, context: FaultContext, reply: Reply) -> None:
        changed.append(len(reply.body))
        begun.release()
        request = context.exchange.requester._request  # type: ignore[attr-defined]
        for _ in range(1000):
            if is_disconnected(request):
                break
            threading.Event().wait(0.005)

    monkeypatch.setattr(BreaksXsd, "modify_response", wait_until_disconnected)
    async with limited_server() as server, aiohttp.ClientSession() as client:
        await enable_faults(client, server.suite.urls["control"], "arm", *["breaks_xsd"] * 5)
        tenant = server.suite.registry.get("demo")
        assert tenant is not None
        async with server.raw("arm") as raw:
            body = LONG_ANSWERS["arm"]
            raw.writer.write(raw.head("arm", len(body)) + body)
            assert await asyncio.to_thread(begun.acquire, timeout=30)
        async with asyncio.timeout(30):
            async for entry in tenant.journal.follow(0):
                assert not entry.faults
                break
    assert len(changed) == 1


def frame_filters(attributes: str, elements: int) -> bytes:
    filters = ",".join([f'{{"_name":"filters","_attributes":{{{attributes}}}}}'] * elements)
    content = f'[{{"_name":"request","_content":[{filters}]}}]'
    body = f'[{{"_name":"in","_content":{content}}}]'.encode()
    return frames.encode_request("0001", "operator_call_history", body)


async def test_long_frames_and_documents_of_the_arm_are_not_read_on_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: dict[str, set[str]] = {}

    def record_thread(name: str) -> Callable[..., Any]:
        called = getattr(service if hasattr(service, name) else requests, name)

        def call(*args: Any) -> Any:
            threads.setdefault(name, set()).add(threading.current_thread().name)
            return called(*args)

        return call

    for name in ("is_json_too_deep", "is_xml_too_deep"):
        monkeypatch.setattr(service, name, record_thread(name))
    for name in ("_parse_body", "_find_violations"):
        monkeypatch.setattr(requests, name, record_thread(name))
    async with limited_server() as server, aiohttp.ClientSession() as client:
        document = ARM.replace(b"<filters", b"<filters/>" * 9000 + b"<filters")
        url = server.suite.urls["arm"] + PATHS["arm"]
        async with client.post(url, data=document, headers=XML | basic("101")) as answer:
            assert b"<error" in await answer.read()
        url = server.suite.urls["arm"] + "/demo/service/cc/arm"
        async with client.ws_connect(url, headers=basic("101")) as socket:
            await socket.send_bytes(frame_filters('"limit":"1"', 2000))
            assert b"error" in (await socket.receive(30)).data
    assert threads.keys() >= {"is_json_too_deep", "is_xml_too_deep", "_parse_body"}
    assert all(each == {"callmocks worker"} for each in threads.values()), threads


async def test_others_are_served_between_two_frames_of_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PIECE_SECONDS", "SHARED_PIECE_SECONDS"):
        monkeypatch.setattr(loop_turns, name, 0.0)
    turns, seen = 0, []

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with limited_server() as server, aiohttp.ClientSession() as client:
        tenant = server.suite.registry.get("demo")
        assert tenant is not None
        url = server.suite.urls["arm"] + "/demo/service/cc/arm"
        async with client.ws_connect(url, headers=basic("101")) as socket:
            tenant.observers.append(lambda *_: seen.append(turns))
            counting = asyncio.create_task(count_turns())
            for _ in range(20):
                await socket.send_bytes(frame_filters('"limit":"1"', 1))
            for _ in range(20):
                await socket.receive(30)
            counting.cancel()
    assert len(set(seen)) == 20
