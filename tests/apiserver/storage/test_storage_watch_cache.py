"""The watch cache: what each watcher hears, what is shared, and the ends a watch can come to."""

from __future__ import annotations

import asyncio
import random

import orjson
import pytest

from apiserver.errors import StatusError
from apiserver.storage import JsonRender, ObjectStore, Stored, Trigger, WatchCache, WatchLimits, encode_value
from tests.apiserver.storage.conftest import Ears

RENDER = JsonRender()


def value(name: str, **fields: object) -> bytes:
    return encode_value({"kind": "Thing", "apiVersion": "v1", "metadata": {"name": name, "namespace": "ns"}, **fields})


@pytest.fixture
def store(kv) -> ObjectStore:
    return ObjectStore(kv, "/registry/things")


@pytest.fixture
async def cache(store, feed):
    cache = WatchCache(store, feed)
    await cache.start()
    yield cache
    await cache.stop()


async def heard(ears: Ears, count: int) -> list[tuple[str, str, int]]:
    """(type, name, revision) of the next `count` events."""
    events = [orjson.loads(line) for line in await ears.next(count)]
    return [
        (event["type"], event["object"]["metadata"]["name"], int(event["object"]["metadata"]["resourceVersion"]))
        for event in events
    ]


def everything(cache: WatchCache, after: int) -> Ears:
    return Ears(cache.subscribe(after, "everything", None, RENDER, is_first=True))


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
    """And framed once for all who frame alike."""
    base = await store.create("ns", "a", value("a"))
    watchers = [Ears(cache.subscribe(base.revision, "all", None, RENDER, is_first=False)) for _ in range(50)]
    framed: list[bytes] = []

    def frame(data: bytes) -> bytes:
        framed.append(data)
        return data

    await store.replace(base, value("a", x=1))
    for watcher in watchers:
        await watcher.next(1)
        watcher.pieces[0].framed(frame)
    assert all(watcher.pieces[0] is watchers[0].pieces[0] for watcher in watchers)
    assert len(framed) == 1


async def test_the_first_line_of_a_watch_may_be_another(store, cache):
    class Numbered(JsonRender):
        key = "numbered"

        def __call__(self, type: str, stored: Stored, first: bool) -> bytes:
            return b"first\n" if first else b"later\n"

    base = await store.create("ns", "a", value("a"))
    early = Ears(cache.subscribe(base.revision, "all", None, Numbered(), is_first=True))
    second = await store.replace(base, value("a", x=1))
    assert await early.next(1) == [b"first"]
    late = Ears(cache.subscribe(second.revision, "all", None, Numbered(), is_first=True))
    await store.replace(second, value("a", x=2))
    assert (await early.next(1), await late.next(1)) == ([b"later"], [b"first"])


async def test_a_selector_is_asked_once_for_a_group(store, cache):
    base = await store.create("ns", "a", value("a"))
    await heard(everything(cache, base.revision - 1), 1)  # the cache has it now
    asked: list[int] = []

    def accepts(stored: Stored) -> bool:
        asked.append(stored.revision)
        return True

    watchers = [Ears(cache.subscribe(base.revision, "the same", accepts, RENDER, is_first=True)) for _ in range(50)]
    await store.replace(base, value("a", x=1))
    for watcher in watchers:
        await heard(watcher, 1)
    assert len(asked) == 2, "the state before and the state now"


async def test_groups_with_a_trigger_are_found_and_not_asked(store, cache):
    """1,000 nodes watch their pods: a pod's change is told to the one it is about, and to the one it was about."""
    asked: list[str] = []

    def watch(node: str) -> Ears:
        def accepts(stored: Stored) -> bool:
            asked.append(node)
            return stored.obj["node"] == node

        trigger = Trigger("node", lambda stored: stored.obj["node"], node)
        return Ears(cache.subscribe(cache.revision, node, accepts, RENDER, is_first=True, trigger=trigger))

    nodes = {f"n{number}": watch(f"n{number}") for number in range(1000)}
    made = await store.create("ns", "pod", value("pod", node="n7"))
    moved = await store.replace(made, value("pod", node="n8"))
    assert await heard(nodes["n7"], 2) == [("ADDED", "pod", made.revision), ("DELETED", "pod", moved.revision)]
    assert await heard(nodes["n8"], 1) == [("ADDED", "pod", moved.revision)]
    assert set(asked) == {"n7", "n8"}
    for ears in nodes.values():
        cache.unsubscribe(ears.subscriber)
    assert (cache._groups, cache._triggered, cache.watchers) == ({}, {}, 0)


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


