"""The way to Redis: short timeouts, no second try of anything, and one word for every failure.

::

    up ── a command fails ──▶ down: every command fails at once ── a beat succeeds ──▶ up

A command that failed may have been carried out; it is not sent again, or a quota would count twice.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from callmocks.errors import SettingsError, StateError
from callmocks.history.clock import read_stopwatch
from callmocks.replication.scripts import STATE_SCRIPTS, STORE_SCRIPTS

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")

TIMEOUT_SECONDS = 1.0
"""How long Redis may take to answer, or to let somebody connect."""
LEASE_SECONDS = 1.0
"""For how long what is in memory holds after Redis was asked whether it is all."""
_LISTEN_SECONDS = 60.0
"""Seconds that a subscription is listened to before it is listened to again."""
MAX_CONNECTIONS = 64
"""At most so many of one replica."""


class RedisConnection:
    """A replica's connections to Redis, and whether it can be relied on now."""

    def __init__(self, url: str) -> None:
        try:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
            from redis.exceptions import RedisError
        except ImportError:
            raise SettingsError(
                "--state: shared state needs redis: pip install 'callmocks[redis]'"
            ) from None
        self.address = redact_url(url)
        self.data_loss_count = 0
        """How often the store lost what it held."""
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
        except (TypeError, ValueError, OSError) as error:  # an option that is none, a missing file
            raise SettingsError(f"--state: {self.address}: {error}") from None
        self._scripts = {
            name: self._redis.register_script(text)
            for name, text in (STATE_SCRIPTS | STORE_SCRIPTS).items()
        }
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._pending: set[asyncio.Future[Any]] = set()
        """Commands that are not answered yet."""
        self._problem = "it was not asked yet"
        self._synced_until = 0.0
        self._synced = asyncio.Event()

    @property
    def database(self) -> int:
        """Number of the database, which channels do not know of."""
        return int(self._redis.connection_pool.connection_kwargs.get("db") or 0)

    @property
    def problem(self) -> str:
        """Why Redis cannot be relied on; empty when it can."""
        return self._problem

    @property
    def is_stale(self) -> bool:
        """Whether others may have changed what this replica has not heard of."""
        return read_stopwatch() > self._synced_until

    def mark_synced(self, at: float) -> None:
        """Memory held all that was there at a time (of ``stopwatch``)."""
        self._problem = ""
        self._synced_until = at + LEASE_SECONDS
        self._notify_waiting()

    def mark_failed(self, reason: str) -> None:
        """Do not rely on Redis before the next ``touch``."""
        self._problem = reason
        self._notify_waiting()

    async def wait_synced(self) -> None:
        """Wait until memory holds what is there; ``StateError`` when that takes too long."""
        if self._problem:
            raise self.unreachable_error()
        if self.is_stale:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._synced.wait(), TIMEOUT_SECONDS)
        if self._problem or self.is_stale:
            raise self.unreachable_error()

    async def execute(self, command: Callable[[Redis], Awaitable[T]]) -> T:
        """Send a command; ``StateError`` at once when Redis is known not to answer."""
        async with self._slots:
            if self._problem:
                raise self.unreachable_error()
            return await self.execute_always(command)

    async def execute_always(self, command: Callable[[Redis], Awaitable[T]]) -> T:
        """Send a command, whatever came of those before.

        Whoever does not wait for its answer any more leaves it to be read: a connection that was
        left in the midst of an answer would give it to the next command.
        """
        sent = asyncio.ensure_future(command(self._redis))
        self._pending.add(sent)
        sent.add_done_callback(self._on_done)
        try:
            return await asyncio.shield(sent)
        except self._errors as error:
            self.mark_failed(_describe_failure(error))
            raise self.unreachable_error() from None

    def script_command(
        self, name: str, keys: Sequence[str], args: Sequence[str | bytes | int | float]
    ) -> Callable[[Redis], Awaitable[Any]]:
        """A command that runs a script."""
        return lambda _: self._scripts[name](keys, args)

    async def subscribe(
        self,
        channel: str,
        on_subscribed: Callable[[], None],
        on_message: Callable[[str], Awaitable[None]],
    ) -> None:
        """Hear what is said on a channel, over a connection of its own, until that ends."""
        subscription = self._redis.pubsub(ignore_subscribe_messages=True)
        try:
            await subscription.subscribe(channel)
            await subscription.get_message(timeout=TIMEOUT_SECONDS)
            on_subscribed()
            while True:
                message = await subscription.get_message(timeout=_LISTEN_SECONDS)
                if message is not None:
                    await on_message(message["data"].decode())
        except self._errors:
            return
        finally:
            with suppress(*self._errors):
                await subscription.aclose()  # type: ignore[no-untyped-call]

    def unreachable_error(self) -> StateError:
        """Why nothing can be asked now."""
        reason = self._problem or f"no answer within {TIMEOUT_SECONDS:.0f} s"
        return StateError(f"the shared state at {self.address} cannot be reached: {reason}")

    async def close(self) -> None:
        """Close all connections."""
        if self._pending:
            _, late = await asyncio.wait(self._pending, timeout=TIMEOUT_SECONDS / 2)
            for each in late:
                each.cancel()
        with suppress(*self._errors):
            await self._redis.aclose()

    def _on_done(self, sent: asyncio.Future[Any]) -> None:
        self._pending.discard(sent)
        if not sent.cancelled():
            sent.exception()  # seen, even if nobody waits for it

    def _notify_waiting(self) -> None:
        self._synced.set()
        self._synced.clear()


def redact_url(url: str) -> str:
    """The address without a password."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or 6379}/{parts.path.strip('/') or 0}"


def _describe_failure(error: BaseException) -> str:
    """What went wrong, as the system calls it where it was the system."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno and not isinstance(cause, TimeoutError):
            return os.strerror(cause.errno) if cause.errno > 0 else cause.strerror or str(cause)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, TimeoutError) or type(error).__name__ == "TimeoutError":
        return f"no answer within {TIMEOUT_SECONDS:.0f} s"
    return " ".join(str(error).split()) or type(error).__name__
