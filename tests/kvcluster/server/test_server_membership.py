"""Members that come and go, over real sockets: growing from one to three, learners, removal, and replacing a lost one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest

from kvcluster import pb
from kvcluster.client import RemoteClient, connect
from kvcluster.config import ServerConfig
from kvcluster.errors import ConfigError, MemberRemovedError
from kvcluster.peer import PeerRefusedError
from kvcluster.server import Server

WAIT_S = 30.0


class Crowd:
    """Servers of one cluster, by name. Each call of the Cluster service goes to the first."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports
        self.urls: dict[str, str] = {}
        self.servers: dict[str, Server] = {}

    def url_for(self, name: str) -> str:
        self.urls[name] = f"http://127.0.0.1:{self._ports.pop()}"
        return self.urls[name]

    async def start(self, name: str, state: str = "existing", **fields: Any) -> Server:
        url = self.urls[name]
        server = Server(
            ServerConfig(
                name=name,
                listen_client_urls=("http://127.0.0.1:0",),
                listen_peer_urls=(url,),
                initial_advertise_peer_urls=(url,),
                initial_cluster=",".join(f"{each}={at}" for each, at in self.urls.items()),
                initial_cluster_state=state,
                heartbeat_interval=20,
                election_timeout=200,
                **fields,
            )
        )
        self.servers[name] = server
        await server.start()
        return server

    @property
    def first(self) -> Server:
        return next(iter(self.servers.values()))

    async def ask(self, rpc: str, server: Server | None = None, **fields: Any) -> Any:
        request = getattr(pb, f"{rpc}Request")(**fields)
        address = (server or self.first).client_url.removeprefix("http://")
        async with grpc.aio.insecure_channel(address) as channel:
            call = channel.unary_unary(
                f"/etcdserverpb.Cluster/{rpc}",
                request_serializer=type(request).SerializeToString,
                response_deserializer=getattr(pb, f"{rpc}Response").FromString,
            )
            return await call(request, timeout=10)

    async def refusal(self, rpc: str, server: Server | None = None, **fields: Any) -> tuple[str, str]:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await self.ask(rpc, server, **fields)
        return raised.value.code().name, raised.value.details().removeprefix("etcdserver: ")

    async def add(self, name: str, learner: bool = False, server: Server | None = None) -> Any:
        """Asks for a seat; the member is not started yet."""
        url = self.url_for(name)
        return (await self.ask("MemberAdd", server, peerURLs=[url], isLearner=learner)).member

    async def join(self, name: str, learner: bool = False) -> Server:
        await self.add(name, learner)
        server = await self.start(name)
        await server.ready()
        return server

    def id_of(self, name: str) -> int:
        return self.servers[name].member.id

    async def stop(self) -> None:
        for server in self.servers.values():
            await server.stop()

    async def names(self) -> list[str]:
        listed = await self.ask("MemberList", linearizable=True)
        return sorted(member.name for member in listed.members)


@pytest.fixture
async def crowd(free_ports: Callable[[int], list[int]]) -> AsyncIterator[Crowd]:
    """One member, m0."""
    crowd = Crowd(free_ports(8))
    crowd.url_for("m0")
    async with asyncio.timeout(WAIT_S):
        try:
            server = await crowd.start("m0", state="new")
            await server.ready()
            yield crowd
        finally:
            await crowd.stop()


@pytest.fixture
async def client(crowd: Crowd) -> AsyncIterator[RemoteClient]:
    async with await connect(crowd.first.client_url) as client:
        yield client


async def until_applied(server: Server, other: Server) -> None:
    index = other.member.applied_index
    await server.driver.until(lambda: server.member.applied_index >= index)


async def test_one_becomes_three(crowd: Crowd, client: RemoteClient):
    await client.put(b"before", b"1")
    for name in ("m1", "m2"):
        await crowd.join(name)
        await client.put(name.encode(), b"v")
    assert await crowd.names() == ["m0", "m1", "m2"]
    for name in ("m1", "m2"):
        server = crowd.servers[name]
        await until_applied(server, crowd.first)
        assert [kv.key for kv in server.member.store.range(b"\0", b"\0").kvs] == [b"before", b"m1", b"m2"]
        assert server.member.cluster_id == crowd.first.member.cluster_id
    status = crowd.first.member._node.status()
    assert len(status.voters) == 3


