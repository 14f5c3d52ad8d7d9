"""Every operation, fault and fixture while a library has patched Python's clocks, in this process.

::

    python -m tests.testing.patched_clocks LIBRARY begins=start|middle tick=0|1
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

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
# Without an answer; and those that are set below so that they end sooner.
UNANSWERED = {"never_answer", "close", "reset", "truncated"}
SLOW = {"dribble", "delay"}
REQUIRED_PARAMS = {
    "rpc_error": {"mnemonic": "limit_exceeded"},
    "result_code": {"code": "OUT_OF_LIMIT"},
}
SECONDS = 20.0


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
    from tests.testing.clients import history, legs, service_calls

    requests: dict[str, Callable[[Any], object]]
    requests = {"arm": history, "cdr": legs, "onec": service_calls}
    for kind in tenant.control.get("/api/faults")["faults"]:
        for provider in kind["providers"]:
            if kind["fault"] in UNANSWERED | SLOW:
                continue
            handle = getattr(tenant, provider)
            params = REQUIRED_PARAMS.get(kind["fault"], {})
            with handle.fault(kind["fault"], **params), contextlib.suppress(ValueError):
                requests[provider](handle)
    for handle in (tenant.arm, tenant.cdr, tenant.onec):
        with handle.fault("delay", ms=20), handle.fault("dribble", bytes=9000, pause_ms=1):
            requests[handle.name](handle)


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
    lists = ("calls", "arm", "cdr/legs", "cdr", "onec")
    for page in (f"calls/{call.session_id}", "find?q=1", "journal", "journal/rows", "journal/1",
                 "faults", "clock", "assumptions", *lists):  # fmt: skip
        status = send(f"{tenant.control.url}/tenants/{tenant.name}/{page}")
        assert status < 400, (page, status)
    assert send(f"{tenant.control.url}/tenants/{tenant.name}") == 200
    assert send(f"{tenant.control.url}/metrics") == 200
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
        with callmocks.running(tls="auto", only=["cdr"]) as secure:
            assert secure.cdr.now.isoformat().startswith("2026-03-02T12:0")
        patched.close()
        assert mocks.demo.now.isoformat() > "2026-03-02T13:00:00"
        walk_tenant(mocks.tenant(world=str(world), now="2026-03-02T12:00:00"))
    print("done")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3] == "tick")
