"""The two kinds of state do the same, step by step; in Redis also when many come at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callmocks.replication import connection
from callmocks.replication.connection import RedisConnection
from callmocks.replication.state import RedisState
from callmocks.replication.store import DocumentStore, StoreVersion
from callmocks.tenants.state import CounterIncrement, StaleTenantsError, State
from tests.replicas.conftest import RedisServer

_ERAS = count(1)
keys = st.sampled_from(["a", "b", "ключ", "v:a"])
values = st.binary(max_size=5)
amounts = st.integers(-3, 3)
ceilings = st.none() | st.integers(-2, 5)
steps = st.lists(
    st.builds(CounterIncrement, keys, amounts, ceilings), max_size=4, unique_by=lambda s: s.key
)
operations = st.one_of(
    st.tuples(st.just("get"), keys),
    st.tuples(st.just("put"), keys, values),
    st.tuples(st.just("compare_and_set"), keys, st.none() | values, values),
    st.tuples(st.just("delete"), keys),
    st.tuples(st.just("add"), keys, amounts, ceilings),
    st.tuples(st.just("add_all"), steps),
    st.tuples(
        st.just("add_to_bounded_set"), keys, st.sampled_from(["x", "y", "z"]), st.integers(0, 2)
    ),
    st.tuples(st.just("delete_all")),
)


@dataclass
class Memory:
    """A replica that never catches up."""

    connection: RedisConnection
    version: StoreVersion

    async def catch_up(self, stale: StoreVersion) -> None:
        pass


@pytest.fixture
async def link(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RedisConnection]:
    # On a busy machine hundreds of commands at once take longer than a request may wait.
    monkeypatch.setattr(connection, "TIMEOUT_SECONDS", 60.0)
    link = RedisConnection(redis.take_url())
    yield link
    await link.close()


def fresh(link: RedisConnection, version: StoreVersion | None = None) -> RedisState:
    state = RedisState(Memory(link, version or StoreVersion()), "state")
    state.incarnation = str(next(_ERAS))
    return state


@given(history=st.lists(operations, max_size=12))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_both_states_answer_the_same(redis: RedisServer, history: list[tuple[Any, ...]]) -> None:
    async def answers(state: State) -> list[object]:
        return [await getattr(state, name)(*given) for name, *given in history]

    async def both() -> None:
        link = RedisConnection(redis.take_url())
        try:
            assert await answers(State()) == await answers(fresh(link))
        finally:
            await link.close()

    asyncio.run(both())


async def test_a_counter_is_exact_under_concurrency(link: RedisConnection) -> None:
    state = fresh(link)
    totals = await asyncio.gather(*(state.add("n", 1, 300) for _ in range(500)))
    assert sorted(total for total in totals if total is not None) == list(range(1, 301))


async def test_a_bounded_set_takes_no_more_than_its_limit(link: RedisConnection) -> None:
    state = fresh(link)
    joined = await asyncio.gather(
        *(state.add_to_bounded_set("l", f"m{n % 50:02}", 20) for n in range(200))
    )
    on = {f"m{n % 50:02}" for n, is_on in enumerate(joined) if is_on}
    assert len(on) == 20
    assert [await state.add_to_bounded_set("l", f"m{n}", 20) for n in range(50)] == [
        f"m{n}" in on for n in range(50)
    ]


async def test_one_of_many_compare_and_sets_wins(link: RedisConnection) -> None:
    state = fresh(link)
    stood = await asyncio.gather(
        *(state.compare_and_set("first", None, b"%d" % n) for n in range(50))
    )
    assert len(set(stood)) == 1


async def test_a_stale_request_changes_nothing(link: RedisConnection) -> None:
    store = DocumentStore(link)
    version = StoreVersion("s", 1, "first")
    assert await store.create_store(version, {})
    shared = fresh(link, version)
    await shared.put("first", b"1")
    current = shared.for_request()
    stale = shared.for_request()
    assert await current.add("n", 1) == 1
    assert await store.commit_changes(version, version.make_next("w"), {"a/x": b"1"})
    assert await current.add("n", 1) == 2, "it was current when it began"
    for operation in operations_of_a_request(stale):
        with pytest.raises(StaleTenantsError):
            await operation
    assert await shared.get("first") == b"1"
    assert await shared.get("other") is None
    assert await shared.add("n", 0) == 2


def operations_of_a_request(state: State) -> list[Awaitable[object]]:
    return [
        state.confirm(),
        state.get("first"),
        state.put("other", b"2"),
        state.compare_and_set("first", b"1", b"2"),
        state.delete("first"),
        state.add("n", 1),
        state.add_to_bounded_set("l", "x", 1),
        state.delete_all(),
    ]
