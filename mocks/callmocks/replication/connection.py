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
from callmocks.history.clock import stopwatch
from callmocks.replication.scripts import STATE, STORE

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")

SECONDS = 1.0
"""How long Redis may take to answer, or to let somebody connect."""
LEASE = 1.0
"""For how long what is in memory holds after Redis was asked whether it is all."""
_SILENCE = 60.0
"""Seconds that a subscription is listened to before it is listened to again."""
CONNECTIONS = 64
"""At most so many of one replica."""


class Link:
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
        self.place = place(url)
        self.losses = 0
        """How often the store lost what it held."""
        self._errors = (RedisError, OSError, TimeoutError)
        try:
            self._redis: Redis = Redis.from_url(
                url,
                protocol=2,
                socket_timeout=SECONDS,
                socket_connect_timeout=SECONDS,
                socket_keepalive=True,
                retry=Retry(NoBackoff(), 0),
                client_name="callmocks",
            )
            self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        except (TypeError, ValueError, OSError) as error:  # an option that is none, a missing file
            raise SettingsError(f"--state: {self.place}: {error}") from None
        self._scripts = {
            name: self._redis.register_script(text) for name, text in (STATE | STORE).items()
        }
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._sent: set[asyncio.Future[Any]] = set()
        """Commands that are not answered yet."""
        self._broken = "it was not asked yet"
        self._holds_until = 0.0
        self._touched = asyncio.Event()

    @property
    def database(self) -> int:
        """Number of the database, which channels do not know of."""
        return int(self._redis.connection_pool.connection_kwargs.get("db") or 0)

    @property
    def problem(self) -> str:
        """Why Redis cannot be relied on; empty when it can."""
        return self._broken

    @property
    def out_of_touch(self) -> bool:
        """Whether others may have changed what this replica has not heard of."""
        return stopwatch() > self._holds_until

    def touch(self, asked: float) -> None:
        """Memory held all that was there at a time (of ``stopwatch``)."""
        self._broken = ""
        self._holds_until = asked + LEASE
        self._wake()

    def fail(self, reason: str) -> None:
        """Do not rely on Redis before the next ``touch``."""
        self._broken = reason
        self._wake()

    async def refresh(self) -> None:
        """Wait until memory holds what is there; ``StateError`` when that takes too long."""
        if self._broken:
            raise self.error()
        if self.out_of_touch:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._touched.wait(), SECONDS)
        if self._broken or self.out_of_touch:
            raise self.error()

    async def ask(self, command: Callable[[Redis], Awaitable[T]]) -> T:
        """Send a command; ``StateError`` at once when Redis is known not to answer."""
        async with self._free:
            if self._broken:
                raise self.error()
            return await self.probe(command)

    async def probe(self, command: Callable[[Redis], Awaitable[T]]) -> T:
        """Send a command, whatever came of those before.

        Whoever does not wait for its answer any more leaves it to be read: a connection that was
        left in the midst of an answer would give it to the next command.
        """
        sent = asyncio.ensure_future(command(self._redis))
        self._sent.add(sent)
        sent.add_done_callback(self._answered)
        try:
            return await asyncio.shield(sent)
        except self._errors as error:
            self.fail(_reason(error))
            raise self.error() from None

    def script(
        self, name: str, keys: Sequence[str], args: Sequence[str | bytes | int | float]
    ) -> Callable[[Redis], Awaitable[Any]]:
        """A command that runs a script."""
        return lambda _: self._scripts[name](keys, args)

    async def listen(
        self, channel: str, begun: Callable[[], None], hear: Callable[[str], Awaitable[None]]
    ) -> None:
        """Hear what is said on a channel, over a connection of its own, until that ends."""
        subscription = self._redis.pubsub(ignore_subscribe_messages=True)
        try:
            await subscription.subscribe(channel)
            await subscription.get_message(timeout=SECONDS)
            begun()
            while True:
                message = await subscription.get_message(timeout=_SILENCE)
                if message is not None:
                    await hear(message["data"].decode())
        except self._errors:
            return
        finally:
            with suppress(*self._errors):
                await subscription.aclose()  # type: ignore[no-untyped-call]

    def error(self) -> StateError:
        """Why nothing can be asked now."""
        reason = self._broken or f"no answer within {SECONDS:.0f} s"
        return StateError(f"the shared state at {self.place} cannot be reached: {reason}")

    async def close(self) -> None:
        """Close all connections."""
        if self._sent:
            _, late = await asyncio.wait(self._sent, timeout=SECONDS / 2)
            for each in late:
                each.cancel()
        with suppress(*self._errors):
            await self._redis.aclose()

    def _answered(self, sent: asyncio.Future[Any]) -> None:
        self._sent.discard(sent)
        if not sent.cancelled():
            sent.exception()  # seen, even if nobody waits for it

    def _wake(self) -> None:
        self._touched.set()
        self._touched.clear()


def place(url: str) -> str:
    """The address without a password."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or 6379}/{parts.path.strip('/') or 0}"


def _reason(error: BaseException) -> str:
    """What went wrong, as the system calls it where it was the system."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno and not isinstance(cause, TimeoutError):
            return os.strerror(cause.errno) if cause.errno > 0 else cause.strerror or str(cause)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, TimeoutError) or type(error).__name__ == "TimeoutError":
        return f"no answer within {SECONDS:.0f} s"
    return " ".join(str(error).split()) or type(error).__name__
