"""Three servers of one process over TCP: they elect, replicate, and refuse a member that has forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from kvcluster.config import ServerConfig
from kvcluster.errors import ConfigError
from kvcluster.peer import PeerRefusedError
from kvcluster.server import Server

WAIT_S = 20.0


class Trio:
    """Servers m1, m2, m3 by name. Quick timers: 20 ms heartbeats, elections after 200 ms."""

    def __init__(self, peer_ports: list[int]) -> None:
        self.urls = {f"m{number}": f"http://127.0.0.1:{port}" for number, port in enumerate(peer_ports, 1)}
        self.servers: dict[str, Server] = {}

    def config(self, name: str) -> ServerConfig:
        return ServerConfig(
            name=name,
            listen_client_urls=("http://127.0.0.1:0",),
            listen_peer_urls=(self.urls[name],),
            initial_advertise_peer_urls=(self.urls[name],),
            initial_cluster=",".join(f"{name}={url}" for name, url in self.urls.items()),
            heartbeat_interval=20,
            election_timeout=200,
        )

    async def start(self, name: str) -> Server:
        server = self.servers[name] = Server(self.config(name))
        await server.start()
        return server

    async def leader(self) -> Server:
        """Of those that run; returns when all of them agree on it and it knows."""
        for server in self.servers.values():
            await server.ready()
        first = next(iter(self.servers.values()))
        await first.driver.until(lambda: self._find_leader() is not None)  # looked at with every tick of the first
        leader = self._find_leader()
        assert leader is not None
        return leader

    def _find_leader(self) -> Server | None:
        servers = list(self.servers.values())
        leaders = [server for server in servers if server.member.is_leader]
        if len(leaders) == 1 and all(server.member.leader == leaders[0].member.id for server in servers):
            return leaders[0]
        return None

    def channel(self, server: Server) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(server.client_url.removeprefix("http://"))


@pytest.fixture
async def trio(free_ports: Callable[[int], list[int]]) -> AsyncIterator[Trio]:
    trio = Trio(free_ports(3))
    async with asyncio.timeout(WAIT_S):
        yield trio
        for server in trio.servers.values():
            await server.stop()


async def test_three_servers_elect_and_replicate(trio: Trio, stubs_on: Callable[[Any], Any]):
    for name in trio.urls:
        await trio.start(name)
    leader = await trio.leader()
    for number, server in enumerate(trio.servers.values()):  # also through followers, which forward
        async with trio.channel(server) as channel:
            answer = await stubs_on(channel).Put(key=b"k", value=b"%d" % number)
            assert answer.header.revision == 2 + number
            assert answer.header.member_id == server.member.id
    for server in trio.servers.values():
        async with trio.channel(server) as channel:
            stubs = stubs_on(channel)
            assert (await stubs.Range(key=b"k")).kvs[0].value == b"2"
            members = (await stubs.MemberList(linearizable=True)).members
            assert {member.name: list(member.clientURLs) for member in members} == {
                name: [other.client_url] for name, other in trio.servers.items()
            }
            assert (await stubs.Status()).leader == leader.member.id
    assert len({server.member.store.hash(4) for server in trio.servers.values()}) == 1
    families = text_string_to_metric_families(leader._listener._metrics()[0].decode())  # type: ignore[union-attr]
    values = {sample.name: sample.value for family in families for sample in family.samples}
    assert values["etcd_network_peer_sent_bytes_total"] > 0


async def test_the_cluster_survives_its_leader_and_refuses_its_return(trio: Trio, stubs_on: Callable[[Any], Any]):
    for name in trio.urls:
        await trio.start(name)
    leader = await trio.leader()
    name = leader.config.name
    await leader.stop()
    del trio.servers[name]
    survivor = await trio.leader()
    async with trio.channel(survivor) as channel:
        await stubs_on(channel).Put(key=b"after", value=b"1")

    back = await trio.start(name)
    with pytest.raises(PeerRefusedError, match="a memory-only member that restarts has forgotten its vote and its log"):
        await asyncio.shield(back.failed)
    with pytest.raises(PeerRefusedError):
        await back.ready()
    async with trio.channel(survivor) as channel:
        assert (await stubs_on(channel).Range(key=b"after")).count == 1


async def test_a_taken_port_is_told_by_flag_and_leaves_nothing_behind(trio: Trio):
    await trio.start("m1")
    again = Server(trio.config("m1"))
    with pytest.raises(
        ConfigError, match=r"--listen-peer-urls: cannot listen on 127.0.0.1:\d+: Address already in use"
    ):
        await again.start()
    await again.stop()


async def test_one_of_three_is_not_ready(trio: Trio):
    alone = await trio.start("m1")
    waiting = asyncio.ensure_future(alone.ready())
    await alone.driver.until(lambda: alone.member.now_tick > 20)  # two election timeouts
    assert not waiting.done()
    assert not alone.member.leader
    waiting.cancel()
