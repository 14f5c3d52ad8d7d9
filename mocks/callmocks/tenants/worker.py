"""Threads beside the event loop, for computations that would keep other requests waiting.

A computation is a coroutine that waits for nothing but its turn, with ``yield_turn``: on the loop
others run meanwhile, and all computations have some milliseconds of a turn together; a thread goes
on with the job that has waited longest, and ends those whose clients have left. What it reads is
immutable or may be made twice: generated days, directories, rendered rows.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple, TypeVar

from callmocks.contract.garbage import paused_collection, set_list_emptier
from callmocks.errors import ClientDisconnected, OutOfThreads
from callmocks.history.clock import read_stopwatch
from callmocks.tenants.loop_turns import is_piece_over, wait_for_turn

T = TypeVar("T")

# Calls that are generated, filtered or sorted on the loop at once: some 50 ms.
LONG_CALLS: Final = 10_000
# Bytes of a request that are parsed and compiled on the loop.
LONG_REQUEST_BYTES: Final = 64 * 1024
# What is more waits for its turn of the loop: it takes some milliseconds to read such a request, to
# look through such calls or to hand over such an answer, and many clients may want it at once.
SHORT_REQUEST_BYTES: Final = 4 * 1024
FEW_CALLS: Final = 500
SMALL_ANSWER_BYTES: Final = 256 * 1024
_MAX_THREADS: Final = 2
# Of a job in a thread.
_TURN_SECONDS: Final = 0.02

_Steps = Coroutine[Any, Any, Any]
_HasLeft = Callable[[], bool]
_Outcome = tuple[Any, BaseException | None]


class _Job(NamedTuple):
    future: Future[Any]
    steps: _Steps
    has_left: _HasLeft
    is_slow: bool


_jobs: SimpleQueue[_Job] = SimpleQueue()
# The first of them is in `_jobs`, or runs.
_slow_jobs: deque[_Job] = deque()
_slow_jobs_lock = threading.Lock()
_local = threading.local()
_threads = 0


def _never() -> bool:
    return False


_disconnect_check: ContextVar[_HasLeft] = ContextVar("disconnect_check", default=_never)


def set_disconnect_check(has_left: _HasLeft) -> None:
    """Whether the client of this context's request has left; threads call it too."""
    _disconnect_check.set(has_left)


async def yield_turn() -> None:
    """Between the pieces of a computation; ``ClientDisconnected`` when nobody waits for it."""
    if getattr(_local, "is_stepping", False):
        await asyncio.sleep(0)
    else:
        await wait_for_turn()
    if _disconnect_check.get()():
        raise ClientDisconnected


class PieceTimer:
    def __init__(self) -> None:
        self._since = read_stopwatch()

    async def yield_when_due(self) -> None:
        if is_piece_over(read_stopwatch() - self._since):
            await yield_turn()
            self._since = read_stopwatch()


def run_at_once(steps: Coroutine[Any, Any, T]) -> T:
    """Run ``steps`` to the end in this thread; ``ClientDisconnected`` as from ``yield_turn``."""
    was_stepping = getattr(_local, "is_stepping", False)
    _local.is_stepping = True
    try:
        while True:
            steps.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        _local.is_stepping = was_stepping


async def run_computation(steps: Coroutine[Any, Any, T], is_long: bool) -> T:
    """Run ``steps`` on the loop, or in a thread when it is long."""
    if not is_long or getattr(_local, "is_worker", False):
        return await steps
    return await _run_in_turns(steps, _disconnect_check.get())


async def run_if_long(
    work: Callable[[], T], is_long: bool, *, is_shared: bool = False, is_slow: bool = False
) -> T:
    if not is_long:
        return work()
    return await run_in_worker(work, is_shared=is_shared, is_slow=is_slow)


async def read_if_long(read: Callable[..., T], size: int, *args: object) -> T:
    """Call ``read`` with ``args``, in a thread when the ``size`` bytes that it reads are many."""
    if size <= LONG_REQUEST_BYTES:
        return read(*args)
    return await run_in_worker(partial(call_without_collection, read, *args))


