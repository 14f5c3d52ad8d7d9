"""The documents' store: one order of changes, and who restores it after data loss."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from callmocks.replication.connection import RedisConnection
from callmocks.replication.store import DocumentChanges, DocumentStore, StoreVersion, make_stamp
from callmocks.replication.version_vector import VersionVector
from tests.replicas.conftest import RedisServer


@pytest.fixture
async def store(redis: RedisServer) -> AsyncIterator[DocumentStore]:
    """An empty one."""
    connection = RedisConnection(redis.take_url())
    yield DocumentStore(connection)
    await connection.close()


async def read_changes(store: DocumentStore, since: StoreVersion) -> DocumentChanges:
    found = await store.read_changes(since)
    assert found is not None
    return found


async def commit_document(
    store: DocumentStore, base: StoreVersion, key: str, document: bytes | None = b"1"
) -> StoreVersion:
    written = {} if document is None else {key: document}
    following = base.make_next(make_stamp())
    deleted = [] if document is not None else [key]
    assert await store.commit_changes(base, following, written, deleted)
    return following


FIRST = StoreVersion("s", 1, "one")


async def test_a_writer_must_have_the_latest_version(store: DocumentStore) -> None:
    assert await store.read_changes(StoreVersion()) is None
    assert await store.create_store(FIRST, {"a/x": b"0"})
    assert not await store.create_store(StoreVersion("t", 1, "x"), {})
    second = await commit_document(store, FIRST, "a/y")
    assert (second.id, second.number) == ("s", 2)
    twin = second._replace(stamp="another")
    for base in (FIRST, twin, StoreVersion("t", 2, second.stamp)):
        assert not await store.commit_changes(base, base.make_next("w"), {"a/z": b"1"})
        assert not await store.is_current(base)
    assert await store.is_current(second)
    found = await read_changes(store, FIRST)
    assert (found.is_complete, found.written, found.deleted) == (False, {"a/y": b"1"}, [])
    assert found.vector == VersionVector({"one": 1, second.stamp: 2})


async def test_a_reader_gets_what_was_written_and_deleted_since_or_everything(
    store: DocumentStore,
) -> None:
    await store.create_store(FIRST, {"a/x": b"0", "a/y": b"0"})
    second = await commit_document(store, FIRST, "a/x", None)
    third = await commit_document(store, second, "a/x", b"again")
    last = await commit_document(store, third, "a/y", None)
    some = await read_changes(store, second)
    assert (some.written, some.deleted, some.is_complete) == ({"a/x": b"again"}, ["a/y"], False)
    assert (await read_changes(store, last)).written == {}
    strangers = StoreVersion("other", 3, "x"), StoreVersion("s", 99, "x"), last._replace(stamp="x")
    for stranger in (StoreVersion(), *strangers):
        found = await read_changes(store, stranger)
        assert (found.is_complete, found.includes_since) == (True, False)
        assert (found.written, found.version) == ({"a/x": b"again"}, last)
        written = {each.stamp: each.number for each in (FIRST, second, third, last)}
        assert found.vector == VersionVector(written)


async def test_deletions_of_long_ago_are_forgotten_and_then_everything_is_read(
    store: DocumentStore,
) -> None:
    many = {f"a/{n}": b"1" for n in range(10_001)}
    await store.create_store(FIRST, many)
    second = FIRST.make_next("w")
    assert await store.commit_changes(FIRST, second, {}, many)
    assert (await read_changes(store, FIRST)).is_complete
    later = await commit_document(store, second, "a/new")
    found = await read_changes(store, second)
    assert (found.is_complete, found.written, found.version) == (False, {"a/new": b"1"}, later)


async def test_a_store_is_replaced_by_one_that_knows_its_version_alone(
    store: DocumentStore,
) -> None:
    await store.create_store(FIRST, {"a/x": b"1"})
    later = StoreVersion("later", 8, "eight")
    assert not await store.create_store(later, {"a/x": b"8"}, FIRST._replace(stamp="x"))
    vector = VersionVector({"six": 6, "seven": 7})
    assert await store.create_store(later, {"a/x": b"8"}, FIRST, vector, "it was lost")
    assert not await store.create_store(FIRST, {}, FIRST)
    for known in (StoreVersion("s", 5, "six"), StoreVersion("t", 7, "seven")):
        found = await read_changes(store, known)
        assert (found.includes_since, found.is_complete) == (True, True)
        assert (found.first, found.note, found.written) == (8, "it was lost", {"a/x": b"8"})
    for unknown in (StoreVersion("t", 7, "x"), StoreVersion("t", 8, "seven")):
        assert not (await read_changes(store, unknown)).includes_since


@pytest.mark.parametrize("key", ["changed", "gone", "writers"])
async def test_a_store_that_lost_a_key_is_not_whole_and_takes_no_changes(
    store: DocumentStore, redis: RedisServer, key: str
) -> None:
    await store.create_store(FIRST, {"a/x": b"1", "a/y": b"1"})
    last = await commit_document(store, FIRST, "a/y", None)
    assert (await store.record_heartbeat("one")).is_whole
    with redis.client(store.database) as client:
        assert client.delete(f"callmocks:{key}") == 1
    assert not (await store.record_heartbeat("one")).is_whole
    found = await read_changes(store, last)
    assert (found.is_whole, found.is_complete, found.written) == (False, True, {"a/x": b"1"})
    assert not await store.commit_changes(last, last.make_next("w"), {"a/z": b"1"})
    assert await store.create_store(StoreVersion("t", 3, "x"), {"a/x": b"1"}, last)
    assert (await store.record_heartbeat("one")).is_whole


async def test_replicas_count_as_alive_while_they_send_heartbeats(store: DocumentStore) -> None:
    await store.create_store(FIRST, {})
    for name in ("one", "two"):
        await store.record_heartbeat(name)
    assert (await store.record_heartbeat("")).replicas == 2
    await store.remove_replica("one")
    assert (await store.record_heartbeat("two")).replicas == 1
