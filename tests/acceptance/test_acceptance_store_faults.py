"""The API server while its store misbehaves: leaders change, members restart, history is compacted, two servers share it.

What is promised: a watcher hears every change once and in order, or its watch ends with 410 and it starts anew; a write that was
acknowledged is there; nobody is told a state that never was.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import kvcluster
from apiserver.config import ApiServerConfig
from apiserver.server import ApiServer
from kvcluster import Cluster
from tests.acceptance.conftest import find_binary, free_port

MAPS = "/api/v1/namespaces/default/configmaps"
WAIT_S = 60.0


class Etcd:
    """A real etcd on one port and one data directory, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._peer = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        urls = ("--listen-client-urls", self.url, "--advertise-client-urls", self.url)
        peers = ("--listen-peer-urls", self._peer, "--initial-advertise-peer-urls", self._peer)
        self._process = await asyncio.create_subprocess_exec(
            find_binary("etcd"), "--data-dir", str(self._folder / "etcd"), "--log-level", "error",
            *urls, *peers, "--initial-cluster", f"default={self._peer}",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip

    async def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None


@asynccontextmanager
async def serving(store: Any) -> AsyncIterator[str]:
    server = ApiServer(ApiServerConfig(compaction_interval_s=0), store)
    await server.start()
    try:
        yield server.url
    finally:
        await server.stop()


class Follower:
    """A client as careful as an informer: it lists, watches from there, and lists again only when it is told 410.

    `seen`: every version it was told of; `lists`: how often it had to begin anew.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.seen: list[tuple[str, str, int]] = []
        self.state: dict[str, int] = {}
        self.lists = 0
        self.ready = asyncio.Event()
        self._session = session
        self._url = url + MAPS
        self._version = 0
        self._told = asyncio.Event()

    async def run(self) -> None:
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(0.05)

    async def _list(self) -> None:
        async with self._session.get(self._url) as answer:
            listed = await answer.json()
            if answer.status != 200:
                raise TimeoutError
        self._version = int(listed["metadata"]["resourceVersion"])
        self.state = {each["metadata"]["name"]: int(each["metadata"]["resourceVersion"]) for each in listed["items"]}
        self.lists += 1
        self.ready.set()
        self._told.set()

    async def _watch(self) -> None:
        query = {"watch": "1", "resourceVersion": str(self._version), "allowWatchBookmarks": "true"}
        async with self._session.get(self._url, params=query) as answer:
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    assert event["object"]["code"] == 410, event
                    self._version = 0
                    return
                metadata = event["object"]["metadata"]
                version = int(metadata["resourceVersion"])
                assert version >= self._version, "in order, and nothing twice"
                self._version = version
                if event["type"] == "BOOKMARK":
                    continue
                self.seen.append((event["type"], metadata["name"], version))
                if event["type"] == "DELETED":
                    self.state.pop(metadata["name"], None)
                else:
                    self.state[metadata["name"]] = version
                self._told.set()

    async def until(self, wanted: dict[str, int]) -> None:
        async with asyncio.timeout(WAIT_S):
            while self.state != wanted:
                self._told.clear()
                await self._told.wait()


@asynccontextmanager
async def following(url: str) -> AsyncIterator[Follower]:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector, read_bufsize=2**20) as session:
        follower = Follower(session, url)
        task = asyncio.create_task(follower.run())
        try:
            async with asyncio.timeout(WAIT_S):
                await follower.ready.wait()
            yield follower
        finally:
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled() and task.exception() is not None:
            raise task.exception()  # type: ignore[misc]


class Writer:
    """Writes and counts what was acknowledged. Refusals are tried again, as a client of a server in trouble does."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.acknowledged: dict[str, int] = {}
        self._session = session
        self._url = url + MAPS

    async def make(self, name: str) -> None:
        body = {"metadata": {"name": name}}
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    async with self._session.post(self._url, json=body) as answer:
                        said = await answer.json()
                        if answer.status == 201:
                            break
                        if answer.status == 409:  # an attempt before this one arrived although nobody heard its answer
                            async with self._session.get(f"{self._url}/{name}") as found:
                                said = await found.json()
                                if found.status == 200:
                                    break
                        assert answer.status in (409, 500, 503, 504), said
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)
        self.acknowledged[name] = int(said["metadata"]["resourceVersion"])


