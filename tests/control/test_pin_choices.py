"""What a pinned call leaves open is chosen so that nobody speaks twice at once."""

from __future__ import annotations

import json
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from callmocks.history import reasons
from tests.control.conftest import ControlClient

TENANT = "/api/tenants/demo"
CALLS = f"{TENANT}/calls"
NINE = "2026-03-02T09:00:00"
OPERATORS = [f"{number}" for number in range(101, 113)]

Call = dict[str, Any]


def find_operator(call: Call, role: str = "operator") -> str:
    """Who answers, or the last who has the role."""
    found = [leg["operator"] for leg in call["legs"] if leg["role"] == role]
    assert found
    return str(found[-1])


def check_that_nobody_speaks_twice(calls: list[Call]) -> None:
    talks: dict[str, list[tuple[str, str]]] = {}
    for call in calls:
        for leg in call["legs"]:
            if leg["operator"] and leg["answered"] and leg["role"] != "coach":
                talks.setdefault(leg["operator"], []).append((leg["answered"], leg["end"]))
    for each in talks.values():
        assert all(one[1] <= other[0] for one, other in pairwise(sorted(each)))


async def occupy(control: ControlClient, *operators: str) -> list[Call]:
    """They speak from nine on, for ten minutes."""
    call = {"start": NINE, "wait_seconds": 0, "talk_seconds": 600}
    return [await control.post(CALLS, call | {"operator": operator}) for operator in operators]


@pytest.mark.parametrize(
    "call",
    [
        {},
        {"direction": "out"},
        {"direction": "internal"},
        {"finish_reason": "transfer_disconnects"},
        {"finish_reason": "another_operator_answer"},
        {"finish_reason": "employee_busy", "answered": True},
    ],
    ids=str,
)
async def test_a_start_is_enough_while_somebody_is_free(control: ControlClient, call: Call) -> None:
    made = [
        await control.post(
            CALLS, call | {"start": f"2026-03-02T{7 + minute // 20:02}:{minute % 20 * 3:02}:00"}
        )
        for minute in range(60)
    ]
    check_that_nobody_speaks_twice(made)


async def test_who_is_chosen_is_the_only_one_who_is_free(control: ControlClient) -> None:
    await occupy(control, *OPERATORS[:4], *OPERATORS[5:])
    made = await control.post(CALLS, {"start": "2026-03-02T09:01:00", "talk_seconds": 20})
    assert find_operator(made) == made["requested"]["operator"] == "105"


async def test_both_ends_of_a_transfer_are_chosen(control: ControlClient) -> None:
    await occupy(control, *OPERATORS[:7], *OPERATORS[9:])
    call = {"start": "2026-03-02T09:01:00", "finish_reason": "transfer_disconnects"}
    made = await control.post(CALLS, call | {"wait_seconds": 1, "talk_seconds": 20})
    assert {find_operator(made), find_operator(made, "transfer")} == {"108", "109"}
    called = {"start": "2026-03-02T09:03:00", "operator": "108", "direction": "internal"}
    assert find_operator(await control.post(CALLS, called | {"talk_seconds": 20})) == "109"


async def test_times_that_are_left_open_get_shorter(control: ControlClient) -> None:
    """101 speaks from nine to ten past, and is busy again from a quarter past on."""
    (first,) = await occupy(control, "101")
    named = {"operator": "101", "wait_seconds": 0}
    later = await control.post(CALLS, {**named, "start": "2026-03-02T09:15:00"})
    call = {"start": "2026-03-02T09:14:30", "operator": "101", "finish_reason": "employee_busy"}
    made = await control.post(CALLS, {**call, "answered": True})
    assert made["answered"] < made["end"] <= later["answered"]
    held = await control.post(CALLS, {**named, "start": "2026-03-02T09:13:00", "coach": "102"})
    assert held["answered"] == held["start"] and held["end"] <= made["answered"]
    talk = {"talk_seconds": 8, "start": "2026-03-02T08:59:50", "operator": "101"}
    hurried = await control.post(CALLS, talk)
    assert hurried["talk_seconds"] == 8 and hurried["end"] <= first["answered"]
    check_that_nobody_speaks_twice([first, later, made, held, hurried])


