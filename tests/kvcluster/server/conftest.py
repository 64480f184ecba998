"""Servers on real sockets, and clients that are not ours: grpc.aio with stubs built from the descriptors."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest

from kvcluster import pb
from kvcluster.config import ServerConfig
from kvcluster.server import Server

WAIT_S = 20.0
_KINDS = {
    "KV": {"Range": "RangeRequest", "Put": "PutRequest", "DeleteRange": "DeleteRangeRequest", "Txn": "TxnRequest",
           "Compact": "CompactionRequest"},
    "Lease": {"LeaseGrant": "LeaseGrantRequest", "LeaseRevoke": "LeaseRevokeRequest",
              "LeaseTimeToLive": "LeaseTimeToLiveRequest", "LeaseLeases": "LeaseLeasesRequest"},
    "Cluster": {"MemberList": "MemberListRequest"},
    "Maintenance": {"Status": "StatusRequest", "HashKV": "HashKVRequest"},
}  # fmt: skip


class Stubs:
    """`await stubs.Put(key=b"a", value=b"b")`, and the two streams, on a grpc.aio channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        for service, methods in _KINDS.items():
            for method, request in methods.items():
                setattr(self, method, self._unary(service, method, request))

    def _unary(self, service: str, method: str, request: str) -> Callable[..., Any]:
        response = request.replace("Request", "Response")
        call = self.channel.unary_unary(
            f"/etcdserverpb.{service}/{method}",
            request_serializer=getattr(pb, request).SerializeToString,
            response_deserializer=getattr(pb, response).FromString,
        )

        def ask(*, timeout: float = WAIT_S, metadata: Any = None, **fields: Any) -> Any:
            return call(getattr(pb, request)(**fields), timeout=timeout, metadata=metadata)

        return ask

    def watch(self) -> Any:
        return self.channel.stream_stream(
            "/etcdserverpb.Watch/Watch",
            request_serializer=pb.WatchRequest.SerializeToString,
            response_deserializer=pb.WatchResponse.FromString,
        )(timeout=WAIT_S)

    def keep_alive(self) -> Any:
        return self.channel.stream_stream(
            "/etcdserverpb.Lease/LeaseKeepAlive",
            request_serializer=pb.LeaseKeepAliveRequest.SerializeToString,
            response_deserializer=pb.LeaseKeepAliveResponse.FromString,
        )(timeout=WAIT_S)


def build_config(**changes: Any) -> ServerConfig:
    """One member on free ports."""
    fields: dict[str, Any] = {
        "listen_client_urls": ("http://127.0.0.1:0",),
        "listen_peer_urls": ("http://127.0.0.1:0",),
    }
    return ServerConfig(**(fields | changes))


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def address_of(server: Server) -> str:
    return server.client_url.removeprefix("http://")


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Any]]:
    """`await start(**config)` → a server that is ready; all of them are stopped in the end."""
    servers: list[Server] = []

    async def start(**changes: Any) -> Server:
        server = Server(build_config(**changes))
        servers.append(server)
        await server.start()
        await server.ready()
        return server

    async with asyncio.timeout(WAIT_S):
        yield start
        for server in servers:
            await server.stop()


@pytest.fixture(params=["native", "grpcio"])
async def both(request: pytest.FixtureRequest, start: Callable[..., Any]) -> Server:
    """The same tests on our transport and on grpc.aio's."""
    server: Server = await start(transport=request.param)
    return server


@pytest.fixture
async def stubs(both: Server) -> AsyncIterator[Stubs]:
    async with grpc.aio.insecure_channel(address_of(both)) as channel:
        yield Stubs(channel)


@pytest.fixture
async def server(start: Callable[..., Any]) -> Server:
    server: Server = await start()
    return server


@pytest.fixture
def free_ports() -> Callable[[int], list[int]]:
    """free_ports(n): ports that are free just now, for peers, who must know them before anybody listens."""
    return _free_ports


@pytest.fixture
def stubs_on() -> Callable[[grpc.aio.Channel], Stubs]:
    return Stubs
