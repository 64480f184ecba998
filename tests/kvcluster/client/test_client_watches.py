"""What every client promises about watches: ordered, whole, nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from kvcluster import errors
from kvcluster.client import Client, ClientClosedError, DeleteOp, Event, PutOp, WatchBatch, Watcher, prefix_end

Key = Callable[[str], bytes]
WAIT_S = 20.0


@pytest.fixture(autouse=True)
async def bounded() -> AsyncIterator[None]:
    """A watch that never answers fails its test instead of hanging it."""
    async with asyncio.timeout(WAIT_S):
        yield


async def take(watcher: Watcher, count: int) -> list[Event]:
    """The next `count` events, checked: revisions ascend, and none is split over two batches."""
    events: list[Event] = []
    last = 0
    while len(events) < count:
        batch = await asyncio.wait_for(anext(watcher), WAIT_S)
        revisions = [event.kv.mod_revision for event in batch.events]
        assert revisions == sorted(revisions) and (not revisions or revisions[0] > last)
        assert batch.revision >= (revisions[-1] if revisions else last)
        last = revisions[-1] if revisions else last
        events += batch.events
    assert len(events) == count
    return events


async def progress(watcher: Watcher) -> WatchBatch:
    """The next batch without events."""
    while True:
        batch = await asyncio.wait_for(anext(watcher), WAIT_S)
        if not batch.events:
            return batch


async def test_a_watch_from_now(client: Client, key: Key):
    await client.put(key("a"), b"before")
    watcher = await client.watch(key("a"))
    put = await client.put(key("a"), b"1")
    await client.put(key("other"), b"")
    gone = await client.delete(key("a"))
    first, second = await take(watcher, 2)
    assert (first.is_delete, first.kv.value, first.kv.mod_revision) == (False, b"1", put.revision)
    assert first.prev_kv is None
    assert second.is_delete
    assert second.kv == (key("a"), b"", 0, gone.revision, 0, 0), "a delete carries only key and revision"
    await watcher.close()


async def test_a_watch_of_a_prefix_from_the_past_with_previous_values(client: Client, key: Key):
    first = await client.put(key("a"), b"1")
    await client.put(key("b"), b"2")
    await client.put(key("a"), b"3")
    await client.delete(key(""), prefix_end(key("")))
    watcher = await client.watch(key(""), prefix_end(key("")), start_revision=first.revision, prev_kv=True)
    events = await take(watcher, 5)
    assert [event.kv.key for event in events] == [key("a"), key("b"), key("a"), key("a"), key("b")]
    assert [event.prev_kv and event.prev_kv.value for event in events] == [None, None, b"1", b"3", b"2"]
    assert [event.is_delete for event in events] == [False, False, False, True, True]
    assert events[3].kv.mod_revision == events[4].kv.mod_revision
    await watcher.close()


async def test_a_transaction_arrives_whole_and_in_its_order(client: Client, key: Key):
    await client.put(key("z"), b"")
    watcher = await client.watch(key(""), prefix_end(key("")))
    done = await client.txn(success=[PutOp(key("b"), b"1"), DeleteOp(key("z")), PutOp(key("a"), b"2")])
    batch = await asyncio.wait_for(anext(watcher), WAIT_S)
    assert batch.revision == done.revision
    assert [(event.kv.key, event.is_delete) for event in batch.events] == [
        (key("b"), False),
        (key("z"), True),
        (key("a"), False),
    ]
    await watcher.close()


async def test_a_watch_of_the_future_waits_for_it(client: Client, key: Key):
    now = await client.put(key("a"), b"1")
    watcher = await client.watch(key("a"), start_revision=now.revision + 2)
    await client.put(key("a"), b"2")
    await client.put(key("a"), b"3")
    assert [event.kv.value for event in await take(watcher, 1)] == [b"3"]
    await watcher.close()


async def test_every_event_of_a_burst_once(client: Client, key: Key):
    watcher = await client.watch(key(""), prefix_end(key("")))
    await asyncio.gather(*(client.put(key(str(number % 7)), b"%d" % number) for number in range(500)))
    values = [int(event.kv.value) for event in await take(watcher, 500)]
    assert sorted(values) == list(range(500))
    await watcher.close()


async def test_many_watchers_on_one_client(client: Client, key: Key):
    watchers = await asyncio.gather(*(client.watch(key(str(number))) for number in range(60)))
    for number in range(60):
        await client.put(key(str(number)), b"%d" % number)
    for number, watcher in enumerate(watchers):
        assert [event.kv.value for event in await take(watcher, 1)] == [b"%d" % number]
    for watcher in watchers[::2]:
        await watcher.close()
    await client.put(key("1"), b"again")
    assert (await take(watchers[1], 1))[0].kv.value == b"again", "closing some does not touch the others"
    for watcher in watchers[1::2]:
        await watcher.close()


async def test_close_ends_the_iteration(client: Client, key: Key):
    watcher = await client.watch(key("a"))

    async def read() -> list[WatchBatch]:
        return [batch async for batch in watcher]

    reading = asyncio.ensure_future(read())
    await client.put(key("a"), b"1")
    await asyncio.sleep(0)
    await watcher.close()
    assert len(await asyncio.wait_for(reading, WAIT_S)) <= 1
    with pytest.raises(StopAsyncIteration):
        await anext(watcher)
    await watcher.close()


async def test_one_reader_at_a_time(client: Client, key: Key):
    watcher = await client.watch(key("a"))
    reading = asyncio.ensure_future(anext(watcher))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="another task"):
        await anext(watcher)
    await client.put(key("a"), b"1")
    assert len((await reading).events) == 1
    await watcher.close()


async def test_a_cancelled_reader_loses_nothing(client: Client, key: Key):
    watcher = await client.watch(key("a"))
    reading = asyncio.ensure_future(anext(watcher))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await client.put(key("a"), b"1")
    assert [event.kv.value for event in await take(watcher, 1)] == [b"1"]
    await watcher.close()


async def test_what_is_compacted_cannot_be_watched(client: Client, key: Key):
    first = await client.put(key("a"), b"1")
    last = await client.put(key("a"), b"2")
    await client.compact(last.revision)
    watcher = await client.watch(key("a"), start_revision=first.revision)
    with pytest.raises(errors.CompactedError) as compacted:
        await anext(watcher)
    assert compacted.value.compact_revision == last.revision
    with pytest.raises(errors.CompactedError):
        await anext(watcher)
    kept = await client.watch(key("a"), start_revision=last.revision)
    assert [event.kv.value for event in await take(kept, 1)] == [b"2"], "the compacted revision itself is kept"
    await kept.close()


async def test_a_watch_that_makes_no_sense_is_refused(client: Client, key: Key):
    with pytest.raises(errors.WatchRangeEmptyError):
        await client.watch(key("b"), key("a"))
    with pytest.raises(errors.CompactedError):  # at once, or, by etcd before 3.6, with the first answer
        await anext(await client.watch(key("a"), start_revision=-5))
    watcher = await client.watch(key("a"))
    await client.put(key("a"), b"1")
    assert len(await take(watcher, 1)) == 1, "a refusal does not disturb the watches after it"
    await watcher.close()


async def test_an_empty_key_and_no_end_watch_everything(client: Client, key: Key):
    watcher = await client.watch(b"", b"\x00")
    await client.put(key("a"), b"1")
    assert (await take(watcher, 1))[0].kv.key == key("a")
    await watcher.close()


async def test_progress_on_request_comes_after_the_events(client: Client, key: Key):
    watcher = await client.watch(key("a"))
    put = await client.put(key("a"), b"1")
    await take(watcher, 1)
    other = await client.put(key("other"), b"")
    await watcher.request_progress()
    told = await progress(watcher)
    assert put.revision < told.revision and told.revision <= other.revision
    if told.revision < other.revision:  # a member may tell what it knew before it applied the last put
        await watcher.request_progress()
        assert (await progress(watcher)).revision == other.revision
    await watcher.close()


async def test_progress_from_time_to_time(client: Client, key: Key):
    watcher = await client.watch(key("a"), progress_notify=True)
    other = await client.put(key("other"), b"")
    while (await progress(watcher)).revision < other.revision:
        pass
    await watcher.close()


async def test_the_end_of_the_client_ends_its_watches(client: Client, key: Key):
    watcher = await client.watch(key("a"))
    await client.close()
    with pytest.raises(StopAsyncIteration):
        await anext(watcher)
    with pytest.raises(ClientClosedError):
        await client.put(key("a"), b"")
    with pytest.raises(ClientClosedError):
        await client.get(key("a"))
    with pytest.raises(ClientClosedError):
        await client.watch(key("a"))
    await client.close()