async def test_a_wait_that_is_left_open_lasts_till_the_operator_is_free(
    control: ControlClient,
) -> None:
    for day in range(1, 8):
        made = [
            await control.post(
                CALLS,
                {
                    "start": f"2026-03-0{day}T09:{minute:02}:00",
                    "operator": "101",
                    "talk_seconds": 40,
                },
            )
            for minute in range(15)
        ]
        check_that_nobody_speaks_twice(made)
        assert {call["talk_seconds"] for call in made} == {40}


async def test_a_talk_after_a_transfer_gets_shorter(control: ControlClient) -> None:
    (first,) = await occupy(control, "101")
    call = {"start": "2026-03-02T08:59:30", "operator": "102", "transfer_to": "101"}
    made = await control.post(CALLS, call)
    check_that_nobody_speaks_twice([first, made])
    assert find_operator(made, "transfer") == "101"


@pytest.mark.parametrize("direction", ["in", "out", "auto", "internal"])
async def test_a_call_of_the_last_second_ends_in_it(control: ControlClient, direction: str) -> None:
    start = "2034-12-31T23:59:59.500"
    made = await control.post(CALLS, {"start": start, "direction": direction})
    assert made["end"] <= "2034-12-31T23:59:59.999"
    for field in ("wait_seconds", "talk_seconds"):
        status, problem = await control.call("POST", CALLS, {"start": start, field: 1})
        assert (status, problem["where"]) == (422, "$.start")


def choose_properties(chance: Random) -> Call:
    second = chance.randrange(600)
    call: Call = {"start": f"2026-03-02T09:{second // 60:02}:{second % 60:02}"}
    several: dict[str, tuple[Any, ...]] = {
        **dict.fromkeys(("operator", "to_operator", "transfer_to", "coach"), tuple(OPERATORS)),
        **dict.fromkeys(("wait_seconds", "talk_seconds", "transfer_talk_seconds"), (0, 7, 90)),
        **dict.fromkeys(("anonymous", "recorded", "vendor"), (True,)),
        "answered": (True, False),
        "client_phone": ("79001112233",),
        "direction": ("in", "out", "auto", "internal"),
        "finish_reason": reasons.NAMES,
        "number": (1, 500),
        "rating": (1, 5),
    }
    names = chance.sample(sorted(several), chance.choice((0, 1, 1, 2, 2, 3)))
    return call | {name: chance.choice(several[name]) for name in names}


@pytest.mark.parametrize("seed", range(4))
async def test_a_refusal_names_what_was_given_or_that_nobody_is_free(
    control: ControlClient, seed: int
) -> None:
    chance, made = Random(seed), []
    for _ in range(40):
        call = choose_properties(chance)
        status, found = await control.call("POST", CALLS, call)
        if status == 201:
            made.append(found)
            assert found["requested"].items() >= call.items()
        else:
            field = found["where"].removeprefix("$.")
            assert field in call and (field != "start" or "speak in pinned" in found["detail"])
    assert len(made) > 10
    check_that_nobody_speaks_twice(made)
    scenario = await control.get(f"{TENANT}/scenario")
    assert (await control.call("PUT", f"{TENANT}/scenario", scenario)) == (200, scenario)
    assert (await control.get(CALLS))["calls"] == made


async def test_a_client_who_is_left_open_is_in_one_call_at_a_time(control: ControlClient) -> None:
    lines = [{"start": NINE, "answered": False, "wait_seconds": 60} for _ in range(60)]
    made = [await control.post(CALLS, call) for call in lines]
    assert len({call["client_phone"] for call in made}) == 60
    assert any("user" in call["requested"] for call in made)
    given = {"start": NINE, "answered": False, "client_phone": made[0]["client_phone"]}
    assert (await control.post(CALLS, given))["user_id"] == made[0]["user_id"]