async def test_a_newcomer_far_behind_is_sent_a_snapshot(crowd: Crowd, client: RemoteClient):
    """Its log would have to begin where nobody's does any more."""
    for number in range(7000):
        if number % 500 == 0:
            await asyncio.gather(*(client.put(b"k%05d" % each, b"v") for each in range(number, number + 500)))
    assert crowd.first.driver.storage.first_index() > 1
    server = await crowd.join("m1")
    await until_applied(server, crowd.first)
    assert server.member.store.range(b"k", b"l", count_only=True).count == 7000
    await client.put(b"after", b"1")


async def test_a_seat_is_given_once(crowd: Crowd):
    added = await crowd.add("m1")
    assert (added.name, list(added.clientURLs), list(added.peerURLs)) == ("", [], [crowd.urls["m1"]])
    # m1 has a seat and has not started: the cluster has no majority any more until it does (etcd too).
    server = await crowd.start("m1")
    await server.ready()
    taken = ("FAILED_PRECONDITION", "Peer URLs already exists")
    assert await crowd.refusal("MemberAdd", peerURLs=[crowd.urls["m1"]]) == taken
    assert await crowd.refusal("MemberUpdate", ID=crowd.id_of("m0"), peerURLs=[crowd.urls["m1"]]) == taken


BAD_URLS = ("INVALID_ARGUMENT", "given member URLs are invalid")
NOT_FOUND = ("NOT_FOUND", "member not found")


@pytest.mark.parametrize(
    ("rpc", "fields", "said"),
    [
        ("MemberAdd", {}, BAD_URLS),
        ("MemberAdd", {"peerURLs": ["x"]}, BAD_URLS),
        ("MemberAdd", {"peerURLs": ["http://a"]}, BAD_URLS),
        ("MemberAdd", {"peerURLs": ["http://a:1/path"]}, BAD_URLS),
        ("MemberAdd", {"peerURLs": ["ftp://a:1"]}, BAD_URLS),
        ("MemberUpdate", {"ID": 7}, NOT_FOUND),
        ("MemberUpdate", {"ID": 7, "peerURLs": ["http://a:1"]}, NOT_FOUND),
        ("MemberRemove", {"ID": 7}, NOT_FOUND),
        ("MemberPromote", {"ID": 7}, NOT_FOUND),
    ],
)
async def test_refusals(crowd: Crowd, rpc: str, fields: dict[str, Any], said: tuple[str, str]):
    assert await crowd.refusal(rpc, **fields) == said


async def test_the_last_member_stays(crowd: Crowd):
    said = await crowd.refusal("MemberRemove", ID=crowd.id_of("m0"))
    assert said == ("UNKNOWN", "re-configuration failed due to not enough started members")
    assert await crowd.refusal("MemberPromote", ID=crowd.id_of("m0")) == (
        "FAILED_PRECONDITION",
        "can only promote a learner member",
    )


async def test_a_removed_member_stops_and_does_not_come_back(crowd: Crowd, client: RemoteClient):
    for name in ("m1", "m2"):
        await crowd.join(name)
    left = (await crowd.ask("MemberRemove", ID=crowd.id_of("m2"))).members
    assert sorted(member.name for member in left) == ["m0", "m1"]
    with pytest.raises((MemberRemovedError, PeerRefusedError), match="permanently removed"):
        await crowd.servers["m2"].failed
    assert await crowd.refusal("MemberRemove", ID=crowd.id_of("m2")) == NOT_FOUND
    await client.put(b"k", b"v")


async def test_a_leader_may_be_removed(crowd: Crowd):
    for name in ("m1", "m2"):
        await crowd.join(name)
    gone = crowd.servers.pop("m0")
    assert gone.member.is_leader
    await crowd.ask("MemberRemove", ID=gone.member.id)
    with pytest.raises((MemberRemovedError, PeerRefusedError)):
        await gone.failed
    await gone.stop()
    await crowd.first.driver.until(lambda: crowd.first.member.leader not in (0, gone.member.id))
    async with await connect(crowd.first.client_url) as client:
        await client.put(b"k", b"v")
        assert (await client.get(b"k")).kv is not None
    assert await crowd.names() == ["m1", "m2"]


async def test_a_lost_member_is_replaced(crowd: Crowd, client: RemoteClient):
    """What a member in memory had is lost with it: its seat is removed, and a new one added, at the same address too."""
    for name in ("m1", "m2"):
        await crowd.join(name)
    lost = crowd.servers["m2"]
    await lost.stop()
    await client.put(b"k", b"v")
    await crowd.ask("MemberRemove", ID=lost.member.id)
    url = crowd.urls["m2"]
    added = (await crowd.ask("MemberAdd", peerURLs=[url])).member
    assert lost.member.id != added.ID
    server = await crowd.start("m2")
    await server.ready()
    await until_applied(server, crowd.first)
    assert server.member.store.get(b"k") is not None
    assert await crowd.names() == ["m0", "m1", "m2"]


