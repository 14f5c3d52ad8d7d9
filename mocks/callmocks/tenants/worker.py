"""Threads beside the event loop, for computations that would keep other requests waiting.

A computation is a coroutine that waits for nothing but its turn: on the loop ``asyncio.sleep(0)``
lets others run, in a thread it does nothing. What it reads is immutable or may be made twice:
generated days, directories, rendered rows.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Final, TypeVar

T = TypeVar("T")

# Calls that are generated, filtered or sorted on the loop at once: some 50 ms.
LONG_CALLS: Final = 10_000
# Bytes of a request that are parsed and compiled on the loop.
LONG_REQUEST_BYTES: Final = 64 * 1024
_MAX_THREADS: Final = 2

_Job = tuple["Future[Any]", Callable[[], Any]]
_jobs: SimpleQueue[_Job] = SimpleQueue()
_local = threading.local()
_threads = 0


async def run_computation(steps: Coroutine[Any, Any, T], is_long: bool) -> T:
    """Run ``steps`` on the loop, or in a thread when it is long."""
    if not is_long or getattr(_local, "is_worker", False):
        return await steps
    return await run_in_worker(lambda: _drive(steps))


async def run_if_long(work: Callable[[], T], is_long: bool) -> T:
    return await run_in_worker(work) if is_long else work()


async def run_in_worker(work: Callable[[], T]) -> T:
    if getattr(_local, "is_worker", False):
        return work()
    # No variable holds the future: with an error it would be part of a cycle of references.
    return await asyncio.wrap_future(_submit(work))


def _submit(work: Callable[[], T]) -> Future[T]:
    global _threads
    # Daemons, unlike those of an executor: the process ends without waiting for them.
    while _threads < _MAX_THREADS:
        _threads += 1
        threading.Thread(target=_run_jobs, name="callmocks worker", daemon=True).start()
    future: Future[T] = Future()
    _jobs.put((future, work))
    return future


def _run_jobs() -> None:
    _local.is_worker = True
    while True:
        _run_job(*_jobs.get())


def _run_job(future: Future[T], work: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def _drive(steps: Coroutine[Any, Any, T]) -> T:
    try:
        while True:
            steps.send(None)
    except StopIteration as done:
        result: T = done.value
        return result


def _forget_threads() -> None:
    global _jobs, _threads
    _jobs, _threads = SimpleQueue(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
