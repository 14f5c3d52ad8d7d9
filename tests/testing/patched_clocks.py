"""Every operation, fault and fixture while a library has patched Python's clocks, in this process.

::

    python -m tests.testing.patched_clocks LIBRARY begins=start|middle tick=0|1
"""

from __future__ import annotations

import contextlib
import faulthandler
import http.client
import json
import os
import re
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from html import unescape
from pathlib import Path
from typing import Any
from unittest import mock

NOON = "2026-03-02T09:00:00+00:00"  # in Moscow: 12:00
UUID = "00000000-0000-4000-8000-000000000000"
WORLD = """
calls_per_day = 40
[[operators]]
number = "101"
birthday = 1990-05-17
created_at = 2020-01-02T03:04:05
[[operators]]
number = "102"
birthday = "1991-05-17"
"""
# Those that need some, and those that shall end soon.
PARAMS: dict[str, dict[str, Any]] = {
    "rpc_error": {"mnemonic": "limit_exceeded"},
    "result_code": {"code": "OUT_OF_LIMIT"},
    "delay": {"ms": 20},
    "dribble": {"bytes": 9000, "pause_ms": 1},
    "out_of_order": {"wait_ms": 20},
    "idle_close": {"seconds": 0.05},
}
# Pages without another one; answers of ARM over HTTP have no id.
WITHOUT_EFFECT = {("missing_rows", "cdr"), ("duplicate_rows", "cdr"), ("wrong_id", "arm")}
LAG = 600
SECONDS = 20.0
GIVE_UP_SECONDS = 0.2


@contextlib.contextmanager
def patch_clocks(library: str, tick: bool) -> Iterator[None]:
    if library == "freezegun":
        import freezegun

        with freezegun.freeze_time(NOON, tick=tick):
            yield
    else:
        import time_machine

        with time_machine.travel(NOON, tick=tick):
            yield


