"""Members in one process: what `async with Cluster()` promises, and what its faults do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from kvcluster import Cluster, WatchBatch, Watcher, connect
from kvcluster.errors import ConfigError, NotLeaderError, RequestTimeoutError, StoppedError

WAIT_S = 30.0


@pytest.fixture(autouse=True)
async def bounded() -> AsyncIterator[None]:
    async with asyncio.timeout(WAIT_S):
        yield


async def read_until(watcher: Watcher, revision: int) -> list[int]:
    """The mod_revisions of all events up to `revision`."""
    revisions: list[int] = []
    while not revisions or revisions[-1] < revision:
        batch: WatchBatch = await anext(watcher)
        revisions += [event.kv.mod_revision for event in batch.events]
    return revisions


async def test_the_snippet_of_the_readme():
    async with Cluster(members=3) as cluster:
        client = cluster.client()
        await client.put(b"greeting", b"hello")
        found = await client.get(b"greeting")
        assert found.kv is not None and found.kv.value == b"hello"


@pytest.mark.parametrize("members", [1, 2, 3, 5])
async def test_every_member_serves_its_own_client(members: int):
    async with Cluster(members=members) as cluster:
        assert len(cluster) == members
        written = await cluster.client(0).put(b"a", b"1")
        for member in range(members):
            found = await cluster.client(member).get(b"a")
            assert found.kv is not None and found.kv.mod_revision == written.revision
        listed = await cluster.client().members()
        assert sorted(info.name for info in listed) == [f"m{member}" for member in range(members)]
        status = await cluster.client().status()
        leader = cluster.leader()
        assert leader is not None and status.leader == cluster.member(leader).id


async def test_leadership_is_handed_over():
    async with Cluster(members=3) as cluster:
        first = await cluster.wait_leader()
        chosen = (first + 1) % 3
        moved: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        cluster.member(first).move_leader(cluster.member(chosen).id, moved.set_result)
        assert await moved is None
        assert await cluster.wait_leader(other_than=first) == chosen
        refused: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        cluster.member(first).move_leader(cluster.member(first).id, refused.set_result)
        assert isinstance(await refused, NotLeaderError)
        assert (await cluster.client().put(b"a", b"1")).revision == 2


async def test_a_leader_that_stops_is_followed_by_another():
    async with Cluster(members=3) as cluster:
        client = cluster.client()
        watcher = await client.watch(b"a")
        first = await client.put(b"a", b"1")
        leader = await cluster.wait_leader()
        await cluster.stop_member(leader)
        assert not cluster.is_running(leader) and cluster.leader() != leader
        assert await cluster.wait_leader(other_than=leader) != leader
        second = await client.put(b"a", b"2")
        assert await read_until(watcher, second.revision) == [first.revision, second.revision]


async def test_a_restarted_member_keeps_its_log_and_catches_up():
    async with Cluster(members=3, snapshot_entries=50) as cluster:
        client = cluster.client()
        await client.put(b"before", b"1")
        leader = await cluster.wait_leader()
        follower = (leader + 1) % 3
        await cluster.stop_member(follower)
        for number in range(200):
            last = await client.put(b"a", b"%d" % number)
        await cluster.restart_member(follower)
        found = await cluster.client(follower).get(b"a")
        assert found.kv is not None and found.kv.mod_revision == last.revision
        old = await cluster.client(follower).get(b"before")
        assert old.kv is not None and old.kv.value == b"1"


async def test_a_lone_member_that_restarts_remembers_everything():
    async with Cluster() as cluster:
        client = cluster.client()
        watcher = await client.watch(b"a")
        first = await client.put(b"a", b"1")
        await cluster.stop_member(0)
        with pytest.raises(StoppedError):
            await client.put(b"a", b"2")
        with pytest.raises(StoppedError):
            await client.get(b"a")
        await cluster.restart_member(0)
        await cluster.wait_leader()
        second = await client.put(b"a", b"2")
        assert second.revision == first.revision + 1
        assert await read_until(watcher, second.revision) == [first.revision, second.revision]


async def test_a_remote_client_comes_back_to_a_restarted_member():
    async with Cluster() as cluster:
        url = await cluster.listen()
        async with await connect(url) as client:
            watcher = await client.watch(b"a")
            first = await client.put(b"a", b"1")
            await cluster.stop_member(0)
            await cluster.restart_member(0)
            found = await client.get(b"a")
            assert found.kv is not None and found.kv.value == b"1"
            second = await client.put(b"a", b"2")
            assert await read_until(watcher, second.revision) == [first.revision, second.revision]


async def test_a_remote_client_fails_over_and_its_watch_too():
    async with Cluster(members=3) as cluster:
        urls = [await cluster.listen(member) for member in range(3)]
        leader = await cluster.wait_leader()
        async with await connect([urls[leader], *urls]) as client:
            watcher = await client.watch(b"a")
            first = await client.put(b"a", b"1")
            await cluster.stop_member(leader)
            found = await client.get(b"a")
            assert found.kv is not None and found.kv.value == b"1"
            second = await client.put(b"a", b"2")
            assert await read_until(watcher, second.revision) == [first.revision, second.revision]


async def test_a_leader_that_is_cut_off_takes_nothing_and_is_replaced():
    async with Cluster(members=3, request_timeout_s=2.0) as cluster:
        old = await cluster.wait_leader()
        client = cluster.client()
        watcher = await client.watch(b"a")
        await client.put(b"a", b"1")
        cluster.partition([old], [member for member in range(3) if member != old])
        lost = asyncio.ensure_future(cluster.client(old).put(b"a", b"lost"))
        new = await cluster.wait_leader(other_than=old)
        last = await cluster.client(new).put(b"a", b"2")
        revisions = await read_until(watcher, last.revision)
        assert revisions == sorted(set(revisions)), "the watch moved to the majority, and missed nothing"
        cluster.heal()
        found = await cluster.client(old).get(b"a")
        assert found.kv is not None and found.kv.value == b"2"
        with pytest.raises(RequestTimeoutError):
            await lost


async def test_without_a_majority_nothing_is_written():
    async with Cluster(members=3, request_timeout_s=0.5) as cluster:
        leader = await cluster.wait_leader()
        for member in range(3):
            if member != leader:
                await cluster.stop_member(member)
        client = cluster.client()
        with pytest.raises(RequestTimeoutError):
            await client.put(b"a", b"1")
        assert (await client.get(b"a", serializable=True)).kv is None


async def test_listen_advertises_the_url():
    async with Cluster(members=3) as cluster:
        urls = [await cluster.listen(member) for member in range(3)]
        for url in urls:
            async with await connect(url) as client:
                told = {info.name: info.client_urls for info in await client.members()}
            assert told[f"m{urls.index(url)}"] == [url]


async def test_a_port_that_is_taken():
    async with Cluster() as cluster:
        url = await cluster.listen()
        with pytest.raises(ConfigError, match="cannot listen on 127.0.0.1"):
            await cluster.listen(port=int(url.rsplit(":", 1)[1]))


async def test_the_end_of_the_cluster_ends_calls_and_watches():
    cluster = Cluster(members=3)
    await cluster.start()
    client = cluster.client()
    watcher = await client.watch(b"a")
    await cluster.stop()
    with pytest.raises(StoppedError):
        await anext(watcher)
    with pytest.raises(StoppedError):
        await client.put(b"a", b"1")
    with pytest.raises(StoppedError):
        await cluster.wait_leader()
    await cluster.stop()


async def test_two_clusters_side_by_side():
    async with Cluster() as one, Cluster() as two:
        await one.client().put(b"a", b"1")
        assert (await two.client().get(b"a")).kv is None
        assert one.member(0).cluster_id != two.member(0).cluster_id


async def test_wrong_numbers_are_refused():
    for members in (0, -1, 10):
        with pytest.raises(ConfigError, match="members must be from 1 to 9"):
            Cluster(members=members)
    with pytest.raises(ConfigError, match="tick_ms must be from 1"):
        Cluster(tick_ms=0)
    async with Cluster() as cluster:
        with pytest.raises(ValueError, match="no member 1"):
            cluster.client(1)
        with pytest.raises(ValueError, match="no member 3"):
            await cluster.stop_member(3)
        with pytest.raises(ValueError, match="is running"):
            await cluster.restart_member(0)
        await cluster.stop_member(0)
        with pytest.raises(ValueError, match="not running"):
            await cluster.stop_member(0)
        with pytest.raises(ValueError, match="not running"):
            await cluster.listen()
    three = Cluster(members=3)
    with pytest.raises(ValueError, match="member 1 is in two groups"):
        three.partition([0, 1], [1, 2])