async def test_when_all_speak_it_is_told_where(control: ControlClient) -> None:
    """One of the twelve has left before."""
    await occupy(control, *OPERATORS)
    for open_call, free in (
        ({"wait_seconds": 5}, 11),
        ({"wait_seconds": 5, "coach": "101"}, 10),
    ):
        status, problem = await control.call("POST", CALLS, {"start": NINE, **open_call})
        assert (status, problem["where"]) == (422, "$.start")
        assert f"all {free} operators" in problem["detail"]
        assert "2026-03-02 09:00:05" in problem["detail"]


async def test_whom_the_user_named_is_the_field_that_is_refused(control: ControlClient) -> None:
    (first, _) = await occupy(control, "101", "102")
    for field in ("operator", "to_operator", "transfer_to"):
        call = {"start": NINE, "wait_seconds": 5, "talk_seconds": 9, field: "101"}
        call |= {"transfer_talk_seconds": 9} if field == "transfer_to" else {}
        status, problem = await control.call("POST", CALLS, call)
        assert (status, problem["where"]) == (422, f"$.{field}")
        assert f"101 speaks in the pinned call {first['id']}" in problem["detail"]


@pytest.mark.parametrize("field", ["to_operator", "transfer_to", "coach"])
async def test_who_is_named_does_not_take_part_twice(control: ControlClient, field: str) -> None:
    lines = [
        json.dumps({"start": f"2026-03-0{day}T{hour:02}:00:00", field: operator})
        for day in range(1, 5)
        for hour, operator in enumerate(OPERATORS, 8)
    ]
    headers = {"Content-Type": "application/x-ndjson"}
    async with control.session.post(
        control.url + CALLS, data="\n".join(lines).encode(), headers=headers
    ) as answer:
        made = (await answer.json())["calls"]
    assert len(made) == len(lines)
    for call in made:
        parties = {leg["operator"] for leg in call["legs"] if leg["operator"]}
        assert len(parties) >= 2 and call["requested"][field] in parties


async def test_a_choice_stays_when_others_are_gone(control: ControlClient) -> None:
    """In the tenant, after a snapshot and as a scenario."""
    drawn = await control.post(CALLS, {"start": NINE})
    occupied = await occupy(control, *(each for each in OPERATORS if each != find_operator(drawn)))
    assert await control.call("DELETE", f"{CALLS}/{drawn['id']}") == (204, None)
    made = await control.post(CALLS, {"start": NINE, "talk_seconds": 20})
    assert find_operator(made) == find_operator(drawn)
    for each in occupied:
        assert await control.call("DELETE", f"{CALLS}/{each['id']}") == (204, None)
    kept = await control.get(CALLS)
    assert kept["calls"] == [made]
    await control.call("PUT", f"{TENANT}/snapshots/base")
    scenario = await control.get(f"{TENANT}/scenario")
    for restore in (
        ("POST", f"{TENANT}/snapshots/base", None),
        ("PUT", f"{TENANT}/scenario", scenario),
    ):
        assert await control.call("DELETE", CALLS) == (204, None)
        assert (await control.call(*restore))[0] == 200
        assert await control.get(CALLS) == kept
        assert await control.get(f"{TENANT}/scenario") == scenario


async def test_the_same_pins_in_the_same_order_give_the_same_calls(control: ControlClient) -> None:
    calls = [
        {"start": f"2026-03-02T09:{second // 2:02}:{second % 2 * 30:02}"} for second in range(24)
    ]
    one_by_one = [await control.post(CALLS, call) for call in calls]
    assert any("operator" in call["requested"] for call in one_by_one)
    scenario = await control.get(f"{TENANT}/scenario")
    assert await control.call("DELETE", CALLS) == (204, None)
    headers = {"Content-Type": "application/x-ndjson"}
    lines = "\n".join(map(json.dumps, calls)).encode()
    async with control.session.post(control.url + CALLS, data=lines, headers=headers) as answer:
        assert (await answer.json())["calls"] == one_by_one
    bare = {**scenario, "calls": calls}
    assert (await control.call("PUT", f"{TENANT}/scenario", bare)) == (200, scenario)
    assert (await control.get(CALLS))["calls"] == one_by_one
