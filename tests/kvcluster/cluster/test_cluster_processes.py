"""Members as processes: starting, kill -9, what survives it, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kvcluster import ProcessCluster, connect, prefix_end
from kvcluster.client import Client, Watcher
from kvcluster.cluster import ClusterError, StateFolder, cluster_status, default_state_dir, end_cluster, is_alive
from kvcluster.errors import ConfigError, KvClusterError

WAIT_S = 60.0
PREFIX = b"writes/"


@pytest.fixture(autouse=True)
async def bounded() -> AsyncIterator[None]:
    async with asyncio.timeout(WAIT_S):
        yield


class Writer:
    """Puts one new key after the other. `acknowledged`: number → revision."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._changed = asyncio.Event()
        self.acknowledged: dict[int, int] = {}
        self.attempts = 0

    async def run(self) -> None:
        while True:
            self.attempts += 1
            try:
                put = await self._client.put(PREFIX + b"%06d" % self.attempts, b"%d" % self.attempts)
            except (KvClusterError, OSError):
                continue  # it may have happened or not; the next one is another key
            self.acknowledged[self.attempts] = put.revision
            self._changed.set()

    async def wait_acknowledged(self, more: int) -> None:
        """Until that many more writes are acknowledged."""
        goal = len(self.acknowledged) + more
        while len(self.acknowledged) < goal:
            self._changed.clear()
            await self._changed.wait()


LAST = b"last"


async def read_watch(watcher: Watcher) -> list[tuple[int, int]]:
    """(revision, number) of every event, until LAST is put."""
    seen: list[tuple[int, int]] = []
    async for batch in watcher:
        for event in batch.events:
            if event.kv.value == LAST:
                return seen
            seen.append((event.kv.mod_revision, int(event.kv.value)))
    raise AssertionError("the watch ended")


async def leader_name(cluster: ProcessCluster) -> str:
    return next(row.name for row in await cluster.status() if row.is_leader)


async def test_kill_9_of_the_leader_loses_nothing_that_was_acknowledged(tmp_path: Path):
    async with ProcessCluster(replicas=3, base_port=0, state_dir=tmp_path / "state") as cluster:
        killed = await leader_name(cluster)
        urls = {member.name: member.client_url for member in cluster.members}
        order = [urls[killed], *(url for name, url in urls.items() if name != killed)]
        async with await connect(order) as client, await connect(order, timeout_s=1.0) as impatient:
            watcher = await client.watch(PREFIX, prefix_end(PREFIX))
            reading = asyncio.ensure_future(read_watch(watcher))
            writer = Writer(impatient)  # a write that a follower hands to the dead leader is lost, and times out
            writing = asyncio.ensure_future(writer.run())
            await writer.wait_acknowledged(200)
            cluster.kill(killed)
            assert await cluster.wait_ended(killed) == -signal.SIGKILL
            await writer.wait_acknowledged(200)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

            last = await client.put(PREFIX + LAST, LAST)  # the write that was cancelled may still come, now or later
            there = await client.range(PREFIX, prefix_end(PREFIX), revision=last.revision)
            seen = await reading
            stored = {int(kv.value): kv.mod_revision for kv in there.kvs if kv.value != LAST}
            assert writer.acknowledged.items() <= stored.items(), "every acknowledged write is there, at its revision"
            assert seen == sorted((revision, number) for number, revision in stored.items()), "each event once"

        await refuse_the_old_identity(cluster, killed)


async def refuse_the_old_identity(cluster: ProcessCluster, killed: str) -> None:
    """A memory-only member that comes back has forgotten its vote: it is refused, and says why; the others go on."""
    cluster.respawn(killed)
    assert await cluster.wait_ended(killed) == 1
    last = cluster.log(killed).splitlines()[-1]
    assert last.startswith("kvcluster: member ")
    assert "may not rejoin the cluster under its old identity" in last
    rows = await cluster.status()
    assert sum(row.alive for row in rows) == 2 and sum(row.is_leader for row in rows) == 1
    async with await connect(cluster.client_urls) as client:
        await client.put(b"after", b"1")


async def test_a_frozen_leader_is_replaced_and_reads_go_on(tmp_path: Path):
    async with ProcessCluster(replicas=3, base_port=0, state_dir=tmp_path / "state") as cluster:
        frozen = await leader_name(cluster)
        urls = {member.name: member.client_url for member in cluster.members}
        order = [urls[frozen], *(url for name, url in urls.items() if name != frozen)]
        async with await connect(order) as client:
            put = await client.put(b"a", b"1")
            cluster.kill(frozen, signal.SIGSTOP)
            found = await client.get(b"a")
            assert found.kv is not None and found.kv.mod_revision == put.revision
            cluster.kill(frozen, signal.SIGCONT)


