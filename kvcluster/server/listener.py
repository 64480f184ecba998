"""The client port of a member: gRPC and HTTP/1.1 on one socket."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from kvcluster.errors import ConfigError
from kvcluster.rpc import RpcServices
from kvcluster.server.connections import ClientPort
from kvcluster.server.driver import Driver
from kvcluster.server.http1 import Http1, Http1Options
from kvcluster.tls import ServerTls
from kvcluster.wire import WireLimits

log = logging.getLogger(__name__)

BACKLOG = 1024
RELOAD_TICKS = 10
"""Between two looks at the certificate's files."""
GRPC_OVERHEAD_BYTES = 512 * 1024
"""etcd: a message may be this much larger than the largest request."""
GOODBYE_S = 0.5
"""How long a stopping port waits for its clients to take what was written for them."""


def bind(flag: str, host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigError naming the flag where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except (OSError, OverflowError) as error:
        listening.close()
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise ConfigError(f"--{flag}: cannot listen on {host}:{port}: {reason}") from error
    return listening


def url_of(listening: socket.socket, scheme: str = "http") -> str:
    host, port = listening.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def max_message_bytes(driver: Driver) -> int:
    """Of a request's gRPC message; what is larger never reaches a service."""
    return driver.member.config.max_request_bytes + GRPC_OVERHEAD_BYTES


class ClientListener:
    """Serves a driver's member on sockets. One of these may listen on several."""

    def __init__(
        self,
        driver: Driver,
        services: RpcServices | None = None,
        http1: Http1Options = Http1Options(),  # noqa: B008 - an immutable value
        tls: ServerTls | None = None,
        max_concurrent_streams: int = 0,
    ) -> None:
        """tls: for sockets that are served with TLS. max_concurrent_streams of a connection; 0: as many as there is room for."""
        self._driver = driver
        self._loop = asyncio.get_running_loop()
        if services is None:
            services = RpcServices(driver.member)
            driver.on_tick.append(services.tick)
        self._http1 = Http1(driver, services.methods, self._metrics, http1, max_message_bytes=max_message_bytes(driver))
        limits = WireLimits(max_message_bytes=max_message_bytes(driver))
        if max_concurrent_streams:
            limits = limits._replace(max_concurrent_streams=max_concurrent_streams)
        self._tls = tls
        self._ticks = 0
        self._port = ClientPort(driver, services.methods, self._http1, limits)
        self._servers: list[asyncio.Server] = []
        driver.on_tick.append(self._tick)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listens; answers the URL. Raises ConfigError where the port is taken."""
        return await self.serve(bind("listen-client-urls", host, port))

    async def serve(self, listening: socket.socket, *, is_tls: bool = False) -> str:
        """Serves a socket that listens already; answers its URL."""
        return await self._serve(self._port, listening, is_tls)

    async def serve_http(self, listening: socket.socket, *, is_tls: bool = False, has_gateway: bool = True) -> str:
        """Serves HTTP/1.1 alone: --listen-client-http-urls, or without the gateway --listen-metrics-urls."""
        return await self._serve(self._http1 if has_gateway else self._http1.without_gateway(), listening, is_tls)

    async def _serve(self, factory: Callable[[], asyncio.BaseProtocol], listening: socket.socket, is_tls: bool) -> str:
        url = url_of(listening, "https" if is_tls else "http")
        context = self._tls.context if is_tls and self._tls is not None else None
        self._servers.append(await self._loop.create_server(factory, sock=listening, backlog=BACKLOG, ssl=context))
        return url

    def _tick(self) -> None:
        self._port.expire(self._loop.time())
        self._ticks += 1
        if self._tls is not None and self._ticks % RELOAD_TICKS == 0:
            failure = self._tls.check_files()
            if failure is not None:
                log.warning("the new certificate cannot be used, the old one stays: %s", failure)

    def _metrics(self) -> tuple[bytes, str]:
        """(text, content type). What writes Prometheus' format takes longer to load than the rest of the server."""
        from kvcluster.server.metrics import MemberMetrics

        return MemberMetrics(self._driver, self._port).expose()

    @property
    def connection_count(self) -> int:
        return len(self._port.connections)

    async def stop(self) -> None:
        """No new connections; those open are told and closed, by force after GOODBYE_S. Safe to call twice."""
        for server in self._servers:
            server.close()
        if self._tick in self._driver.on_tick:
            self._driver.on_tick.remove(self._tick)
        for connection in list(self._port.connections):
            connection.close()
        await self._http1.stop()
        if self._port.connections:
            try:
                await asyncio.wait_for(self._port.is_empty.wait(), GOODBYE_S)
            except TimeoutError:
                for connection in list(self._port.connections):
                    connection.abort()
