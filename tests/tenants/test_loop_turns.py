"""Turns of the event loop: how much of it long pieces of work get together."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from callmocks.errors import ClientDisconnected
from callmocks.tenants import loop_turns, worker
from callmocks.tenants.loop_turns import wait_for_turn

CLIENTS = 50


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def read(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(loop_turns, "read_stopwatch", clock.read)
    return clock


class LoopTurnCounter:
    number = 0

    async def count(self) -> None:
        while True:
            self.number += 1
            await asyncio.sleep(0)


@asynccontextmanager
async def counted_turns() -> AsyncIterator[LoopTurnCounter]:
    counter = LoopTurnCounter()
    counting = asyncio.create_task(counter.count())
    try:
        yield counter
    finally:
        counting.cancel()


async def run_pieces(clock: Clock, seconds: float) -> tuple[list[int], Counter[int]]:
    """In which order tasks had their turn, and how many pieces each turn of the loop had."""
    order, by_turn = list[int](), Counter[int]()
    async with counted_turns() as turn:

        async def run(client: int) -> None:
            for _ in range(2):
                await wait_for_turn()
                order.append(client)
                by_turn[turn.number] += 1
                clock.now += seconds

        await asyncio.gather(*map(run, range(CLIENTS)))
    return order, by_turn


async def test_of_long_pieces_one_runs_in_a_turn_of_the_loop(clock: Clock) -> None:
    order, by_turn = await run_pieces(clock, 0.01)
    assert order == [*range(CLIENTS)] * 2
    assert set(by_turn.values()) == {1}


async def test_short_pieces_share_a_turn_of_the_loop(clock: Clock) -> None:
    order, by_turn = await run_pieces(clock, 0.001)
    assert order == [*range(CLIENTS)] * 2
    assert max(by_turn.values()) == 4


async def test_one_that_is_alone_waits_for_two_turns_at_most(clock: Clock) -> None:
    async with counted_turns() as turn:
        await asyncio.sleep(0)
        for _ in range(3):
            before = turn.number
            await wait_for_turn()
            assert 0 < turn.number - before <= 2


async def test_one_that_is_cancelled_leaves_the_queue(clock: Clock) -> None:
    async def run() -> None:
        await wait_for_turn()
        clock.now += 1

    tasks = [asyncio.create_task(run()) for _ in range(10)]
    for turns in range(10):
        tasks[turns].cancel()
        tasks[9 - turns].cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(5):
        await run()


async def test_pieces_are_short_while_others_wait() -> None:
    assert not loop_turns.is_piece_over(0.001)
    waiting = asyncio.create_task(wait_for_turn())
    await asyncio.sleep(0)
    assert loop_turns.is_piece_over(0.001)
    assert not loop_turns.is_piece_over(0.0001)
    await waiting
    assert loop_turns.is_piece_over(0.005)


async def test_nobody_computes_for_a_client_that_has_left() -> None:
    worker.set_disconnect_check(lambda: True)
    with pytest.raises(ClientDisconnected):
        await worker.yield_turn()


def test_each_loop_has_turns_of_its_own() -> None:
    done = list[int]()

    async def run(clients: int) -> None:
        await asyncio.gather(*(worker.yield_turn() for _ in range(clients)))
        done.append(clients)

    def run_loops() -> None:
        for clients in (3, 40):
            asyncio.run(run(clients))

    threads = [threading.Thread(target=run_loops, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(done) == [3, 3, 3, 40, 40, 40]


async def test_a_computation_that_is_run_at_once_waits_for_no_turn() -> None:
    async def compute(depth: int) -> int:
        await worker.yield_turn()
        below = worker.run_at_once(compute(depth - 1)) if depth else 0
        await worker.yield_turn()
        return below + 1

    assert worker.run_at_once(compute(2)) == 3
    assert await worker.run_computation(compute(1), is_long=True) == 2
    assert await compute(0) == 1
