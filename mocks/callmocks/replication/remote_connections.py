"""The websockets of a tenant at all replicas: one publishes what it wants, all answer in a list."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from callmocks.contract.connections import Connection, EndMethod
from callmocks.errors import StateError
from callmocks.history.clock import read_stopwatch
from callmocks.replication.store import make_stamp
from callmocks.tenants.open_connections import END_REASON

if TYPE_CHECKING:
    from callmocks.replication.connection import RedisConnection
    from callmocks.replication.store import DocumentStore
    from callmocks.tenants.registry import Registry

_SUBSCRIBE_SECONDS = 0.4  # within which a replica has subscribed again
_ANSWER_SECONDS = 0.9
_POLL_SECONDS = 0.005
_TTL_SECONDS = 10


class ConnectionRequest(msgspec.Struct):
    reply_key: str
    tenant: str
    how: EndMethod | None  # None: they are listed
    id: str | None


class RemoteConnections:
    def __init__(self, redis: RedisConnection, store: DocumentStore, registry: Registry) -> None:
        self._redis = redis
        self._store = store
        self._registry = registry
        self._channel = f"callmocks:{redis.database}:connections"

    async def serve(self) -> None:
        """Returns when the connection to Redis ends."""
        await self._redis.subscribe(self._channel, self._answer_request)

    async def send_request(
        self, tenant: str, how: EndMethod | None = None, id: str | None = None
    ) -> list[Connection]:
        """``StateError`` when a replica does not answer, which may carry it out all the same."""
        await self._wait_for_subscribers()
        request = ConnectionRequest(f"callmocks:reply:{make_stamp()}", tenant, how, id)
        message = msgspec.json.encode(request)
        receivers = await self._redis.execute(lambda redis: redis.publish(self._channel, message))
        replies = await self._collect_replies(request.reply_key, receivers)
        missing = receivers - len(replies)
        if missing:
            verb = "has" if missing == 1 else "have"
            done = "" if how is None else "; its websockets may end all the same"
            raise StateError(f"{missing} of {receivers} replicas {verb} not answered{done}")
        decoder = msgspec.json.Decoder(list[Connection])
        found = [each for reply in replies for each in decoder.decode(reply)]
        return sorted(found, key=lambda each: each.since)

    async def _answer_request(self, message: bytes) -> None:
        request = msgspec.json.decode(message, type=ConnectionRequest)
        tenant = self._registry.get(request.tenant)
        found: list[Connection] = []
        if tenant is not None and request.how is None:
            found = tenant.connections.list_connections()
        elif tenant is not None and request.how is not None:
            found = tenant.connections.end_connections(request.how, END_REASON, request.id)
        reply, key = msgspec.json.encode(found), request.reply_key
        with suppress(StateError):  # who asked has an error, too
            await self._redis.execute(lambda redis: redis.rpush(key, reply))
            await self._redis.execute(lambda redis: redis.expire(key, _TTL_SECONDS))

    async def _wait_for_subscribers(self) -> None:
        # One that has just started, or whose connection broke, is subscribed a moment later.
        replicas = (await self._store.record_heartbeat("")).replicas
        until = read_stopwatch() + _SUBSCRIBE_SECONDS
        while True:
            found = await self._redis.execute(lambda redis: redis.pubsub_numsub(self._channel))
            if int(found[0][1]) >= replicas or read_stopwatch() > until:
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def _collect_replies(self, key: str, expected: int) -> list[bytes | str]:
        # Not by BLPOP, which counts in whole seconds before Redis 6.
        until = read_stopwatch() + _ANSWER_SECONDS
        while True:
            replies = await self._redis.execute(lambda redis: redis.lrange(key, 0, -1))
            if len(replies) >= expected or read_stopwatch() > until:
                return replies
            await asyncio.sleep(_POLL_SECONDS)
