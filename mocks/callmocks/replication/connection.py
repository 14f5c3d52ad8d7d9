"""The connection to Redis: short timeouts, no retries; every failure becomes ``StateError``.

::

    up ── a command fails ──▶ down: commands fail at once ── a heartbeat succeeds ──▶ up

A command that failed may have been carried out; sending it again would count a quota twice.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from callmocks.contract.urls import format_origin
from callmocks.errors import SettingsError, StateError
from callmocks.replication.scripts import SCRIPTS

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")

TIMEOUT_SECONDS = 1.0
MAX_CONNECTIONS = 64
_LISTEN_SECONDS = 60.0


class RedisConnection:
    def __init__(self, url: str) -> None:
        try:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
            from redis.exceptions import RedisError
        except ImportError:
            text = "--state: shared state needs redis: the extra redis of callmocks"
            raise SettingsError(text) from None
        parts = urlsplit(url)
        origin = format_origin(parts.scheme, parts.hostname or "", parts.port or 6379)
        self.address = f"{origin}/{parts.path.strip('/') or 0}"  # without a password
        self.problem = ""  # why Redis does not answer; empty when it does
        self._errors = (RedisError, OSError, TimeoutError)
        try:
            self._redis: Redis = Redis.from_url(
                url,
                protocol=2,
                socket_timeout=TIMEOUT_SECONDS,
                socket_connect_timeout=TIMEOUT_SECONDS,
                socket_keepalive=True,
                retry=Retry(NoBackoff(), 0),
                client_name="callmocks",
            )
            self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        except (TypeError, ValueError, OSError) as error:  # an unknown option, a missing file
            raise SettingsError(f"--state: {self.address}: {error}") from None
        self._scripts = {name: self._redis.register_script(text) for name, text in SCRIPTS.items()}
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._pending: set[asyncio.Future[Any]] = set()

    @property
    def database(self) -> int:
        return int(self._redis.connection_pool.connection_kwargs.get("db") or 0)

    async def execute(
        self, command: Callable[[Redis], Awaitable[T]], *, even_if_down: bool = False
    ) -> T:
        """Send a command; ``StateError`` at once when Redis is known not to answer.

        A caller that is cancelled leaves the answer to be read: a connection left in the middle of
        an answer would give it to the next command.
        """
        async with self._slots:
            if self.problem and not even_if_down:
                raise self._make_error()
            pending = asyncio.ensure_future(command(self._redis))
            self._pending.add(pending)
            pending.add_done_callback(self._on_done)
            try:
                result = await asyncio.shield(pending)
            except self._errors as error:
                raise self.mark_failed(_describe_failure(error)) from None
            if even_if_down:
                self.problem = ""
            return result

    async def run_script(
        self, name: str, keys: Sequence[str], args: Sequence[Any], *, even_if_down: bool = False
    ) -> Any:
        script = self._scripts[name]
        return await self.execute(lambda _: script(keys, args), even_if_down=even_if_down)

    async def subscribe(self, channel: str, on_message: Callable[[bytes], Awaitable[None]]) -> None:
        """Returns when the connection ends, which is one of its own."""
        subscription = self._redis.pubsub(ignore_subscribe_messages=True)
        try:
            await subscription.subscribe(channel)
            while True:
                message = await subscription.get_message(timeout=_LISTEN_SECONDS)
                if message is not None:
                    await on_message(message["data"])
        except self._errors:
            return
        finally:
            with suppress(*self._errors):
                await subscription.aclose()  # type: ignore[no-untyped-call]

    def mark_failed(self, problem: str) -> StateError:
        """Fail all commands until the next heartbeat; the error to raise."""
        self.problem = problem
        return self._make_error()

    async def close(self) -> None:
        if self._pending:
            _, late = await asyncio.wait(self._pending, timeout=TIMEOUT_SECONDS / 2)
            for each in late:
                each.cancel()
        with suppress(*self._errors):
            await self._redis.aclose()

    def _make_error(self) -> StateError:
        return StateError(f"the shared state at {self.address} cannot be reached: {self.problem}")

    def _on_done(self, pending: asyncio.Future[Any]) -> None:
        self._pending.discard(pending)
        if not pending.cancelled():
            pending.exception()  # retrieved, even if nobody waits for it


def _describe_failure(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno and not isinstance(cause, TimeoutError):
            return os.strerror(cause.errno) if cause.errno > 0 else cause.strerror or str(cause)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, TimeoutError) or type(error).__name__ == "TimeoutError":
        return f"no answer within {TIMEOUT_SECONDS:.0f} s"
    return " ".join(str(error).split()) or type(error).__name__