async def test_status_of_a_cluster_with_a_dead_member(tmp_path: Path):
    folder = StateFolder(tmp_path / "state")
    async with ProcessCluster(replicas=3, base_port=0, state_dir=folder.path) as cluster:
        rows = await cluster_status(folder)
        assert [row.name for row in rows] == ["m1", "m2", "m3"]
        assert all(row.alive and row.id and row.term and row.revision == 1 and not row.error for row in rows)
        follower = next(row.name for row in rows if not row.is_leader)
        cluster.kill(follower)
        await cluster.wait_ended(follower)
        dead = next(row for row in await cluster_status(folder) if row.name == follower)
        assert (dead.alive, dead.id, dead.error) == (False, 0, "the process has ended")


async def test_everything_is_gone_afterwards(tmp_path: Path):
    folder = tmp_path / "state"
    async with ProcessCluster(replicas=1, base_port=0, state_dir=folder) as cluster:
        (member,) = cluster.members
        assert is_alive(member.pid, member.started) and (folder / "m1.log").exists()
    assert not is_alive(member.pid, member.started)
    assert not folder.exists()
    with pytest.raises(ClusterError, match="no cluster is running"):
        await cluster_status(StateFolder(folder))
    with pytest.raises(ClusterError, match="no cluster is running"):
        await end_cluster(StateFolder(folder))


async def test_a_second_cluster_in_the_same_folder_is_refused(tmp_path: Path):
    folder = tmp_path / "state"
    async with ProcessCluster(replicas=1, base_port=0, state_dir=folder) as cluster:
        second = ProcessCluster(replicas=1, base_port=0, state_dir=folder)
        with pytest.raises(ClusterError, match=rf"running already \(m1 pid {cluster.members[0].pid}\).*kvcluster down"):
            await second.start()
        await second.stop()
        assert [row.alive for row in await cluster.status()] == [True], "the first one is untouched"


async def test_what_a_dead_cluster_left_is_no_hindrance(tmp_path: Path):
    folder = tmp_path / "state"
    first = ProcessCluster(replicas=1, base_port=0, state_dir=folder)
    await first.start()
    first.kill("m1")
    await first.wait_ended("m1")
    async with ProcessCluster(replicas=1, base_port=0, state_dir=folder) as second:
        assert [row.alive for row in await second.status()] == [True]


@pytest.mark.parametrize("text", ["not json", "[]", '{"members": [{"name": 1}]}', '{"members": 3}', '{"members": [4]}'])
async def test_a_damaged_state_file_is_named(tmp_path: Path, text: str):
    (tmp_path / "cluster.json").write_text(text)
    with pytest.raises(ClusterError, match=r"cluster\.json"):
        await cluster_status(StateFolder(tmp_path))
    with pytest.raises(ClusterError, match=r"cluster\.json"):
        await ProcessCluster(replicas=1, base_port=0, state_dir=tmp_path).start()
    assert (tmp_path / "cluster.json").read_text() == text, "nothing is removed"


async def test_a_port_in_use_is_named_and_nothing_is_started(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        if port > 34_000:  # the third member's port must be one
            port -= 30_000
            taken = socket.create_server(("127.0.0.1", port))
        with taken:
            cluster = ProcessCluster(replicas=1, base_port=port, state_dir=tmp_path / "state")
            with pytest.raises(ClusterError, match=f"port {port} on 127.0.0.1: .*in use.*--base-port"):
                await cluster.start()
    assert not (tmp_path / "state").exists()


async def test_a_member_that_fails_to_start_says_why(tmp_path: Path):
    cluster = ProcessCluster(
        replicas=3, base_port=0, state_dir=tmp_path / "state", serve_args=["--heartbeat-interval", "0"]
    )
    with pytest.raises(ClusterError, match=r"ended with exit code 2:\n.*--heartbeat-interval: 0 is not between"):
        await cluster.start()
    assert not (tmp_path / "state").exists()


def test_numbers_that_cannot_work():
    with pytest.raises(ConfigError, match="replicas must be from 1 to 5"):
        ProcessCluster(replicas=0)
    with pytest.raises(ConfigError, match="base port 40000: with 3 members it must be from 1 to 35534"):
        ProcessCluster(replicas=3, base_port=40_000)


def test_the_usual_folder(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert default_state_dir() == Path("/somewhere/kvcluster")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert default_state_dir() == Path.home() / ".local/state/kvcluster"
