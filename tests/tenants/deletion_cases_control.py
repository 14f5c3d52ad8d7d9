"""Requests to the dashboard and to control, and clients that leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

from callmocks.control.dashboard import PAGES
from callmocks.control.server import ROUTES
from tests.tenants.deletion import (
    DAY,
    REPORT,
    Case,
    TenantClient,
    basic,
    control,
    page,
    property_of,
)

SHOWN = {"call": "5", "entry": "99", "list:calls|arm|cdr/legs|cdr|onec": "calls"}
"""What stands for the variable parts of the dashboard's paths."""
LISTS = ("/calls", "/arm", "/cdr/legs", "/cdr", "/onec")
STARTS = {"start": "2026-03-02T12:00:00"}
LONG_PERIOD = property_of("PeriodFrom", "2025-12-02T00:00:00")
LINES = {"headers": {"Content-Type": "application/x-ndjson"}}


def list_tenant_pages() -> Iterator[Case]:
    for path in PAGES:
        if path.startswith("/tenants/{tenant}"):
            path = path.removeprefix("/tenants/{tenant}")
            for name, value in SHOWN.items():
                path = path.replace(f"{{{name}}}", value)
            yield page(path, 200, 404)


async def open_known_call(client: TenantClient) -> None:
    truth = await client.call("GET", f"/truth?{DAY}")
    shown = truth["calls"][0]
    session = shown["cdr"]["call_session_id"]
    await client.send("GET", f"{client.pages}/calls/{session}", 200)
    for wanted in (session, "79161234567"):
        await client.send("GET", f"{client.pages}/find?q={wanted}", 303)


async def open_known_entry(client: TenantClient) -> None:
    await client.post_cdr()
    await client.post_onec("Nothing")
    await client.post_arm('limit="x"')
    for path in ("/journal", "/journal/1", "/journal/2", "/journal/3", "/journal/rows?after=0", ""):
        await client.send("GET", client.pages + path, 200)


DASHBOARD = (
    *list_tenant_pages(),
    *(page(f"{path}?day=2026-03-02&span=7", 200) for path in LISTS),
    *(page(f"{path}?day=xx", 422) for path in LISTS),
    *(page(f"{path}?span=4", 422) for path in LISTS),
    page("/calls/5", 404),
    page("/calls/5", 404, html=False),
    page("/calls?reason=nothing", 422),
    page("/calls?page=x", 422),
    page("/find?q=nothing", 200),
    page("/journal/x", 404),
    page("/journal?provider=x", 422),
    page("/nothing", 404),
    page("/nothing", 404, html=False),
    Case("a call that there is", open_known_call),
    Case("an entry that there is", open_known_entry),
)


def list_route_errors() -> Iterator[Case]:
    """What each route refuses, and what it answers when nothing is wrong."""
    for route in ROUTES:
        path = route.path.removeprefix("/api/tenants/{tenant}")
        if path == route.path or route.id in ("tenants_delete", "journal_stream"):
            continue
        for name in ("fault", "call", "assumption", "connection", "snapshot"):
            path = path.replace(f"{{{name}}}", "nothing")
        if route.method == "GET":
            yield control("HEAD", path, None, *range(200, 423))
        if route.body is not None:
            yield control(route.method, path, "{", 400)
            yield control(route.method, path, {"nothing": 1}, 404, 422)
            yield control(route.method, path, "[" * 70_000, 400, 422)
            yield control(route.method, path, " " * (8 * 1024 * 1024 + 1), 413)
        else:
            yield control(route.method, path, None, *range(200, 205), 404, 422)
        if route.query is not None:
            yield control(route.method, f"{path}?nothing=1", None, 422)
            yield control(route.method, f"{path}?{DAY}&{DAY}", None, 422)
        yield control("PATCH", path, None, 405)


async def pin_lines(client: TenantClient, lines: str, status: int) -> None:
    await client.send("POST", f"{client.api}/calls", status, data=lines, **LINES)


async def replace_scenario(client: TenantClient) -> None:
    document = await client.call("GET", "/scenario")
    for body in (document, {"seed": 12, "world": "quiet"}):
        await client.call("PUT", "/scenario", body)
        client.watch_history()
    await client.post_cdr()


async def use_snapshots(client: TenantClient) -> None:
    await client.call("POST", "/calls", STARTS)
    await client.call("PUT", "/snapshots/s")
    await client.post_cdr()
    for _ in range(2):
        await client.call("POST", "/snapshots/s")
        client.watch_history()
    await client.call("POST", "/reset")
    await client.call("DELETE", "/snapshots/s")


async def pin_calls(client: TenantClient) -> None:
    numbered = STARTS | {"number": 1}
    await client.call("POST", "/calls", numbered)
    await client.call("POST", "/calls", numbered, 422)
    await pin_lines(
        client, "\n".join(json.dumps({"start": f"2026-03-01T1{h}:00:00"}) for h in "234"), 201
    )
    for ask in (client.post_cdr, client.post_onec, client.post_arm):
        await ask()
    await client.call("GET", "/calls")
    await client.call("DELETE", "/calls")