async def read_even_without_threads(read: Callable[..., T], size: int, *args: object) -> T:
    """As ``read_if_long``, but on the loop where the system gives no thread.

    For what is read before there is an exchange: what the tenant's pipeline does tells that threads
    are missing; for the answer that tells it, and for the rest of one that has begun.
    """
    try:
        return await read_if_long(read, size, *args)
    except OutOfThreads:
        return read(*args)


def call_without_collection(read: Callable[..., T], *args: object) -> T:
    with paused_collection():
        return read(*args)


async def run_in_worker(
    work: Callable[[], T], *, is_shared: bool = False, is_slow: bool = False
) -> T:
    """In one piece.

    It is not begun when its client has left, unless it is shared: done for others too. Of slow
    work, which takes seconds, there is one at a time: a thread is left to everything else.
    """
    if getattr(_local, "is_worker", False):
        return work()
    has_left = _never if is_shared else _disconnect_check.get()
    return await _run_in_turns(_call(work), has_left, is_slow)


async def _call(work: Callable[[], T]) -> T:
    return work()


async def _run_in_turns(
    steps: Coroutine[Any, Any, T], has_left: _HasLeft, is_slow: bool = False
) -> T:
    # No variable holds the future: with an error it would be part of a cycle of references.
    return await asyncio.wrap_future(_submit(steps, has_left, is_slow))


def _submit(steps: Coroutine[Any, Any, T], has_left: _HasLeft, is_slow: bool) -> Future[T]:
    global _threads
    try:
        # Daemons, unlike those of an executor: the process ends without waiting for them.
        while _threads < _MAX_THREADS:
            threading.Thread(target=_run_jobs, name="callmocks worker", daemon=True).start()
            _threads += 1
    except RuntimeError:  # the system lets the process have no more
        steps.close()
        raise OutOfThreads from None
    future: Future[T] = Future()
    job = _Job(future, steps, has_left, is_slow)
    if is_slow:
        with _slow_jobs_lock:
            _slow_jobs.append(job)
            if len(_slow_jobs) > 1:
                return future
    _jobs.put(job)
    return future


def _run_jobs() -> None:
    _local.is_worker = _local.is_stepping = True
    while True:
        job = _jobs.get()
        # An error's frames refer to those that called them, and none of them may know its future.
        _end_turn(job, _take_turn(job.steps, job.has_left, job.future.cancelled()))
        del job


def _end_turn(job: _Job, outcome: _Outcome | None) -> None:
    if outcome is None:
        _jobs.put(job)  # behind those that wait
        return
    if job.is_slow:
        with _slow_jobs_lock:
            _slow_jobs.popleft()
            if _slow_jobs:
                _jobs.put(_slow_jobs[0])
    if job.future.set_running_or_notify_cancel():
        result, error = outcome
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)


def _take_turn(steps: _Steps, has_left: _HasLeft, is_cancelled: bool) -> _Outcome | None:
    """The result or the error; None when the turn is over before it ends."""
    if is_cancelled:
        steps.close()
        return None, None
    turn_end = read_stopwatch() + _TURN_SECONDS
    check = _disconnect_check.set(has_left)
    try:
        while read_stopwatch() < turn_end:
            if has_left():
                steps.throw(ClientDisconnected())
            steps.send(None)
    except StopIteration as done:
        return done.value, None
    except BaseException as error:
        return None, error
    finally:
        _disconnect_check.reset(check)
    return None


def _free_in_turns(objects: list[Any]) -> None:
    if not sys.is_finalizing():
        with suppress(OutOfThreads):
            _submit(_empty_list(objects), _never, is_slow=False)


async def _empty_list(objects: list[Any]) -> None:
    timer = PieceTimer()
    while objects:
        objects.pop()
        await timer.yield_when_due()


def _forget_threads() -> None:
    global _jobs, _slow_jobs_lock, _threads
    _jobs, _slow_jobs_lock, _threads = SimpleQueue(), threading.Lock(), 0
    _slow_jobs.clear()


def _close_waiting_jobs() -> None:
    # Python warns of a coroutine that has not begun.
    waiting = [*_slow_jobs][1:]
    with suppress(Empty):
        while True:
            waiting.append(_jobs.get_nowait())
    for job in waiting:
        job.steps.close()


set_list_emptier(_free_in_turns)
atexit.register(_close_waiting_jobs)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
