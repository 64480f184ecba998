"""The watch cache: what each watcher hears, what is shared, and the ends a watch can come to."""

from __future__ import annotations

import asyncio
import random

import orjson
import pytest

from apiserver.errors import StatusError
from apiserver.storage import JsonRender, ObjectStore, Stored, WatchCache, WatchLimits, encode_value

RENDER = JsonRender()


def value(name: str, **fields: object) -> bytes:
    return encode_value({"kind": "Thing", "apiVersion": "v1", "metadata": {"name": name, "namespace": "ns"}, **fields})


@pytest.fixture
def store(kv) -> ObjectStore:
    return ObjectStore(kv, "/registry/things")


@pytest.fixture
async def cache(store):
    cache = WatchCache(store)
    await cache.start()
    yield cache
    await cache.stop()


async def heard(subscriber, count: int) -> list[tuple[str, str, int]]:
    """(type, name, revision) of the next `count` events."""
    events: list[tuple[str, str, int]] = []
    async with asyncio.timeout(10):
        while len(events) < count:
            queued = await subscriber.wait()
            assert queued, f"the watch ended after {events}: {subscriber.error}"
            for revision, line in queued:
                event = orjson.loads(line)
                metadata = event["object"]["metadata"]
                assert metadata["resourceVersion"] == str(revision)
                events.append((event["type"], metadata["name"], revision))
    assert len(events) == count
    return events


def everything(cache: WatchCache, after: int):
    return cache.subscribe(after, "everything", None, RENDER, is_first=True)


async def test_a_watcher_hears_what_is_newer_than_its_revision(store, cache):
    first = await store.create("ns", "a", value("a"))
    early = everything(cache, first.revision)
    second = await store.replace(first, value("a", x=1))
    third = await store.remove(second)
    wanted = [("MODIFIED", "a", second.revision), ("DELETED", "a", third.revision)]
    assert await heard(early, 2) == wanted
    late = everything(cache, first.revision)
    assert await heard(late, 2) == wanted, "from the ring"


async def test_a_watcher_that_is_ahead_of_the_cache_hears_nothing_twice(store, cache):
    """A list from the store may be newer than the cache: what the list had is not told again."""
    made = [await store.create("ns", f"a{number}", value("a")) for number in range(5)]
    ahead = everything(cache, made[-1].revision)
    last = await store.create("ns", "z", value("z"))
    assert await heard(ahead, 1) == [("ADDED", "z", last.revision)]


async def test_lines_are_built_once_for_all(store, cache):
    """But a watcher's very first line, which the render may begin with something else."""
    base = await store.create("ns", "a", value("a"))
    watchers = [cache.subscribe(base.revision, "all", None, RENDER, is_first=False) for _ in range(50)]
    await store.replace(base, value("a", x=1))
    lines = [(await watcher.wait())[0][1] for watcher in watchers]
    assert all(line is lines[0] for line in lines)


async def test_a_selector_is_asked_once_for_a_group(store, cache):
    base = await store.create("ns", "a", value("a"))
    await heard(everything(cache, base.revision - 1), 1)  # the cache has it now
    asked: list[int] = []

    def accepts(stored: Stored) -> bool:
        asked.append(stored.revision)
        return True

    watchers = [cache.subscribe(base.revision, "the same", accepts, RENDER, is_first=True) for _ in range(50)]
    await store.replace(base, value("a", x=1))
    for watcher in watchers:
        await heard(watcher, 1)
    assert len(asked) == 2, "the state before and the state now"


async def test_what_is_known_is_not_decoded_again(store, cache):
    base = await store.create("ns", "a", value("a"))
    await heard(everything(cache, base.revision - 1), 1)
    (listed,) = (await store.list(known=cache.known)).items
    (again,) = (await store.list(known=cache.known)).items
    assert listed is again
    newer = await store.replace(base, value("a", x=1))
    (fresh,) = (await store.list(known=cache.known)).items
    assert fresh.revision == newer.revision, "the store decides what is there, the cache only lends its copy"


async def test_pages_of_the_cache_are_those_of_the_store(store, cache):
    for name in ("b", "a", "c"):
        last = await store.create("ns", name, value(name))
    await store.create("ns2", "x", value("x"))
    await heard(everything(cache, last.revision), 1)
    for namespace in ("", "ns", "ns2", "n"):
        wanted = await store.list(namespace)
        found = cache.page(namespace)
        assert [each.encoded for each in found.items] == [each.encoded for each in wanted.items]


