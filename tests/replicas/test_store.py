"""The documents' store: one order of changes, and who restores it after data loss."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

import pytest

from callmocks.replication.connection import RedisConnection
from callmocks.replication.store import DocumentChanges, DocumentStore, StoreVersion
from tests.replicas.conftest import RedisServer

_DATABASES = count(9)


@pytest.fixture
async def store(redis: RedisServer) -> AsyncIterator[DocumentStore]:
    """An empty one."""
    connection = RedisConnection(redis.url.replace("/0", f"/{next(_DATABASES)}"))
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
    assert await store.commit_changes(base, written, [] if document is not None else [key])
    return base.next


async def test_a_writer_must_have_the_latest_version(store: DocumentStore) -> None:
    assert await store.read_changes(StoreVersion()) is None
    assert await store.create_store("s", {"a/x": b"0"}, StoreVersion(), 0)
    assert not await store.create_store("t", {}, StoreVersion(), 0)
    first = StoreVersion("s", 1)
    second = await commit_document(store, first, "a/y")
    assert second == StoreVersion("s", 2)
    assert not await store.commit_changes(first, {"a/z": b"1"})
    assert not await store.commit_changes(StoreVersion("t", 2), {"a/z": b"1"})
    assert await store.is_current(second)
    assert not await store.is_current(first)
    assert not await store.is_current(StoreVersion("t", 2))
    found = await read_changes(store, first)
    assert (found.is_complete, found.written, found.deleted) == (False, {"a/y": b"1"}, [])


async def test_a_reader_gets_what_was_written_and_deleted_since_or_everything(
    store: DocumentStore,
) -> None:
    await store.create_store("s", {"a/x": b"0", "a/y": b"0"}, StoreVersion(), 0)
    second = await commit_document(store, StoreVersion("s", 1), "a/x", None)
    third = await commit_document(store, second, "a/x", b"again")
    last = await commit_document(store, third, "a/y", None)
    some = await read_changes(store, second)
    assert (some.written, some.deleted, some.is_complete) == ({"a/x": b"again"}, ["a/y"], False)
    assert (await read_changes(store, last)).written == {}
    for stranger in (StoreVersion(), StoreVersion("other", 3), StoreVersion("s", 99)):
        found = await read_changes(store, stranger)
        assert (found.is_complete, found.written, found.version) == (True, {"a/x": b"again"}, last)


async def test_deletions_of_long_ago_are_forgotten_and_then_everything_is_read(
    store: DocumentStore,
) -> None:
    many = {f"a/{n}": b"1" for n in range(10_001)}
    await store.create_store("s", many, StoreVersion(), 0)
    assert await store.commit_changes(StoreVersion("s", 1), {}, many)
    assert (await read_changes(store, StoreVersion("s", 1))).is_complete
    later = await commit_document(store, StoreVersion("s", 2), "a/new")
    found = await read_changes(store, StoreVersion("s", 2))
    assert (found.is_complete, found.written, found.version) == (False, {"a/new": b"1"}, later)


async def test_the_latest_version_is_restored_in_the_end(
    store: DocumentStore,
) -> None:
    lost = "lost"
    assert await store.create_store("late", {"a/x": b"5"}, StoreVersion(lost, 5), 1)
    assert not await store.create_store("same", {"a/x": b"5"}, StoreVersion(lost, 5), 1)
    assert not await store.create_store("older", {"a/x": b"4"}, StoreVersion(lost, 4), 1)
    assert await store.create_store("newer", {"a/x": b"7"}, StoreVersion(lost, 7), 1)
    assert (await read_changes(store, StoreVersion())).written == {"a/x": b"7"}
    await commit_document(store, StoreVersion("newer", 1), "a/y")
    assert not await store.create_store("too-late", {"a/x": b"8"}, StoreVersion(lost, 8), 1)


async def test_a_new_store_gives_way_to_the_lost_one(store: DocumentStore) -> None:
    assert await store.create_store("begun", {"demo/tenant": b"new"}, StoreVersion(), 0)
    assert await store.create_store("back", {"demo/tenant": b"old"}, StoreVersion("lost", 9), 1)
    found = await read_changes(store, StoreVersion("begun", 1))
    assert (found.is_complete, found.written, found.data_loss_count) == (
        True,
        {"demo/tenant": b"old"},
        1,
    )


async def test_replicas_count_as_alive_while_they_send_heartbeats(store: DocumentStore) -> None:
    await store.create_store("s", {}, StoreVersion(), 0)
    for name in ("one", "two"):
        await store.record_heartbeat(name)
    assert (await store.record_heartbeat("")).replicas == 2
    await store.remove_replica("one")
    assert (await store.record_heartbeat("two")).replicas == 1