def send(url: str, body: str | None = None, headers: dict[str, str] | None = None) -> int:
    request = urllib.request.Request(url, body.encode() if body else None, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def call_cdr(cdr: Any, method: str, **params: object) -> Any:
    from tests.testing.clients import post

    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return json.loads(post(cdr.url, json.dumps(request))[1])


def walk_cdr(cdr: Any) -> None:
    from tests.testing.clients import DAY

    token = {"access_token": cdr.token}
    for method in ("get.call_legs_report", "get.calls_report"):
        direction = {"field": "direction", "operator": "=", "value": "in"}
        sort = [{"field": "start_time", "order": "desc"}]
        answer = call_cdr(cdr, method, **token, **DAY, filter=direction, sort=sort)
        assert answer["result"]["data"], answer
    for method in ("get.account", "get.customer_users", "rpc.discover"):
        call_cdr(cdr, method, **token)
    login = call_cdr(cdr, "login.user", login=cdr.login, password=cdr.password)
    assert login["result"]["data"]["expire_at"] > datetime.fromisoformat(NOON).timestamp()
    call_cdr(cdr, "logout.user", access_token=login["result"]["data"]["access_token"])


def walk_arm(arm: Any) -> None:
    from tests.testing.clients import basic, history

    assert history(arm, operator="101")[0] == 200
    assert history(arm, operator="101", start_time="20260302080000")[0] == 200
    login = basic("101", arm.operators[0].password)
    for command in ("login", "logout"):
        send(f"{arm.service_url}/{command}", "<in><request/></in>", login)


def walk_onec(onec: Any) -> None:
    from callmocks.onec.contract import load_operations
    from tests.onec.conftest import make_call, make_parameter
    from tests.testing.clients import basic, post, service_calls

    headers = {"Content-Type": "application/soap+xml", **basic(onec.user, onec.password)}
    for name in load_operations():
        for time in ("", "2020-03-02T00:00:00"):
            params = make_parameter("ChangedFrom", time) if time else ""
            if name.startswith("GetHistory"):
                params = make_parameter("PeriodFrom", "2026-03-02T00:00:00")
            status, text = post(onec.url, make_call(name, params).decode(), headers)
            assert status == 200, (name, text)
    assert service_calls(onec)[0] == 200
    assert send(onec.wsdl_url, None, headers) == 200


def walk_faults(tenant: Any) -> None:
    from tests.testing import clients

    requests: dict[str, Callable[[Any], object]]
    requests = {"arm": clients.history, "cdr": clients.legs, "onec": clients.service_calls}
    broken = (OSError, http.client.HTTPException, ValueError)
    for kind in tenant.control.get("/api/faults")["faults"]:
        name = kind["fault"]
        for provider in kind["providers"]:
            handle, sent = getattr(tenant, provider), requests[provider]
            patience = GIVE_UP_SECONDS if name == "never_answer" else SECONDS
            if "http" in kind["transports"]:
                with (
                    handle.fault(name, **PARAMS.get(name, {})) as fault,
                    mock.patch.object(clients, "TIMEOUT", patience),
                ):
                    with contextlib.suppress(*broken):
                        sent(handle)
                    assert fault.applied == ((name, provider) not in WITHOUT_EFFECT), kind
            if provider == "arm" and kind["transports"] != ["http"]:
                walk_websocket_fault(handle, name)


def walk_websocket_fault(arm: Any, name: str) -> None:
    """Two requests in flight, of which one meets it; or what happens to the connection."""
    from websockets.exceptions import ConnectionClosed, InvalidStatus
    from websockets.sync.client import connect

    from tests.testing.clients import basic
    from tests.verification.messages import history_frame

    login = basic("101", arm.operators[0].password)
    with arm.fault(name, times=1, **PARAMS.get(name, {})) as fault:
        try:
            with connect(
                arm.websocket_url, additional_headers=login, ping_interval=None, close_timeout=1
            ) as connection:
                for _ in range(0 if name == "idle_close" else 2):
                    connection.send(history_frame(limit=5))
                connection.recv()
        except (ConnectionClosed, InvalidStatus) as error:
            assert name in ("close", "reset", "truncated", "idle_close", "refuse_upgrade"), error
        assert fault.applied == 1, name


def walk_late_rows(mocks: Any, world: str) -> None:
    """A row is there when its lag is over by the tenant's clock, which a snapshot brings back."""
    from tests.testing.clients import legs

    tenant = mocks.tenant(world=world, cdr_lag=LAG, arm_lag=LAG, onec_lag=LAG)
    pinned = tenant.pin("2026-03-02T11:59:00", operator="101", talk_seconds=20)

    def shows_pinned() -> bool:
        rows = legs(tenant.cdr)["result"]["data"]
        return pinned.session_id in {row["call_session_id"] for row in rows}

    assert not shows_pinned()
    tenant.snapshot()
    tenant.advance(LAG)
    assert shows_pinned()
    tenant.restore()
    assert not shows_pinned()
    tenant.delete()


def walk_control(tenant: Any) -> None:
    """Every path that answers GET; a new parameter has to be added here."""
    day = "from=2026-03-02&till=2026-03-03"
    values = {"tenant": tenant.name, "file": "assumptions.toml", "provider": "cdr"}
    files = {"/schemas/{provider}/{file}": "errors.csv"}
    queries = dict.fromkeys(("truth", "roster", "episodes"), day)
    document = tenant.control.get("/openapi.json")
    for path, methods in document["paths"].items():
        if "get" in methods and not path.endswith("/stream"):
            filled = path.format(**values | ({"file": files[path]} if path in files else {}))
            query = queries.get(path.rpartition("/")[2], "")
            status = send(f"{tenant.control.url}{filled}?{query}")
            assert status == 200, (path, status)


def walk_dashboard(tenant: Any, call: int) -> None:
    """Every page of its table, and what those of the tenant link to."""
    from callmocks.control.dashboard import PAGES

    values = {"tenant": tenant.name, "call": call, "entry": 1, "language": "ru"}
    values |= {"name": "dashboard.css", "page": "faults.md"}
    lists = ("calls", "arm", "cdr/legs", "cdr", "onec")
    for pattern in PAGES:
        plain = re.sub(r"{(\w+):[^}]*}", r"{\1}", pattern)
        for shown in lists if "{list}" in plain else ("",):
            query = "q=1" if plain.endswith("/find") else "after=0"
            page = f"{tenant.control.url}{plain.format(**values, list=shown)}?{query}"
            assert send(page) == 200, page
    with urllib.request.urlopen(f"{tenant.control.url}/tenants/{tenant.name}") as answer:
        html = answer.read().decode()
    for link in sorted({*re.findall(r'href="(/[^"#]*)', html)}):
        assert send(tenant.control.url + unescape(link)) == 200, link


def walk_tenant(tenant: Any) -> None:
    call = tenant.pin("2026-03-02T11:00:00", operator="101", talk_seconds=30)
    walk_cdr(tenant.cdr)
    walk_arm(tenant.arm)
    walk_onec(tenant.onec)
    walk_faults(tenant)
    assert all(isinstance(one.start, datetime) for one in tenant.truth("2026-03-02", "2026-03-03"))
    tenant.cdr.assert_called("get.call_legs_report", date_from=datetime(2026, 3, 2))
    exchanges = tenant.exchanges()
    assert all(isinstance(exchange.at, datetime) for exchange in exchanges)
    with tempfile.TemporaryFile() as new:  # has the system's time, whatever is patched
        now = os.fstat(new.fileno()).st_mtime
    real_times = [exchange.real_time.timestamp() for exchange in exchanges]
    assert real_times == sorted(real_times) and now - 120 < real_times[0] <= now, real_times
    broken = [each.title for each in exchanges for v in each.violations if v.side == "answer"]
    assert broken == [], broken
    assert tenant.transcript()
    tenant.freeze("2026-03-02T13:00:00")
    tenant.advance(60)
    tenant.release()
    walk_control(tenant)
    walk_dashboard(tenant, call.session_id)
    tenant.unpin(call)


def main(library: str, begins: str, tick: bool) -> None:
    import callmocks

    faulthandler.dump_traceback_later(120, exit=True)  # what hangs is seen
    with contextlib.ExitStack() as stack:
        world = Path(stack.enter_context(tempfile.TemporaryDirectory()), "world.toml")
        world.write_text(WORLD, encoding="utf-8")
        if begins == "start":
            patched = stack.enter_context(contextlib.ExitStack())
            patched.enter_context(patch_clocks(library, tick))
        mocks = stack.enter_context(callmocks.running(world=str(world)))
        if begins == "middle":
            assert mocks.demo.now.isoformat() > "2026-03-02T13:00:00"
            patched = stack.enter_context(contextlib.ExitStack())
            patched.enter_context(patch_clocks(library, tick))
        assert mocks.demo.now.isoformat().startswith("2026-03-02T12:0"), mocks.demo.now
        walk_tenant(mocks.tenant(world=str(world)))
        walk_late_rows(mocks, str(world))
        with callmocks.running(tls="auto", only=["cdr"]) as secure:
            assert secure.cdr.now.isoformat().startswith("2026-03-02T12:0")
        patched.close()
        assert mocks.demo.now.isoformat() > "2026-03-02T13:00:00"
        walk_tenant(mocks.tenant(world=str(world), now="2026-03-02T12:00:00"))
    print("done")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3] == "tick")