@pytest.mark.parametrize("limits", [WatchLimits(ring=3), WatchLimits(ring_bytes=3 * 300)])
async def test_who_comes_too_late_is_told_so(store, feed, limits: WatchLimits):
    cache = WatchCache(store, feed, limits)
    await cache.start()
    made = [await store.create("ns", "a", value("a"))]
    for number in range(6):
        made.append(await store.replace(made[-1], value("a", x=number)))
    await heard(everything(cache, made[-2].revision), 1)
    assert len(await heard(everything(cache, made[3].revision), 3)) == 3
    with pytest.raises(StatusError) as gone:
        everything(cache, made[2].revision)
    assert (gone.value.code, gone.value.reason) == (410, "Expired")
    await cache.stop()


async def test_a_slow_watcher_is_ended_and_nobody_waits_for_it(store, cache):
    after = await store.revision()
    slow = Ears(cache.subscribe(after, "everything", None, RENDER, is_first=False), room=3)
    quick = everything(cache, after)
    for number in range(6):
        await store.create("ns", f"a{number}", value("a"))
        await heard(quick, 1)
    assert slow.is_over
    assert len(slow.lines) == 3, "what it was sent before is still there to read"
    assert slow.error is None, "its stream just ends; it comes back from where it was"
    assert cache.watchers == 1


@pytest.mark.parametrize("limits", [WatchLimits(queue=3), WatchLimits(queue_bytes=500)])
async def test_a_watcher_that_has_not_begun_to_read_is_bounded_too(store, feed, limits: WatchLimits):
    """By lines and by bytes: its first state may take minutes to send, and meanwhile things happen."""
    cache = WatchCache(store, feed, limits)
    await cache.start()
    waiting = Ears(cache.subscribe(cache.revision, "all", None, RENDER, is_first=False), attached=False)
    quick = everything(cache, cache.revision)
    for number in range(6):
        await store.create("ns", f"a{number}", value("a", filler="x" * 100))
        await heard(quick, 1)
    waiting.subscriber.attach(waiting)
    assert waiting.is_over
    assert 0 < len(waiting.lines) <= 3
    await cache.stop()


async def test_a_lost_kv_watch_ends_the_watches_and_the_cache_comes_back(kv, store, cache):
    made = await store.create("ns", "a", value("a"))
    watcher = everything(cache, made.revision - 1)
    await heard(watcher, 1)
    listing = asyncio.Event()
    kv.before["range"] = listing.wait
    kv.watchers[0].lose()
    await watcher.end()
    assert watcher.error.code == 410
    coming_back = asyncio.create_task(cache.start())
    with pytest.raises(StatusError) as gone:
        everything(cache, made.revision)
    assert gone.value.code == 410, "what happens between the two lists is in no ring"
    await store.replace(made, value("a", x=1))
    listing.set()
    async with asyncio.timeout(10):
        await coming_back
    assert [each.obj["x"] for each in cache.page().items] == [1]
    following = everything(cache, cache.revision)
    last = await store.create("ns", "b", value("b"))
    assert await heard(following, 1) == [("ADDED", "b", last.revision)]


async def test_what_happens_while_listing_is_heard(kv, store, feed):
    """The feed is there before the list: a change in between is in one of them, or in both, and told once."""
    cache = WatchCache(store, feed)
    made = await store.create("ns", "a", value("a"))

    async def write() -> None:
        await store.create("ns", "b", value("b"))

    kv.before["range"] = write
    await cache.start()
    assert [each.obj["metadata"]["name"] for each in cache.page().items] == ["a", "b"]
    watcher = everything(cache, cache.revision)
    changed = await store.replace(made, value("a", x=1))
    assert await heard(watcher, 1) == [("MODIFIED", "a", changed.revision)]
    await cache.stop()


async def test_what_is_no_object_is_passed_over(kv, store, feed):
    """Others write to the store too. It is no 500, and nobody's watch ends for it."""
    for name in ("binary", "later"):
        await kv.put(store.key("ns", name), b"k8s\x00\x0a\x02v1")
    cache = WatchCache(store, feed)
    await cache.start()
    watcher = everything(cache, cache.revision)
    await kv.put(store.key("ns", "binary"), b"k8s\x00other")
    await kv.delete(store.key("ns", "later"))
    last = await store.create("ns", "z", value("z"))
    assert await heard(watcher, 1) == [("ADDED", "z", last.revision)]
    assert len(cache) == len((await store.list()).items) == 1
    await cache.stop()


async def test_stopping_ends_every_watch(store, cache):
    watchers = [everything(cache, cache.revision) for _ in range(3)]
    await cache.stop()
    assert all(watcher.is_over and watcher.error is None for watcher in watchers)


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
        views.append((accepts, state, Ears(cache.subscribe(page.revision, key, accepts, RENDER, is_first=True))))
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
    for accepts, state, ears in views:
        last = 0
        for line in ears.lines:
            event = orjson.loads(line)
            name = event["object"]["metadata"]["name"]
            revision = int(event["object"]["metadata"]["resourceVersion"])
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
