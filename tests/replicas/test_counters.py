"""Three processes, one Redis: sessions, quotas and faults are exact over all of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from tests.replicas.conftest import FORBIDDEN, HISTORY, Client, ReplicaProcess, round_robin

NIGHT = "2026-03-02T22:00:00"


# sessions


async def test_a_token_of_one_replica_works_on_all_until_a_logout_on_any(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0])
    opened = await client.rpc(three[0], "login.user", login=name, password=name)
    token = opened["data"]["access_token"]
    for replica in three:
        account = await client.rpc(replica, "get.account", access_token=token)
        assert account["data"][0]["name"] == name
    await client.rpc(three[1], "logout.user", access_token=token)
    for replica in three:
        assert (
            await client.rpc(replica, "get.account", access_token=token) == "access_token_invalid"
        )


async def test_tokens_of_all_replicas_differ(three: list[ReplicaProcess], client: Client) -> None:
    name = await client.tenant(three[0])
    opened = await asyncio.gather(
        *(
            client.rpc(replica, "login.user", login=name, password=name)
            for replica in round_robin(three, 30)
        )
    )
    assert len({each["data"]["access_token"] for each in opened}) == 30


async def test_an_operator_logged_in_at_one_replica_is_known_at_all(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0])
    login = f"<in><request login='101' password='{name}'/></in>"
    opened = await client.arm(three[2], name, "login", login)
    cookie = {"Cookie": opened.headers["Set-Cookie"].partition(";")[0]}
    found = [await client.arm(r, name, "operator_call_history", HISTORY, **cookie) for r in three]
    assert {answer.status for answer in found} == {200}
    assert (
        len({answer.body.replace(_own(r), b"") for r, answer in zip(three, found, strict=True)})
        == 1
    )
    await client.arm(three[1], name, "logout", "<in><request/></in>", **cookie)
    for replica in three:
        answer = await client.arm(replica, name, "operator_call_history", HISTORY, **cookie)
        assert answer.status == 401


def _own(replica: ReplicaProcess) -> bytes:
    return replica.urls["arm"].encode()


# quotas


async def test_a_point_is_spent_once_whichever_replica_is_asked(
    three: list[ReplicaProcess], client: Client
) -> None:
    limits = {"day_limit": 50, "minute_limit": 1000}
    name = await client.tenant(three[0], cdr=limits, limits="documented")

    async def call(replica: ReplicaProcess) -> Any:
        return await client.rpc(replica, "get.account", access_token=f"{name}-token")

    answers = await asyncio.gather(*map(call, round_robin(three, 240)))
    taken = [answer for answer in answers if answer != "limit_exceeded"]
    left = [answer["metadata"]["limits"]["day_remaining"] for answer in taken]
    assert sorted(left) == list(range(50))
    assert [await call(replica) for replica in three] == ["limit_exceeded"] * 3


async def test_a_call_refused_by_one_limit_costs_no_point_of_the_other(
    three: list[ReplicaProcess], client: Client
) -> None:
    limits = {"day_limit": 1000, "minute_limit": 20}
    name = await client.tenant(three[0], cdr=limits, limits="documented")
    calls = (
        client.rpc(replica, "get.account", access_token=f"{name}-token")
        for replica in round_robin(three, 120)
    )
    answers = await asyncio.gather(*calls)
    assert len([answer for answer in answers if answer != "limit_exceeded"]) == 20
    await client.control(three[1], "POST", f"/api/tenants/{name}/clock/advance", {"seconds": 60})
    after = await client.rpc(three[2], "get.account", access_token=f"{name}-token")
    assert after["metadata"]["limits"]["day_remaining"] == 1000 - 21


async def test_calls_an_hour_are_counted_together_however_they_are_counted(
    three: list[ReplicaProcess], client: Client
) -> None:
    choices: tuple[dict[str, str], ...] = (
        {},
        {"onec.quota-counts": "answered"},
        {"onec.quota-hour": "from-first-call"},
        {"onec.quota-counts": "answered", "onec.quota-hour": "from-first-call"},
    )
    for chosen in choices:
        name = await client.tenant(three[0], now=NIGHT, limits="documented", assumptions=chosen)
        answers = await asyncio.gather(
            *(
                client.onec(replica, name, "GetHistoryOfServiceCalls", _PERIOD)
                for replica in round_robin(three, 90)
            )
        )
        codes = Counter(b"SUCCESS" in answer.body for answer in answers)
        refused = Counter(b"OUT_OF_LIMIT" in answer.body for answer in answers)
        assert (codes[True], refused[True]) == (50, 40), chosen


_PERIOD = (
    '<Property xmlns="http://v8.1c.ru/8.1/data/core" name="PeriodFrom">'
    '<Value xsi:type="xs:dateTime">2026-03-02T21:59:00</Value></Property>'
)


# faults


async def test_a_fault_is_at_all_replicas_when_it_has_been_switched_on(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0])
    fault = FORBIDDEN
    for at in three:
        made = (await client.control(at, "POST", f"/api/tenants/{name}/faults", fault)).json
        answers = await asyncio.gather(*(client.rpc(r, "get.account") for r in three))
        assert answers == ["required_parameter_missed"] * 3, "nobody's are not faulted"
        answers = await asyncio.gather(
            *(client.rpc(r, "get.account", access_token=f"{name}-token") for r in three)
        )
        assert answers == ["forbidden"] * 3
        gone = await client.control(three[1], "DELETE", f"/api/tenants/{name}/faults/{made['id']}")
        assert gone.status == 204
        for replica in three:
            answer = await client.rpc(replica, "get.account", access_token=f"{name}-token")
            assert answer["data"]


async def test_times_and_skip_are_counted_over_all_replicas(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0], limits="off")
    fault = FORBIDDEN | {"skip": 11, "times": 7}
    await client.control(three[0], "POST", f"/api/tenants/{name}/faults", fault)
    calls = (
        client.rpc(replica, "get.account", access_token=f"{name}-token")
        for replica in round_robin(three, 90)
    )
    answers = await asyncio.gather(*calls)
    assert answers.count("forbidden") == 7
    for replica in three:
        listed = (await client.control(replica, "GET", f"/api/tenants/{name}/faults")).json
        assert [(each["met"], each["applied"]) for each in listed["faults"]] == [(90, 7)]


async def test_the_first_requests_pass_in_turn_over_the_replicas(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0], limits="off")
    fault = FORBIDDEN
    await client.control(
        three[0], "POST", f"/api/tenants/{name}/faults", fault | {"skip": 2, "times": 2}
    )
    answers = [
        await client.rpc(replica, "get.account", access_token=f"{name}-token")
        for replica in round_robin(three, 6)
    ]
    assert [answer == "forbidden" for answer in answers] == [False, False, True, True, False, False]


async def test_a_fault_that_was_switched_off_and_on_counts_from_the_beginning(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0], limits="off")
    fault = {
        "provider": "cdr",
        "fault": "rpc_error",
        "params": {"mnemonic": "forbidden"},
        "times": 2,
    }
    for at in three:
        made = (await client.control(at, "POST", f"/api/tenants/{name}/faults", fault)).json
        assert made["id"] == "f1"
        answers = [
            await client.rpc(replica, "get.account", access_token=f"{name}-token")
            for replica in round_robin(three, 4)
        ]
        assert answers.count("forbidden") == 2
        await client.control(at, "DELETE", f"/api/tenants/{name}/faults")


async def test_probabilities_are_those_of_one_process(
    three: list[ReplicaProcess], client: Client
) -> None:
    fault = FORBIDDEN | {"probability": 0.5}
    found = []
    for over in (three, three[:1]):
        name = await client.tenant(three[0], limits="off")
        await client.control(three[0], "POST", f"/api/tenants/{name}/faults", fault)
        found.append(
            [
                await client.rpc(replica, "get.account", access_token=f"{name}-token")
                == "forbidden"
                for replica in round_robin(over, 24)
            ]
        )
    assert found[0] == found[1]
    assert len(set(found[0])) == 2


async def test_a_token_expired_by_a_fault_is_expired_at_all_replicas(
    three: list[ReplicaProcess], client: Client
) -> None:
    name = await client.tenant(three[0])
    fault = {"provider": "cdr", "fault": "token_expired", "params": {"tokens": 1}}
    await client.control(three[1], "POST", f"/api/tenants/{name}/faults", fault)
    for replica in three:
        answer = await client.rpc(replica, "get.account", access_token=f"{name}-token")
        assert answer == "access_token_expired"
    opened = await client.rpc(three[2], "login.user", login=name, password=name)
    for replica in three:
        token = opened["data"]["access_token"]
        assert (await client.rpc(replica, "get.account", access_token=token))["data"]
