"""A server: one member, its driver, its client port and its links to the other members.

    start: bind every socket ─▶ member ─▶ driver ─▶ links to the others ─▶ serve clients
    ready: a leader is known, and this member has told the cluster its name and client URLs
    stop:  no new connections, everything that waits is answered "server stopped", sockets closed

Memory only: the log lives in MemoryStorage, and the server's incarnation is drawn anew at each start.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable
from typing import Any

from kvcluster.config import ServerConfig, is_https, parse_url
from kvcluster.errors import MemberRemovedError
from kvcluster.member import Member, MemberConfig, MemberRecord, member_id
from kvcluster.peer import TcpPeerTransport
from kvcluster.raft import MemoryStorage
from kvcluster.rpc import AuthOptions, RpcServices
from kvcluster.server.collector import Collector
from kvcluster.server.driver import Driver
from kvcluster.server.http1 import Http1Options
from kvcluster.server.joining import build_joining_config, common_fields, describe_membership
from kvcluster.server.listener import ClientListener, bind, max_message_bytes, url_of
from kvcluster.tls import ServerTls, build_peer_client_context


def build_member_config(config: ServerConfig, client_urls: tuple[str, ...], incarnation: int) -> MemberConfig:
    """The member of a server configuration."""
    token = config.initial_cluster_token
    records = []
    for name, peer_urls in config.members().items():
        known_urls = client_urls if name == config.name else ()
        records.append(MemberRecord(member_id(peer_urls, token), name, peer_urls, known_urls))
    own = next(record for record in records if record.name == config.name)
    return MemberConfig(id=own.id, members=tuple(records), **common_fields(config, incarnation))


def _addresses(records: Iterable[MemberRecord]) -> dict[int, tuple[tuple[str, int], ...]]:
    return {record.id: tuple(parse_url("peer URL", url) for url in record.peer_urls) for record in records}


class Server:
    """See the module."""

    def __init__(self, config: ServerConfig) -> None:
        """Raises ConfigError."""
        config.validate()
        self.config = config
        self.client_url = ""
        self._driver: Driver | None = None
        self._listener: ClientListener | None = None
        self._grpcio: object | None = None
        self._client_tls: ServerTls | None = None
        self._peer_tls: ServerTls | None = None
        self._peer_context: Any = None
        self._peers: TcpPeerTransport | None = None
        self._collector = Collector()
        self._standing: asyncio.Future[None] | None = None

    @property
    def driver(self) -> Driver:
        assert self._driver is not None, "the server is not started"
        return self._driver

    @property
    def failed(self) -> asyncio.Future[None]:
        """Gets the error that ends the server by itself: another member refuses it (PeerRefusedError), or a bug. Await it
        shielded; it is cancelled by `stop`."""
        return self.driver.failed

    @property
    def member(self) -> Member:
        return self.driver.member

    async def start(self) -> None:
        """Raises ConfigError where a port is taken."""
        config = self.config
        addresses = [parse_url("listen-client-urls", url) for url in config.listen_client_urls]
        sockets = [bind("listen-client-urls", *address) for address in addresses]
        try:
            await self._start(sockets)
        except BaseException:
            for listening in sockets:
                listening.close()
            await self.stop()
            raise

    async def _start(self, sockets: list[socket.socket]) -> None:
        config = self.config
        urls = tuple(
            url_of(listening, "https" if is_https(url) else "http")
            for listening, url in zip(sockets, config.listen_client_urls, strict=True)
        )
        self._client_tls = ServerTls(config.client_tls) if config.client_tls.is_on else None
        self._peer_context = build_peer_client_context(config.peer_tls) if config.peer_tls.is_on else None
        self.client_url = urls[0]
        incarnation = int.from_bytes(os.urandom(8), "big") >> 1  # secrets would load random, and that OpenSSL's hashes
        client_urls = config.advertise_client_urls or urls
        if config.initial_cluster_state == "existing":
            member_config = await build_joining_config(config, client_urls, incarnation, self._peer_context)
            storage = MemoryStorage(is_volatile=True)
        else:
            member_config = build_member_config(config, client_urls, incarnation)
            storage = MemoryStorage(voters=[record.id for record in member_config.members], is_volatile=True)
        self._driver = Driver(Member(member_config, storage), storage, tick_s=member_config.tick_ms / 1000)
        await self._start_peers(member_config, incarnation)
        services = RpcServices(
            self.member,
            max_txn_ops=config.max_txn_ops,
            progress_interval_s=config.watch_progress_notify_interval_s,
            quota_bytes=config.quota_bytes,
            auth=AuthOptions(
                config.auth_token, config.auth_token_ttl_s, config.bcrypt_cost, config.client_tls.client_cert_auth
            ),
            offload=self._driver.offload,
            is_up=self._peers.is_up if self._peers is not None else lambda member: False,
        )
        self._driver.on_tick.append(services.tick)
        self._driver.start()
        if config.transport == "grpcio":
            await self._start_grpcio(services, sockets)
        else:
            await self._start_listener(services, sockets)
        self._collector.start()

    async def _start_listener(self, services: RpcServices, sockets: list[socket.socket]) -> None:
        config = self.config
        http1 = Http1Options(config.cors, config.host_whitelist, config.enable_grpc_gateway)
        listener = self._listener = ClientListener(
            self.driver, services, http1, self._client_tls, config.max_concurrent_streams
        )
        for listening, url in zip(sockets, config.listen_client_urls, strict=True):
            await listener.serve(listening, is_tls=is_https(url))
        for flag, urls, has_gateway in (
            ("listen-client-http-urls", config.listen_client_http_urls, True),
            ("listen-metrics-urls", config.listen_metrics_urls, False),
        ):
            for url in urls:
                listening = bind(flag, *parse_url(flag, url))
                await listener.serve_http(listening, is_tls=is_https(url), has_gateway=has_gateway)

    async def _start_peers(self, member_config: MemberConfig, incarnation: int) -> None:
        driver = self.driver
        self._peers = driver.peers = TcpPeerTransport(
            cluster_id=member_config.cluster_id,
            member_id=member_config.id,
            incarnation=incarnation,
            peers=_addresses(member_config.members),
            deliver=driver.deliver,
            unreachable=driver.unreachable,
            reachable=driver.reachable,
            failed=driver.fail,
            describe=lambda: describe_membership(self.member),
            client_context=self._peer_context,
        )
        driver.member.on_membership.append(self._observe_membership)
        tls = self.config.peer_tls
        self._peer_tls = ServerTls(tls) if tls.is_on else None
        for url in self.config.listen_peer_urls:
            address = parse_url("listen-peer-urls", url)
            listening = bind("listen-peer-urls", *address)
            await self._peers.serve(listening, self._peer_tls.context if self._peer_tls and is_https(url) else None)
        self._peers.start()
        ids = sorted(record.id for record in member_config.members)
        if member_config.id == ids[0] and len(ids) > 1 and not member_config.joins_cluster_id:
            self._standing = asyncio.ensure_future(self._stand_first(self._peers, ids[1:]))

    def _observe_membership(self) -> None:
        """Links follow the members; one that was removed stops."""
        member = self.member
        if member.is_removed:
            self.driver.fail_soon(MemberRemovedError())
        elif self._peers is not None and member.membership.seats:
            self._peers.set_peers(_addresses(member.members()), member.membership.removed)

    async def _stand_first(self, peers: TcpPeerTransport, others: list[int]) -> None:
        """A cluster that starts new has no leader to be missed: its first member stands as soon as it has met a majority,
        so that nobody waits for an election timeout."""
        missing = (len(others) + 1) // 2
        for meeting in asyncio.as_completed([peers.met(id) for id in others]):
            await meeting
            missing -= 1
            if not missing:
                break
        if not self.member.leader and not self.member.term:
            self.member.campaign()
            self.driver.wake()

    async def _start_grpcio(self, services: RpcServices, sockets: list[socket.socket]) -> None:
        from kvcluster.server.grpcio_transport import GrpcioTransport  # grpcio is heavy and seldom wanted

        transport = GrpcioTransport(self.driver, services.methods, max_message_bytes=max_message_bytes(self.driver))
        self._grpcio = transport
        for listening in sockets:
            host, port = listening.getsockname()[:2]
            listening.close()
            await transport.start(host, port)

    async def ready(self) -> None:
        """Returns once this member can serve: a leader is known and knows this member's URLs. Raises what `failed` has,
        StoppedError. Bound it with asyncio.timeout."""
        member = self.member
        waiting = asyncio.ensure_future(self.driver.until(lambda: bool(member.leader) and member.is_published))
        try:
            await asyncio.wait({waiting, self.failed}, return_when=asyncio.FIRST_COMPLETED)
            if self.failed.done() and not self.failed.cancelled():
                self.failed.result()
            await waiting
        finally:
            waiting.cancel()

    async def stop(self) -> None:
        """Safe to call twice, and after a start that failed."""
        if self._standing is not None:
            self._standing.cancel()
        if self._driver is not None:
            self._driver.stop()
        if self._listener is not None:
            await self._listener.stop()
        if self._grpcio is not None:
            await self._grpcio.stop()  # type: ignore[attr-defined]
        if self._peers is not None:
            await self._peers.stop()
        self._collector.stop()
