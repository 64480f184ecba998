"""What is special about the client without sockets; what it shares with all clients is tested in tests/kvcluster/client."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from types import FrameType
from typing import Any

import pytest

from kvcluster import Cluster, errors
from kvcluster.client import Client, KeyValue, prefix_end

WAIT_S = 20.0


@pytest.fixture(autouse=True)
async def bounded() -> AsyncIterator[None]:
    async with asyncio.timeout(WAIT_S):
        yield


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster() as cluster:
        yield cluster


async def count_calls(action: Callable[[], Any]) -> int:
    """Python functions of kvcluster entered while `action()` runs, turns of the loop included."""
    calls = 0

    def see(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        if event == "call" and "/kvcluster/" in frame.f_code.co_filename:
            calls += 1

    sys.setprofile(see)
    try:
        await action()
    finally:
        sys.setprofile(None)
    return calls


async def test_a_read_of_a_lone_leader_costs_a_handful_of_calls(cluster: Cluster):
    client = cluster.client()
    await client.put(b"a", b"1")
    assert await count_calls(lambda: client.get(b"a")) <= 12


async def test_a_put_costs_a_bounded_number_of_calls(cluster: Cluster):
    client = cluster.client()
    await client.put(b"a", b"1")
    assert await count_calls(lambda: client.put(b"a", b"2")) <= 100


async def test_concurrent_puts_share_their_turns(cluster: Cluster):
    client = cluster.client()
    await client.put(b"a", b"1")

    async def many() -> None:
        await asyncio.gather(*(client.put(b"a", b"x") for _ in range(100)))

    assert await count_calls(many) / 100 <= 21


async def test_a_loop_of_reads_does_not_stop_the_world(cluster: Cluster):
    client = cluster.client()
    ticked = asyncio.Event()
    asyncio.get_running_loop().call_soon(ticked.set)
    for _ in range(1000):
        await client.get(b"a")
        if ticked.is_set():
            return
    raise AssertionError("a thousand reads, and nobody else had a turn")


async def test_records_are_those_of_the_interface(cluster: Cluster):
    client: Client = cluster.client()
    await client.put(b"a", b"1")
    found = await client.get(b"a")
    assert type(found.kv) is KeyValue
    assert type((await client.range(b"a", b"b")).kvs[0]) is KeyValue
    assert (await client.range(b"a", b"b", keys_only=True)).kvs[0]._replace(value=b"1") == found.kv


async def test_a_reader_may_do_with_its_batch_what_it_likes(cluster: Cluster):
    client = cluster.client()
    one, two = await client.watch(b"a"), await client.watch(b"a")
    await client.put(b"a", b"1")
    (await anext(one)).events.clear()
    assert len((await anext(two)).events) == 1


async def test_a_closed_client_leaves_the_member_alone(cluster: Cluster):
    client, other = cluster.client(), cluster.client()
    watcher = await client.watch(b"a")
    async with client:
        await client.put(b"a", b"1")
    with pytest.raises(errors.StoppedError, match="the client is closed"):
        await client.get(b"a")
    with pytest.raises(errors.StoppedError, match="the client is closed"):
        await client.watch(b"a")
    with pytest.raises(StopAsyncIteration):
        await anext(watcher)
    assert (await other.get(b"a")).kv is not None
    assert len(cluster.member(0).hub) == 0, "its watches are gone from the hub"


async def test_progress_is_not_told_before_the_events(cluster: Cluster):
    client = cluster.client()
    for number in range(50):
        last = await client.put(b"a", b"%d" % number)
    watcher = await client.watch(b"a", start_revision=2)
    await watcher.request_progress()
    revisions: list[int] = []
    while True:
        batch = await anext(watcher)
        if not batch.events:
            break
        revisions += [event.kv.mod_revision for event in batch.events]
    assert revisions == list(range(2, last.revision + 1)) and batch.revision == last.revision
    await watcher.close()


async def test_no_progress_before_a_start_in_the_future(cluster: Cluster):
    client = cluster.client()
    now = await client.put(b"a", b"1")
    watcher = await client.watch(b"b", start_revision=now.revision + 3)
    await watcher.request_progress()
    for _ in range(3):
        last = await client.put(b"a", b"2")
    batch = await anext(watcher)
    assert (batch.events, batch.revision) == ([], last.revision)
    await watcher.close()


async def test_the_embedded_and_the_served_see_the_same(cluster: Cluster):
    from kvcluster import connect

    embedded = cluster.client()
    async with await connect(await cluster.listen()) as remote:
        watcher = await embedded.watch(b"", b"\x00", prev_kv=True)
        other = await remote.watch(b"", b"\x00", prev_kv=True)
        await remote.put(b"a", b"1")
        await embedded.put(b"a", b"2")
        await remote.delete(b"a")
        for client in (embedded, remote):
            await client.put_if(b"b", b"x", mod_revision=0)
        seen = [[event async for event in _events(each, 4)] for each in (watcher, other)]
        assert seen[0] == seen[1]
        assert await embedded.range(b"b", prefix_end(b"b")) == await remote.range(b"b", prefix_end(b"b"))
        assert await embedded.members() == await remote.members()
        assert await embedded.status() == await remote.status()


async def _events(watcher: Any, count: int) -> AsyncIterator[Any]:
    seen = 0
    while seen < count:
        for event in (await anext(watcher)).events:
            seen += 1
            yield event
