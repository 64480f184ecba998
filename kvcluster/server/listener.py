"""The client port of a member: gRPC and HTTP/1.1 on one socket."""

from __future__ import annotations

import asyncio
import socket

from kvcluster.errors import ConfigError
from kvcluster.rpc import RpcServices
from kvcluster.server.connections import ClientPort
from kvcluster.server.driver import Driver
from kvcluster.server.http1 import Http1, Http1Options
from kvcluster.wire import WireLimits

BACKLOG = 1024
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


def url_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


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
    ) -> None:
        self._driver = driver
        self._loop = asyncio.get_running_loop()
        if services is None:
            services = RpcServices(driver.member)
            driver.on_tick.append(services.tick)
        self._http1 = Http1(driver, services.methods, self._metrics, http1, max_message_bytes=max_message_bytes(driver))
        limits = WireLimits(max_message_bytes=max_message_bytes(driver))
        self._port = ClientPort(driver, services.methods, self._http1, limits)
        self._servers: list[asyncio.Server] = []
        driver.on_tick.append(self._tick)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listens; answers the URL. Raises ConfigError where the port is taken."""
        return await self.serve(bind("listen-client-urls", host, port))

    async def serve(self, listening: socket.socket) -> str:
        """Serves a socket that listens already; answers its URL."""
        url = url_of(listening)
        self._servers.append(await self._loop.create_server(self._port, sock=listening, backlog=BACKLOG))
        return url

    def _tick(self) -> None:
        self._port.expire(self._loop.time())

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
