"""Informers and the real API server, in process: lists that come as a watch, metadata only, discovery, apply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from apiserver.client import Client, InformerFactory, discover
from apiserver.config import ApiServerConfig
from apiserver.errors import StatusError
from apiserver.server import ApiServer
from kvcluster.cluster import Cluster


class Cut:
    """A stream that a test can break off."""

    def __init__(self, inner) -> None:
        self.inner, self.status, self.broken = inner, inner.status, asyncio.Event()

    async def __aiter__(self):
        lines = aiter(self.inner)
        while True:
            following = asyncio.ensure_future(anext(lines, None))
            broken = asyncio.ensure_future(self.broken.wait())
            await asyncio.wait({following, broken}, return_when=asyncio.FIRST_COMPLETED)
            broken.cancel()
            if not following.done():
                following.cancel()
                return
            line = following.result()
            if line is None:
                return
            yield line

    async def close(self) -> None:
        await self.inner.close()


class Counting:
    """A transport that says what went through it."""

    def __init__(self, inner) -> None:
        self.inner, self.log, self.streams = inner, [], []

    async def request(self, method, path, **options):
        self.log.append(f"{method} {path}")
        return await self.inner.request(method, path, **options)

    async def stream(self, method, path, **options):
        self.log.append(f"WATCH {path} {dict(options['query']).get('sendInitialEvents', '')}".strip())
        stream = Cut(await self.inner.stream(method, path, **options))
        self.streams.append(stream)
        return stream


@pytest.fixture
async def transport(clock) -> AsyncIterator[Counting]:
    cluster = Cluster(members=1)
    await cluster.start()
    server = ApiServer(ApiServerConfig(port=0, compaction_interval_s=0), cluster.client(), clock)
    try:
        await server.start()
        yield Counting(server.in_process_transport())
    finally:
        await server.stop()
        await cluster.stop()


@pytest.fixture
def client(transport, clock) -> Client:
    return Client(transport, clock=clock)


def config_map(name: str, value: str = "1") -> dict:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "labels": {"a": "b"}},
        "data": {"v": value},
    }


async def test_a_list_comes_as_a_watch_that_goes_on(client, transport, clock, settle):
    await client.create("configmaps", config_map("one"))
    transport.log.clear()
    async with InformerFactory(client, clock) as informers:
        informer = informers.informer("configmaps", namespace="default")
        await informer.synced()
        assert [obj["metadata"]["name"] for obj in informer.list()] == ["one"]
        await client.create("configmaps", config_map("two"))
        await settle()
        assert informer.get("two", "default")["data"] == {"v": "1"}
        path = "/api/v1/namespaces/default/configmaps"
        assert transport.log == [f"WATCH {path} true", f"POST {path}"]


async def test_a_broken_watch_is_resumed_where_it_was(client, transport, clock, settle):
    async with InformerFactory(client, clock) as informers:
        informer = informers.informer("configmaps", namespace="default")
        await informer.synced()
        await client.create("configmaps", config_map("one"))
        await settle()
        transport.streams[-1].broken.set()
        await client.create("configmaps", config_map("two"))
        await settle()
        clock.advance(2.0)
        await settle()
        assert informer.get("two", "default")
        assert [line for line in transport.log if line.startswith("WATCH")] == [
            "WATCH /api/v1/namespaces/default/configmaps true",
            "WATCH /api/v1/namespaces/default/configmaps",
        ]


async def test_metadata_alone_can_be_watched(client, clock, settle):
    await client.create("configmaps", config_map("one"))
    async with InformerFactory(client, clock) as informers:
        informer = informers.informer("configmaps", namespace="default", metadata_only=True)
        await informer.synced()
        await client.patch("configmaps", "one", {"data": {"v": "2"}}, "default")
        await settle()
        found = informer.get("one", "default")
        assert found["kind"] == "PartialObjectMetadata" and "data" not in found
        assert found["metadata"]["labels"] == {"a": "b"}


async def test_whoever_needs_metadata_only_shares_a_watch_of_the_whole(client):
    informers = InformerFactory(client)
    whole = informers.informer("pods")
    assert informers.informer("pods", metadata_only=True) is whole
    assert informers.informer("secrets", metadata_only=True) is not informers.informer("secrets")


async def test_discovery_takes_two_requests(client, transport):
    transport.log.clear()
    found = await discover(client)
    assert transport.log == ["GET /apis", "GET /api"] and not found.failed
    pods = found.find_kind("", "Pod")
    assert pods is not None and pods.namespaced and {"list", "watch", "delete"} <= pods.verbs
    assert found.find_kind("apps", "StatefulSet").name.version == "v1"


async def test_apply_says_whose_a_field_is(client):
    applied = await client.apply("configmaps", config_map("one"), field_manager="first")
    assert applied["data"] == {"v": "1"}
    with pytest.raises(StatusError) as caught:
        await client.apply("configmaps", config_map("one", "2"), field_manager="second")
    assert caught.value.reason == "Conflict"
    applied = await client.apply("configmaps", config_map("one", "2"), field_manager="second", force=True)
    assert applied["data"] == {"v": "2"}


async def test_nothing_is_told_before_all_is_there(client, transport, clock, settle):
    """A stream that breaks off among the initial events is begun again."""

    class Broken:
        status = 200

        async def __aiter__(self):
            yield b'{"type":"ADDED","object":{"metadata":{"name":"ghost","namespace":"default","uid":"u"}}}'

        async def close(self) -> None: ...

    real, calls = transport.inner.stream, []

    async def stream(method, path, **options):
        calls.append(path)
        return Broken() if len(calls) == 1 else await real(method, path, **options)

    transport.inner.stream = stream
    async with InformerFactory(client, clock) as informers:
        informer = informers.informer("configmaps", namespace="default")
        await settle()
        assert not informer.is_synced() and not informer.list()
        clock.advance(5.0)
        async with asyncio.timeout(5):
            await informer.synced()
        assert informer.get("ghost", "default") is None
