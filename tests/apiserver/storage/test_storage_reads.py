"""Which state a read is answered from: the newest, any, not older than, exactly; and how often the store is asked for it."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.errors import StatusError
from apiserver.storage import (
    Feed,
    ObjectStore,
    Position,
    Wanted,
    WatchCache,
    decode_continue,
    encode_value,
    find_one,
    read_page,
)
from apiserver.storage.feed import is_progress_exact


def value(name: str, **fields: object) -> bytes:
    return encode_value({"kind": "Thing", "apiVersion": "v1", "metadata": {"name": name}, **fields})


@pytest.fixture
def store(kv) -> ObjectStore:
    return ObjectStore(kv, "/registry/things")


@pytest.fixture
async def cache(store, feed):
    cache = WatchCache(store, feed)
    await cache.start()
    yield cache
    await cache.stop()


def names(page) -> list[str]:
    return [stored.key.decode().rsplit("/", 1)[1] for stored in page.items]


async def test_a_read_sees_every_write_that_was_acknowledged_before_it(store, cache):
    """Although it is answered by the cache, which hears of the write later."""
    for number in range(20):
        made = await store.create("ns", f"n{number:02}", value("n"))
        found = await find_one(cache, "ns", f"n{number:02}")
        assert found.revision == made.revision
        assert len((await read_page(cache, "ns", None)).items) == number + 1
    assert await find_one(cache, "ns", "nobody") is None


async def test_the_cache_answers_and_the_store_only_says_how_new_it_is(kv, store, cache):
    await store.create("ns", "a", value("a"))
    kv.calls.clear()
    page = await read_page(cache, "ns", None)
    again = await read_page(cache, "ns", None)
    assert set(kv.calls) <= {"get"}
    assert page.items[0] is again.items[0], "decoded and spliced once"


async def test_readers_that_come_together_ask_the_store_together(kv, feed, cache):
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        asked.set()
        await go_on.wait()

    kv.calls.clear()
    kv.before["get"] = hold
    first = asyncio.create_task(feed.newest())
    await asked.wait()
    others = [asyncio.create_task(feed.newest()) for _ in range(50)]
    await asyncio.sleep(0)
    go_on.set()
    assert len({await task for task in (first, *others)}) == 1
    assert kv.calls == ["get", "get"], "those who came while a question was under way have one of their own"


async def test_a_write_between_question_and_answer_is_seen_by_who_asked_after_it(kv, store, feed, cache):
    """The answer that is under way may be older than the write, so it is not good enough for who comes now."""
    go_on, asked = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        asked.set()
        await go_on.wait()

    kv.before["get"] = hold
    early = asyncio.create_task(find_one(cache, "ns", "a"))
    await asked.wait()
    made = await store.create("ns", "a", value("a"))
    late = asyncio.create_task(find_one(cache, "ns", "a"))
    await asyncio.sleep(0)
    go_on.set()
    await early
    assert (await late).revision == made.revision


async def test_what_others_write_does_not_hold_reads_up(kv, store, cache):
    """Their keys raise the revision and are not heard of; the store says that there is nothing to wait for."""
    made = await store.create("ns", "a", value("a"))
    await kv.put(b"/somebody/else", b"x")
    async with asyncio.timeout(5):
        page = await read_page(cache, "", None)
    assert page.revision > made.revision
    assert cache.revision >= page.revision


async def test_where_progress_cannot_be_trusted_the_store_is_read(kv, store, cache, feed):
    """etcd 3.5.1 may answer a progress request before the events that came first (etcd#15220)."""
    await store.create("ns", "a", value("a"))
    await store.create("ns", "b", value("b"))
    await find_one(cache, "ns", "b")
    feed._knows_progress = False
    await kv.put(b"/somebody/else", b"x")
    kv.calls.clear()
    async with asyncio.timeout(5):
        page = await read_page(cache, "ns", None, Wanted(None, limit=1))
        assert (names(page), page.remaining) == (["a"], 1)
        assert (await find_one(cache, "ns", "b")).revision == cache.find("ns", "b").revision
    assert kv.calls.count("range") == 1
    assert cache.revision < page.revision


def test_which_etcd_answers_progress_exactly():
    versions = {"3.4.30": False, "3.4.31": True, "3.5.0": False, "3.5.1": False, "3.5.12": False, "3.5.13": True}
    versions |= {"3.6.0": True, "3.6.6+kvcluster": True, "": False}
    assert {version: is_progress_exact(version) for version in versions} == versions


async def test_any_is_what_the_cache_has_and_all_of_it(kv, store, cache):
    for name in ("a", "b", "c"):
        await store.create("ns", name, value(name))
    await read_page(cache, "", None)
    kv.calls.clear()
    page = await read_page(cache, "ns", None, Wanted(0, limit=1))
    assert (names(page), page.token, kv.calls) == (["a", "b", "c"], "", [])


async def test_not_older_waits_for_what_is_under_way(store, cache):
    made = await store.create("ns", "a", value("a"))
    page = await read_page(cache, "ns", None, Wanted(made.revision))
    assert names(page) == ["a"]
    assert (await find_one(cache, "ns", "a", made.revision)).revision == made.revision


async def test_a_revision_that_does_not_come_is_504_in_the_end(store, cache, monkeypatch):
    monkeypatch.setattr("apiserver.storage.reads.WAIT_S", 0.02)
    await store.create("ns", "a", value("a"))
    for wanted in (Wanted(10**9), Wanted(10**9, is_exact=True), Wanted(None, position=Position(10**9, "a"))):
        with pytest.raises(StatusError) as refused:
            await read_page(cache, "ns", None, wanted)
        assert (refused.value.code, refused.value.reason) == (504, "Timeout")
        assert refused.value.details["causes"][0]["reason"] == "ResourceVersionTooLarge"
    with pytest.raises(StatusError):
        await find_one(cache, "ns", "a", 10**9)


async def test_exactly_is_the_past(kv, store, cache):
    made = await store.create("ns", "a", value("a"))
    other = await store.create("ns", "b", value("b"))
    await store.remove(other)
    assert names(await read_page(cache, "ns", None, Wanted(other.revision, is_exact=True))) == ["a", "b"]
    page = await read_page(cache, "ns", None, Wanted(made.revision, is_exact=True))
    assert (names(page), page.revision) == (["a"], made.revision)
    await kv.compact(other.revision)
    with pytest.raises(StatusError) as gone:
        await read_page(cache, "ns", None, Wanted(made.revision, is_exact=True))
    assert gone.value.code == 410


@pytest.mark.parametrize("disturbed", [False, True])
async def test_pages_are_of_one_revision(kv, store, cache, disturbed: bool):
    """From the cache while nothing changes, from the store's history when something has."""
    for number in range(7):
        await store.create("ns", f"n{number}", value("n"))
    await store.create("other", "x", value("x"))
    page = await read_page(cache, "ns", None, Wanted(None, limit=3))
    revision, found, left = page.revision, names(page), [page.remaining]
    if disturbed:
        await store.create("ns", "n00", value("n"))
        await read_page(cache, "ns", None)
    kv.calls.clear()
    while page.token:
        page = await read_page(cache, "ns", None, Wanted(None, limit=3, position=decode_continue(page.token)))
        assert page.revision == revision
        found += names(page)
        left.append(page.remaining)
    assert found == [f"n{number}" for number in range(7)]
    assert left == [4, 1, None]
    assert ("range" in kv.calls) is disturbed


async def test_pages_of_a_selection_do_not_say_how_many_are_left(store, cache):
    for number in range(7):
        await store.create("ns", f"n{number}", value("n", x=number))
    page = await read_page(cache, "ns", lambda stored: stored.obj["x"] % 2 == 0, Wanted(None, limit=2))
    assert (names(page), page.remaining) == (["n0", "n2"], None)
    rest = Wanted(None, limit=9, position=decode_continue(page.token))
    assert names(await read_page(cache, "ns", lambda stored: stored.obj["x"] % 2 == 0, rest)) == ["n4", "n6"]


async def test_a_page_whose_past_is_gone_can_go_on_inconsistently(kv, store, cache):
    for name in ("a", "b", "d"):
        await store.create("ns", name, value(name))
    page = await read_page(cache, "ns", None, Wanted(None, limit=1))
    last = await store.create("ns", "c", value("c"))
    await kv.compact(last.revision)
    with pytest.raises(StatusError) as gone:
        await read_page(cache, "ns", None, Wanted(None, limit=1, position=decode_continue(page.token)))
    assert gone.value.code == 410
    onward = decode_continue(gone.value.continue_token)
    rest = await read_page(cache, "ns", None, Wanted(None, limit=2, position=onward))
    assert (names(rest), rest.revision) == (["b", "c"], last.revision)


async def test_a_store_that_forgot_everything_is_noticed(kv, store, feed):
    """A store in memory that was started anew is at a lower revision; what the caches hold was never there."""
    cache = WatchCache(store, feed)
    await store.create("ns", "a", value("a"))
    await cache.start()
    generation = feed.generation
    feed.revision += 1000  # as if it had been further
    await feed.newest()
    assert not cache.is_listed
    async with asyncio.timeout(10):
        page = await read_page(cache, "ns", None)
    assert names(page) == ["a"]
    assert feed.generation == generation + 1
    await cache.stop()


async def test_nobody_waits_for_ever_for_a_feed_that_ends(feed, cache):
    waiting = asyncio.create_task(feed.reach(10**9, 0.05))
    await asyncio.sleep(0)
    assert await waiting is False
    assert feed._waiting == []


async def test_one_watch_serves_every_resource(kv, feed):
    caches = [
        WatchCache(ObjectStore(kv, f"/registry/{name}"), feed) for name in ("a", "b", "group.io/a", "services/specs")
    ]
    await asyncio.gather(*(cache.start() for cache in caches))
    assert kv.calls.count("watch") == 1
    for cache in caches:
        made = await cache.store.create("ns", "x", value("x"))
        assert (await find_one(cache, "ns", "x")).revision == made.revision
    assert [len(cache) for cache in caches] == [1, 1, 1, 1]
    for cache in caches:
        await cache.stop()
    assert feed._sinks == {}


async def test_the_writers_own_object_is_not_decoded_again(store, cache, monkeypatch):
    obj = {"kind": "Thing", "apiVersion": "v1", "metadata": {"name": "a"}}
    made = await store.create("ns", "a", encode_value(obj))
    made.keep(obj)
    cache.learn(made)
    assert await find_one(cache, "ns", "a") is made
    assert made.obj is obj
    assert obj["metadata"]["resourceVersion"] == str(made.revision)


def test_the_feed_is_a_feed_of_one_prefix():
    assert Feed.__init__.__defaults__ == (b"/registry/",)


async def test_what_the_feed_brought_first_is_given_the_writers_object(store, cache):
    obj = {"kind": "Thing", "apiVersion": "v1", "metadata": {"name": "a"}}
    made = await store.create("ns", "a", encode_value(obj))
    heard = await find_one(cache, "ns", "a")
    assert heard is not made
    made.keep(obj)
    assert cache.learn(made) is heard
    assert heard.obj is obj


async def test_a_state_that_is_over_keeps_its_text_alone(store, cache):
    """Thousands are kept for watchers that come late; decoded they would be five times as large."""
    made = await store.create("ns", "a", value("a", x=1))
    before = await find_one(cache, "ns", "a")
    assert before.obj["x"] == 1
    await store.replace(made, value("a", x=2))
    await find_one(cache, "ns", "a")
    assert before._obj is None
    assert before.obj["x"] == 1, "and can be decoded again"


async def test_a_list_is_made_once_for_all_who_read_it_while_nothing_changes(store, cache):
    made = await store.create("ns", "a", value("a"))
    first, second = await read_page(cache, "ns", None), await read_page(cache, "ns", None)
    assert first.items is second.items
    assert first.shared is second.shared
    await store.replace(made, value("a", x=1))
    third = await read_page(cache, "ns", None)
    assert third.shared is not first.shared
    assert names(third) == ["a"] and third.items[0].obj["x"] == 1
