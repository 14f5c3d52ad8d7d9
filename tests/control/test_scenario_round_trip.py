"""Generated tenants go from one suite into another, where nobody can tell them apart."""

from __future__ import annotations

import base64
import json
import random
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callmocks import running
from callmocks.contract.assumptions import load_ledger
from callmocks.errors import AdminError
from callmocks.testing import Mocks
from tests.control.server_client import SOAP

NAME = "orders"
API = f"/api/tenants/{NAME}"
DAY = "from=2026-03-02T00:00:00&till=2026-03-03T00:00:00"
WINDOW = {"date_from": "2026-03-02 00:00:00", "date_till": "2026-03-02 23:59:59"}
SMALL = {
    "title": "small",
    "calls_per_day": 30,
    "operators": [{"number": "201"}, {"number": "202", "last_name": "Ёлкин"}],
    "calendar": {"holidays": ["2026-03-05"]},
}
LEDGER = load_ledger()
LISTED = sorted(each.id for each in LEDGER.values() if each.alternatives and not each.fields)
FAULTS = (
    {"provider": "cdr", "fault": "rpc_error", "params": {"mnemonic": "forbidden"}, "times": 3},
    {"provider": "cdr", "fault": "status", "params": {"status": 502}, "probability": 0.5},
    {"provider": "cdr", "fault": "token_expired", "skip": 2},
    {"provider": "onec", "fault": "limit_reached", "times": 1},
    {"provider": "arm", "fault": "command_error", "operation": "operator_call_history"},
)

choices = st.dictionaries(st.sampled_from(LISTED), st.integers(0, 9), max_size=3).map(
    lambda drawn: {each: pick(each, index) for each, index in drawn.items()}
)
tenants = st.fixed_dictionaries(
    {
        "seed": st.sampled_from([1, 2]),
        "world": st.sampled_from(["quiet", "empty", SMALL]),
        "limits": st.sampled_from(["documented", "off"]),
        "assumptions": choices,
        "cdr_lag": st.sampled_from([0, 60, {"min": 0, "max": 600}]),
        "self_check": st.booleans(),
        "cdr": st.sampled_from([{}, {"token": "t0ken", "day_limit": 50}, {"partner": True}]),
    }
)
calls = st.fixed_dictionaries(
    {"start": st.integers(0, 700).map(lambda m: f"2026-03-02T{m // 60:02}:{m % 60:02}:07")},
    optional={
        "talk_seconds": st.integers(1, 300),
        "direction": st.sampled_from(["in", "out", "internal"]),
        "client_phone": st.just("79161234567"),
        "recorded": st.booleans(),
    },
)
actions = st.one_of(
    st.tuples(st.just("pin"), calls),
    st.tuples(st.just("unpin"), st.integers(0, 5)),
    st.tuples(st.just("fault"), st.sampled_from(FAULTS)),
    st.tuples(st.just("clear fault"), st.integers(0, 3)),
    st.tuples(st.just("advance"), st.integers(1, 7000)),
    st.tuples(st.just("choose"), choices),
    st.tuples(st.just("ask"), st.none()),
)


def pick(assumption: str, index: int) -> str:
    entry = LEDGER[assumption]
    known = [each for each in (entry.default, *entry.alternatives) if each != "*"]
    return known[index % len(known)]


@pytest.fixture(scope="module")
def suites() -> Iterator[tuple[Mocks, Mocks]]:
    """The second one was told other settings."""
    now = "2026-03-02T12:00:00"
    with (
        running(now=now, world="empty") as first,
        running(now="real", seed=9, world="quiet", limits="documented") as second,
    ):
        yield first, second


def act(suite: Mocks, action: str, value: Any) -> None:
    control = suite.control
    if action == "pin":
        control.request("POST", f"{API}/calls", value)
    elif action == "unpin":
        found = control.get(f"{API}/calls")["calls"][value:]
        for call in found[:1]:
            control.delete(f"{API}/calls/{call['id']}")
    elif action == "fault":
        control.request("POST", f"{API}/faults", value)
    elif action == "clear fault":
        found = control.get(f"{API}/faults")["faults"][value:]
        for fault in found[:1]:
            control.delete(f"{API}/faults/{fault['id']}")
    elif action == "advance":
        control.request("POST", f"{API}/clock/advance", {"seconds": value})
    elif action == "choose":
        for assumption, choice in value.items():
            control.request("PUT", f"{API}/assumptions/{assumption}", {"choice": choice})
    else:
        ask(suite)


def ask(suite: Mocks) -> list[tuple[int, bytes]]:
    """Answers of all three providers, without the host and port they were asked at."""
    view = suite.control.get(API)
    authorization = base64.b64encode(f"{NAME}:{NAME}".encode()).decode()
    xml = {"Content-Type": "text/xml", "Authorization": f"Basic {authorization}"}
    number = view["arm"]["operators"][0]["number"]
    operator = base64.b64encode(f"{number}:{NAME}".encode()).decode()
    params = {"access_token": view["cdr"]["token"], **WINDOW}
    legs, sessions = (
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        for method in ("get.call_legs_report", "get.calls_report")
    )
    history = f"{view['arm']['url']}/{NAME}/service/cc/arm/operator_call_history"
    return [
        post(url, body, headers)
        for url, body, headers in (
            (view["cdr"]["url"], legs, {"Content-Type": "application/json"}),
            (view["cdr"]["url"], sessions, {"Content-Type": "application/json"}),
            (view["onec"]["url"], SOAP.encode(), xml),
            (
                history,
                b"<in><request><filters limit='50' offset='0'/></request></in>",
                xml | {"Authorization": f"Basic {operator}"},
            ),
        )
    ]


def post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    host = url.split("/")[2].encode()
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().replace(host, b"HOST")
    except urllib.error.HTTPError as error:
        return error.code, error.read().replace(host, b"HOST")


def describe(suite: Mocks) -> list[Any]:
    control = suite.control
    found = [control.get(f"{API}/{path}") for path in ("scenario", "calls", "faults", "clock")]
    return [*found, control.get(f"{API}/truth?{DAY}"), control.get(f"{API}/fingerprint")]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tenant=tenants, done=st.lists(actions, max_size=9), order=st.randoms(use_true_random=False))
def test_another_suite_cannot_be_told_from_the_first(
    suites: tuple[Mocks, Mocks],
    tenant: dict[str, Any],
    done: list[tuple[str, Any]],
    order: random.Random,
) -> None:
    first, second = suites
    for suite in suites:
        try:
            suite.control.delete(API)
        except AdminError as error:
            assert error.status == 404
    first.control.request("POST", "/api/tenants", {"name": NAME, **tenant})
    for action, value in done:
        try:
            act(first, action, value)
        except AdminError as error:  # calls that contradict one another
            assert (action, error.status) == ("pin", 422), error
    exported = first.control.get(f"{API}/scenario")
    second.control.request("POST", "/api/tenants", {"name": NAME})
    assert second.control.request("PUT", f"{API}/scenario", exported) == exported
    assert describe(second) == describe(first)
    shuffled = order.sample(exported.get("calls", []), len(exported.get("calls", [])))
    second.control.request("PUT", f"{API}/scenario", exported | {"calls": shuffled})
    truths = [suite.control.get(f"{API}/truth?{DAY}") for suite in suites]
    assert truths[0] == truths[1]
    for _ in range(2):
        assert ask(second) == ask(first)
    assert second.control.get(f"{API}/faults") == first.control.get(f"{API}/faults")