async def verify_journal(client: TenantClient) -> None:
    await client.post_cdr()
    for fields in ({"params.limit": 3}, {"params.nothing": 3}):
        expected = {"provider": "cdr", "operation": "get.call_legs_report", "fields": fields}
        await client.call("POST", "/journal/verify", {"expect": [expected]}, 200, 422)
    await client.call("GET", "/journal?text=abc")


async def read_stream(client: TenantClient) -> None:
    async with client.http.get(f"{client.api}/journal/stream") as answer:
        await client.post_cdr()
        await answer.content.readline()


CONTROL = (
    *list_route_errors(),
    *(control("GET", f"/{each}?{DAY}", None, 200) for each in ("truth", "roster", "episodes")),
    control("GET", "/truth?from=2026-03-03&till=2026-03-02", None, 422),
    control("GET", "/truth?from=x", None, 422),
    control("PUT", "/scenario", {"calls": [STARTS | {"operator": "999"}]}, 422),
    control("PUT", "/scenario", {"cdr": {"login": "demo"}}, 409),
    control("PUT", "/scenario", {"world": "nothing"}, 422),
    control("PUT", "/scenario", {"faults": [{"provider": "cdr", "fault": "nothing"}]}, 422),
    control("POST", "/calls", STARTS | {"operator": "999"}, 422),
    control("POST", "/calls", {"start": "x"}, 422),
    *(
        Case(f"lines {line}", partial(pin_lines, lines=line, status=status))
        for line, status in (
            ('{"start": "2026-03-02T15:00:00", "operator": "77"}', 422),
            ('{"start": "2026-03-02T15:00:00", "number": 1}\n' * 2, 422),
            ('{"start": "x"}', 422),
            ('{"nothing": 1}', 422),
            ("{", 400),
        )
    ),
    control("POST", "/faults", {"provider": "cdr", "fault": "nothing"}, 422),
    control("POST", "/faults", {"provider": "cdr", "fault": "delay", "params": {"ms": -1}}, 422),
    control("PUT", "/clock", {"now": "x"}, 422),
    control("POST", "/clock/advance", {"seconds": 1e300}, 422),
    control("PUT", "/assumptions/cdr.leg-direction", {"choice": "nothing"}, 422),
    control("POST", "/journal/verify", {"expect": [{"provider": "cdr", "operation": "x"}]}, 422),
    Case("scenario", replace_scenario),
    Case("snapshots", use_snapshots),
    Case("pinned calls", pin_calls),
    Case("verify", verify_journal),
    Case("a stream", read_stream),
)  # fmt: skip


def leave(path: str, method: str = "GET", **options: Any) -> Case:
    return Case(
        f"{method} {path} without a client",
        lambda client: client.leave_during(
            lambda: client.send(method, client.api + path, *range(600), **options)
        ),
    )


def leave_cdr(method: str) -> Case:
    return Case(
        f"{method} without a client",
        lambda client: client.leave_during(
            lambda: client.post_cdr(method, date_from="2025-12-10 00:00:00", limit=10_000)
        ),
    )


async def send_slowly() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.sleep(9)


async def break_uploads(client: TenantClient) -> None:
    onec = basic(client.name, client.name)
    for method, url, headers in (
        ("PUT", f"{client.api}/scenario", {}),
        ("POST", f"{client.arm_url}/operator_call_history", client.operator),
        ("POST", client.suite.urls["onec"], onec),
    ):
        ask = partial(client.send, method, url, headers=headers)
        await client.leave_during(lambda: ask(data=send_slowly()))  # noqa: B023 - awaited here


async def leave_slow_answer(client: TenantClient) -> None:
    slow = {"provider": "cdr", "fault": "dribble", "params": {"bytes": 10}}
    await client.call("POST", "/faults", slow)
    await client.leave_during(client.post_cdr)


MANY_PINS = {"calls": [{"start": f"2026-03-02T1{hour}:00:00"} for hour in range(9)]}
ABANDONED = (
    leave("/fingerprint"),
    leave("/truth?from=2026-01-01&till=2026-03-03"),
    leave("/roster?from=2025-03-03&till=2026-03-03"),
    leave("/episodes?from=2025-03-03&till=2026-03-03"),
    leave("/scenario"),
    leave("/scenario", "PUT", json=MANY_PINS),
    leave("/snapshots/s", "PUT"),
    leave("/journal/stream"),
    leave_cdr(REPORT),
    leave_cdr("get.calls_report"),
    Case(
        "1C history without a client",
        lambda client: client.leave_during(lambda: client.post_onec(params=LONG_PERIOD)),
    ),
    Case(
        "a page without a client",
        lambda client: client.leave_during(
            lambda: client.send("GET", f"{client.pages}/calls?span=91", *range(600))
        ),
    ),
    Case("broken uploads", break_uploads),
    Case("a slow answer", leave_slow_answer),
)