@asynccontextmanager
async def writing(url: str) -> AsyncIterator[Writer]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        writer = Writer(session, url)
        async with session.get(url + MAPS) as answer:
            for each in (await answer.json())["items"]:
                writer.acknowledged[each["metadata"]["name"]] = int(each["metadata"]["resourceVersion"])
        yield writer


@pytest.mark.parametrize("where", ["embedded", "remote"])
async def test_a_leader_that_goes_takes_no_event_with_it(where: str):
    """Three members; the leader is stopped twice under writes, and comes back."""
    async with Cluster(members=3, request_timeout_s=0.5) as store:
        urls = [await store.listen(member) for member in range(3)]
        client = store.client() if where == "embedded" else await kvcluster.connect(urls)
        async with serving(client) as url, following(url) as follower, writing(url) as writer:
            for round in range(2):
                for number in range(10):
                    await writer.make(f"r{round}-before-{number}")
                leader = await store.wait_leader()
                await store.stop_member(leader)
                for number in range(10):
                    await writer.make(f"r{round}-after-{number}")
                await store.restart_member(leader)
            await follower.until(writer.acknowledged)
            assert follower.lists == 1, "the watch went on as if nothing had happened"
            assert len(follower.seen) == len({version for _, _, version in follower.seen}) >= 40
        await client.close()


async def test_a_real_etcd_that_is_killed_and_comes_back(tmp_path: Path):
    """With its data directory: what was acknowledged is there, and the watch goes on from where it was."""
    etcd = Etcd(tmp_path)
    await etcd.start()
    try:
        store = await kvcluster.connect([etcd.url])
        async with serving(store) as url, following(url) as follower, writing(url) as writer:
            for number in range(10):
                await writer.make(f"before-{number}")
            await etcd.kill()
            late = asyncio.create_task(writer.make("during"))
            await asyncio.sleep(0)
            await etcd.start()
            await late
            for number in range(10):
                await writer.make(f"after-{number}")
            await follower.until(writer.acknowledged)
            assert follower.lists == 1
            assert len(follower.seen) == 21
        await store.close()
    finally:
        await etcd.kill()


@pytest.mark.parametrize("kind", ["ours", "etcd"])
async def test_two_servers_on_one_store_see_each_others_writes(tmp_path: Path, kind: str):
    """A read by one after a write by the other: the newest state, from a cache that had to hear of it first."""
    etcd = Etcd(tmp_path)
    async with Cluster(members=1) if kind == "ours" else _started(etcd) as cluster:
        endpoint = await cluster.listen() if kind == "ours" else etcd.url
        one, other = await kvcluster.connect([endpoint]), await kvcluster.connect([endpoint])
        async with (
            serving(one) as first, serving(other) as second, aiohttp.ClientSession() as session,
            following(first) as follower, writing(second) as writer,
        ):  # fmt: skip
            for number in range(30):
                name = f"m{number}"
                await writer.make(name)
                async with session.get(f"{first}{MAPS}/{name}") as answer:
                    assert answer.status == 200
                async with session.get(f"{first}{MAPS}") as answer:
                    names = {each["metadata"]["name"] for each in (await answer.json())["items"]}
                    assert name in names
            await follower.until(writer.acknowledged)
        await one.close()
        await other.close()


@asynccontextmanager
async def _started(etcd: Etcd) -> AsyncIterator[Etcd]:
    await etcd.start()
    try:
        yield etcd
    finally:
        await etcd.kill()


async def test_compaction_of_everything_disturbs_nobody(tmp_path: Path):
    """Watches live from the caches; who comes with a version that is older than the ring is told 410, in the stream."""
    async with (
        Cluster(members=1) as store, serving(store.client()) as url, aiohttp.ClientSession() as session,
        following(url) as follower, writing(url) as writer,
    ):  # fmt: skip
        for number in range(10):
            await writer.make(f"m{number}")
        client = store.client()
        await client.compact((await client.get(b"x")).revision)
        for number in range(10, 20):
            await writer.make(f"m{number}")
        await follower.until(writer.acknowledged)
        assert follower.lists == 1
        async with session.get(f"{url}{MAPS}?watch=1&resourceVersion=1") as answer:
            assert answer.status == 200
            assert json.loads(await answer.content.readline())["object"]["code"] == 410
