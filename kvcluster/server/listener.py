"""The client port of a member: gRPC and HTTP/1.1 on one socket."""

from __future__ import annotations

import asyncio
import socket

from kvcluster.errors import ConfigError
from kvcluster.rpc import RpcServices
from kvcluster.server.connections import ClientProtocol
from kvcluster.server.driver import Driver
from kvcluster.server.http1 import Http1
from kvcluster.server.metrics import MemberMetrics

BACKLOG = 1024


def bind(flag: str, host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigError naming the flag where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise ConfigError(f"--{flag}: cannot listen on {host}:{port}: {error.strerror}") from error
    return listening


def url_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class ClientListener:
    """Serves a driver's member on sockets. One of these may listen on several."""

    def __init__(self, driver: Driver, services: RpcServices | None = None) -> None:
        self._driver = driver
        if services is None:
            services = RpcServices(driver.member)
            driver.on_tick.append(services.tick)
        self._methods = services.methods
        self._http1 = Http1(driver, lambda: MemberMetrics(driver.member))
        self._servers: list[asyncio.Server] = []
        self._connections: dict[ClientProtocol, None] = {}

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listens; answers the URL. Raises ConfigError where the port is taken."""
        return await self.serve(bind("listen-client-urls", host, port))

    async def serve(self, listening: socket.socket) -> str:
        """Serves a socket that listens already; answers its URL."""
        loop = asyncio.get_running_loop()
        url = url_of(listening)
        self._servers.append(await loop.create_server(self._protocol, sock=listening, backlog=BACKLOG))
        return url

    def _protocol(self) -> ClientProtocol:
        return ClientProtocol(self._driver, self._methods, self._http1, self._connections)

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    async def stop(self) -> None:
        """No new connections; those open are told and closed."""
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.close()
        await self._http1.stop()