async def test_a_learner_listens_until_it_is_promoted(crowd: Crowd, client: RemoteClient):
    await client.put(b"k", b"v")
    learner = await crowd.join("m1", learner=True)
    id = learner.member.id
    assert [member.isLearner for member in (await crowd.ask("MemberList")).members if id == member.ID] == [True]
    await until_applied(learner, crowd.first)
    unsupported = ("FAILED_PRECONDITION", "rpc not supported for learner")
    assert await crowd.refusal("MemberList", learner) == unsupported
    async with grpc.aio.insecure_channel(learner.client_url.removeprefix("http://")) as channel:
        call = channel.unary_unary("/etcdserverpb.KV/Range")
        answer = await call(pb.RangeRequest(key=b"k", serializable=True).SerializeToString(), timeout=10)
        assert pb.RangeResponse.FromString(answer).count == 1
        with pytest.raises(grpc.aio.AioRpcError, match="not supported for learner"):
            await call(pb.RangeRequest(key=b"k").SerializeToString(), timeout=10)
        status = await channel.unary_unary("/etcdserverpb.Maintenance/Status")(b"", timeout=10)
        assert pb.StatusResponse.FromString(status).isLearner
    too_many = await crowd.refusal("MemberAdd", peerURLs=["http://127.0.0.1:1"], isLearner=True)
    assert too_many == ("FAILED_PRECONDITION", "too many learner members in cluster")
    await crowd.ask("MemberPromote", ID=id)
    assert [member.isLearner for member in (await crowd.ask("MemberList")).members if id == member.ID] == [False]
    await learner.driver.until(lambda: not learner.member.is_learner)
    assert (await crowd.ask("MemberList", learner)).members


async def test_a_learner_that_has_not_started_is_not_promoted(crowd: Crowd):
    added = await crowd.add("m1", learner=True)
    said = await crowd.refusal("MemberPromote", ID=added.ID)
    assert said == ("FAILED_PRECONDITION", "can only promote a learner member which is in sync with leader")


async def test_a_follower_asks_its_leader_whether_a_learner_is_in_sync(crowd: Crowd):
    for name in ("m1", "m2"):
        await crowd.join(name)
    learner = await crowd.join("m3", learner=True)
    await until_applied(learner, crowd.first)
    follower = next(
        server for server in crowd.servers.values() if not server.member.is_leader and server is not learner
    )
    await crowd.ask("MemberPromote", follower, ID=learner.member.id)


async def test_a_member_moves(crowd: Crowd):
    await crowd.join("m1")
    url = "http://127.0.0.1:1"
    await crowd.ask("MemberUpdate", ID=crowd.id_of("m0"), peerURLs=[url])
    listed = {member.ID: list(member.peerURLs) for member in (await crowd.ask("MemberList")).members}
    assert listed[crowd.id_of("m0")] == [url]


async def test_changes_at_once_come_one_after_the_other(crowd: Crowd):
    """Each is made from what the one before has left."""
    for name in ("m1", "m2"):
        await crowd.join(name)
    ids = [crowd.id_of(name) for name in ("m0", "m1", "m2")]
    moves = [crowd.ask("MemberUpdate", server, ID=id, peerURLs=[f"http://127.0.0.1:{10 + at}", crowd.urls[f"m{at}"]])
             for at, (server, id) in enumerate(zip(crowd.servers.values(), ids, strict=True))]  # fmt: skip
    await asyncio.gather(*moves)
    listed = (await crowd.ask("MemberList", linearizable=True)).members
    assert all(len(member.peerURLs) == 2 for member in listed)


async def test_joining_needs_a_seat(crowd: Crowd):
    crowd.url_for("m1")
    with pytest.raises(ConfigError, match="add it first"):
        await crowd.start("m1")


async def test_joining_needs_to_know_everybody(crowd: Crowd):
    await crowd.join("m1")
    await crowd.add("m2")
    crowd.urls.pop("m1")
    with pytest.raises(ConfigError, match="it names 2 members, but the cluster has 3"):
        await crowd.start("m2")


async def test_joining_needs_somebody_who_answers(free_ports: Callable[[int], list[int]]):
    crowd = Crowd(free_ports(2))
    crowd.url_for("m0")
    crowd.url_for("m1")
    with pytest.raises(ConfigError, match="no member of the cluster answers"):
        await crowd.start("m1")