async def test_who_comes_too_late_is_told_so(store):
    cache = WatchCache(store, WatchLimits(ring=3))
    await cache.start()
    made = [await store.create("ns", f"a{number}", value("a")) for number in range(6)]
    await heard(everything(cache, made[-2].revision), 1)
    assert len(await heard(everything(cache, made[2].revision), 3)) == 3
    with pytest.raises(StatusError) as gone:
        everything(cache, made[1].revision)
    assert (gone.value.code, gone.value.reason) == (410, "Expired")
    await cache.stop()


async def test_a_slow_watcher_is_ended_and_nobody_waits_for_it(store):
    cache = WatchCache(store, WatchLimits(queue=3))
    await cache.start()
    after = await store.revision()
    slow, quick = everything(cache, after), everything(cache, after)
    for number in range(6):
        await store.create("ns", f"a{number}", value("a"))
        await heard(quick, 1)
    assert len(await slow.wait()) == 3, "what it was sent before is still there to read"
    assert await slow.wait() == []
    assert slow.error is None, "its stream just ends; it comes back from where it was"
    await cache.stop()


async def test_a_lost_kv_watch_ends_the_watches_and_the_cache_comes_back(kv, store, cache):
    made = await store.create("ns", "a", value("a"))
    watcher = everything(cache, made.revision - 1)
    await heard(watcher, 1)
    listing = asyncio.Event()
    kv.before["range"] = listing.wait
    kv.watchers[0].lose()
    async with asyncio.timeout(10):
        assert await watcher.wait() == []
    assert watcher.error.code == 410
    with pytest.raises(StatusError) as gone:
        everything(cache, made.revision)
    assert gone.value.code == 410, "what happens between the two lists is in no ring"
    await store.replace(made, value("a", x=1))
    listing.set()
    async with asyncio.timeout(10):
        await cache.start()
    assert [each.obj["x"] for each in cache.page().items] == [1]
    following = everything(cache, cache.revision)
    last = await store.create("ns", "b", value("b"))
    assert await heard(following, 1) == [("ADDED", "b", last.revision)]


async def test_stopping_ends_every_watch(store, cache):
    watchers = [everything(cache, cache.revision) for _ in range(3)]
    waiting = [asyncio.create_task(watcher.wait()) for watcher in watchers]
    await asyncio.sleep(0)
    await cache.stop()
    async with asyncio.timeout(10):
        assert await asyncio.gather(*waiting) == [[], [], []]


async def test_watchers_that_leave_leave_nothing_behind(store, cache):
    watchers = [
        cache.subscribe(cache.revision, f"selector {number % 3}", None, RENDER, is_first=True) for number in range(9)
    ]
    for watcher in watchers:
        cache.unsubscribe(watcher)
        cache.unsubscribe(watcher)
    assert cache._groups == {}


@pytest.mark.parametrize("seed", range(4))
async def test_following_events_gives_the_state(store, cache, seed: int):
    """A slow twin: watchers with and without a selector apply what they hear to a dict; in the end it is what a list says."""
    random_ = random.Random(seed)

    def is_even(stored: Stored) -> bool:
        return stored.obj["x"] % 2 == 0

    for number in range(3):
        await store.create("ns", f"n{number}", value(f"n{number}", x=number))
    views = []
    for accepts, key in ((None, "all"), (is_even, "even")):
        page = await store.list(accepts=accepts)
        state = {each.obj["metadata"]["name"]: each.obj["x"] for each in page.items}
        views.append((accepts, state, cache.subscribe(page.revision, key, accepts, RENDER, is_first=True)))
    for step in range(60):
        name = f"n{random_.randrange(6)}"
        old = await store.find("ns", name)
        if old is None:
            await store.create("ns", name, value(name, x=step))
        elif random_.random() < 0.3:
            await store.remove(old)
        else:
            await store.replace(old, value(name, x=random_.randrange(100)))
    end = await store.revision()
    async with asyncio.timeout(10):
        marker = everything(cache, end)
        await store.create("ns", "end", value("end", x=0))
        await heard(marker, 1)
    for accepts, state, subscriber in views:
        last = 0
        for revision, line in subscriber.take():
            event = orjson.loads(line)
            name = event["object"]["metadata"]["name"]
            assert revision > last, "in the order of revisions"
            last = revision
            assert (event["type"] == "ADDED") == (name not in state), (
                "ADDED is of what was not there, the others of what was"
            )
            if event["type"] == "DELETED":
                del state[name]
            else:
                state[name] = event["object"]["x"]
        listed = (await store.list(accepts=accepts)).items
        assert state == {each.obj["metadata"]["name"]: each.obj["x"] for each in listed}
