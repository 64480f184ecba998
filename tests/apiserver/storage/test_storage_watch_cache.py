"""The watch cache's own promises: shared lines, bounded watchers, the ring's end, a lost past."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from apiserver.errors import StatusError
from apiserver.storage import JsonRender, ObjectStore, Stored, WatchCache, WatchLimits, decode_continue, encode_value
from kvcluster import Cluster


@pytest.fixture
async def store() -> AsyncIterator[ObjectStore]:
    async with Cluster(members=1) as cluster:
        yield ObjectStore(cluster.client(), "/registry/things")


async def make(store: ObjectStore, name: str) -> Stored:
    obj = {"kind": "Thing", "apiVersion": "v1", "metadata": {"name": name}}
    stored = await store.create("ns", name, encode_value(obj))
    assert stored is not None
    return stored


async def caught_up(cache: WatchCache, revision: int) -> None:
    async with asyncio.timeout(10):
        while cache.revision < revision:  # noqa: ASYNC110 - its state is what is waited for
            await asyncio.sleep(0)


async def test_watchers_of_a_group_share_one_line(store):
    cache = WatchCache(store)
    await cache.start()
    after = cache.revision
    subscribers = [cache.subscribe(after, "all", None, JsonRender(), is_first=False) for _ in range(3)]
    await make(store, "a")
    lines = [(await subscriber.wait())[0][1] for subscriber in subscribers]
    assert lines[0] is lines[1] is lines[2]
    await cache.stop()


async def test_a_watcher_that_does_not_read_is_ended_and_the_others_go_on(store):
    cache = WatchCache(store, WatchLimits(queue=3))
    await cache.start()
    slow = cache.subscribe(cache.revision, "slow", None, JsonRender(), is_first=False)
    quick = cache.subscribe(cache.revision, "quick", None, JsonRender(), is_first=False)
    seen = 0
    for number in range(6):
        await make(store, f"n{number}")
        seen += len(await quick.wait())
    assert seen == 6
    assert len(await slow.wait()) == 3
    assert await slow.wait() == [], "it is over"
    await cache.stop()


async def test_what_has_left_the_ring_is_expired(store):
    cache = WatchCache(store, WatchLimits(ring=2))
    await cache.start()
    start = cache.revision
    for number in range(4):
        last = await make(store, f"n{number}")
    await caught_up(cache, last.revision)
    with pytest.raises(StatusError) as refused:
        cache.subscribe(start, "k", None, JsonRender(), is_first=True)
    assert refused.value.code == 410
    late = cache.subscribe(last.revision - 2, "k", None, JsonRender(), is_first=True)
    assert [revision for revision, _ in await late.wait()] == [last.revision - 1, last.revision]
    await cache.stop()


async def test_a_watcher_ahead_of_the_cache_hears_nothing_twice(store):
    """It listed from the store, which the cache may be behind."""
    cache = WatchCache(store)
    await cache.start()
    seen = cache.revision + 2
    subscriber = cache.subscribe(seen, "k", None, JsonRender(), is_first=True)
    made = [await make(store, f"n{number}") for number in range(4)]
    await caught_up(cache, made[-1].revision)
    assert [revision for revision, _ in await subscriber.wait()] == [made[-2].revision, made[-1].revision]
    await cache.stop()


def test_the_version_is_spliced_in_without_decoding():
    obj = {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": "a", "labels": {"metadata": "{"}},
        "spec": {"metadata": {}},
    }
    stored = Stored(b"k", encode_value(obj), 42)
    assert stored.encoded.startswith(b'{"kind":"Thing","apiVersion":"v1","metadata":{"resourceVersion":"42","name":"a"')
    odd = Stored(b"k", b'{"spec":{"metadata":{"x":1}},"metadata":{"name":"a"}}', 7)
    assert b'"metadata":{"name":"a","resourceVersion":"7"}' in odd.encoded
    assert Stored(b"k", b'{"kind":"T","metadata":{}}', 3).encoded == b'{"kind":"T","metadata":{"resourceVersion":"3"}}'


@pytest.mark.parametrize("token", ["", "abc", "e30", "eyJ2IjoieCJ9", "////", "\u2603"])
def test_tokens_of_nobody_are_refused(token: str):
    with pytest.raises(StatusError) as refused:
        decode_continue(token)
    assert refused.value.code == 400
