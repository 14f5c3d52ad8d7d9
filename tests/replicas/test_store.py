"""The documents' store: one order of changes, and who puts it back when it was lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

import pytest

from callmocks.history.clock import stopwatch
from callmocks.replication.connection import Link
from callmocks.replication.store import News, Store, Version
from tests.replicas.conftest import Redis

_DATABASES = count(9)


@pytest.fixture
async def store(redis: Redis) -> AsyncIterator[Store]:
    """An empty one."""
    link = Link(redis.url.replace("/0", f"/{next(_DATABASES)}"))
    link.touch(stopwatch())
    yield Store(link)
    await link.close()


async def news(store: Store, since: Version) -> News:
    found = await store.changes(since)
    assert found is not None
    return found


async def commit(store: Store, onto: Version, key: str, document: bytes | None = b"1") -> Version:
    written = {} if document is None else {key: document}
    done = await store.commit(onto, written, [] if document is not None else [key])
    assert done is not None
    return done.version


async def test_whoever_writes_must_have_the_latest_version(store: Store) -> None:
    assert await store.changes(Version()) is None
    assert await store.found("s", {"a/x": b"0"}, Version(), 0)
    assert not await store.found("t", {}, Version(), 0)
    first = Version("s", 1)
    second = await commit(store, first, "a/y")
    assert second == Version("s", 2)
    assert await store.commit(first, {"a/z": b"1"}) is None
    assert await store.commit(Version("t", 2), {"a/z": b"1"}) is None
    found = await news(store, first)
    assert (found.whole, found.written, found.deleted) == (False, {"a/y": b"1"}, [])


async def test_a_reader_gets_what_was_written_and_deleted_since_or_everything(
    store: Store,
) -> None:
    await store.found("s", {"a/x": b"0", "a/y": b"0"}, Version(), 0)
    second = await commit(store, Version("s", 1), "a/x", None)
    third = await commit(store, second, "a/x", b"again")
    last = await commit(store, third, "a/y", None)
    some = await news(store, second)
    assert (some.written, some.deleted, some.whole) == ({"a/x": b"again"}, ["a/y"], False)
    assert (await news(store, last)).written == {}
    for stranger in (Version(), Version("other", 3), Version("s", 99)):
        found = await news(store, stranger)
        assert (found.whole, found.written, found.version) == (True, {"a/x": b"again"}, last)


async def test_deletions_of_long_ago_are_forgotten_and_then_everything_is_read(
    store: Store,
) -> None:
    many = {f"a/{n}": b"1" for n in range(10_001)}
    await store.found("s", many, Version(), 0)
    done = await store.commit(Version("s", 1), {}, many)
    assert done is not None
    assert (await news(store, Version("s", 1))).whole
    later = await commit(store, done.version, "a/new")
    found = await news(store, done.version)
    assert (found.whole, found.written, found.version) == (False, {"a/new": b"1"}, later)


async def test_the_latest_version_is_put_back_whoever_comes_first(store: Store) -> None:
    lost = "lost"
    assert await store.found("late", {"a/x": b"5"}, Version(lost, 5), 1)
    assert not await store.found("same", {"a/x": b"5"}, Version(lost, 5), 1)
    assert not await store.found("older", {"a/x": b"4"}, Version(lost, 4), 1)
    assert await store.found("newer", {"a/x": b"7"}, Version(lost, 7), 1)
    assert (await news(store, Version())).written == {"a/x": b"7"}
    await commit(store, Version("newer", 1), "a/y")
    assert not await store.found("too-late", {"a/x": b"8"}, Version(lost, 8), 1)


async def test_what_a_newcomer_began_gives_way_to_what_was_lost(store: Store) -> None:
    assert await store.found("begun", {"demo/tenant": b"new"}, Version(), 0)
    assert await store.found("back", {"demo/tenant": b"old"}, Version("lost", 9), 1)
    found = await news(store, Version("begun", 1))
    assert (found.whole, found.written, found.losses) == (True, {"demo/tenant": b"old"}, 1)


async def test_replicas_are_there_while_they_beat(store: Store) -> None:
    await store.found("s", {}, Version(), 0)
    for name in ("one", "two"):
        await store.beat(name)
    assert (await store.beat("")).replicas == 2
    done = await store.commit(Version("s", 1), {"a/x": b"1"})
    assert done is not None and done.replicas == {"one", "two"}
    await store.leave("one")
    assert (await store.beat("two")).replicas == 1
