"""The API server, put together: registry on a store, pipeline on a socket, bootstrap objects, compaction.

start: bind ─▶ bootstrap ─▶ serve          stop: watches end ─▶ sockets close ─▶ caches stop
"""

from __future__ import annotations

import asyncio
import socket

from aiohttp import web

from apiserver.config import ApiServerConfig
from apiserver.errors import service_unavailable
from apiserver.http import Pipeline, build_handler
from apiserver.kinds import Catalog, catalog
from apiserver.registry import Registry
from apiserver.server.bootstrap import bootstrap
from apiserver.server.compactor import compact_regularly
from apiserver.server.in_process import InProcessTransport
from kvcluster.client import Client
from kvcluster.clock import Clock, SystemClock
from kvcluster.errors import KvClusterError

SHUTDOWN_S = 0.5
STORE_CHECK_S = 2.0


class ApiServer:
    """`kv` is the caller's, and is not closed here."""

    def __init__(
        self, config: ApiServerConfig, kv: Client, clock: Clock | None = None, *, kinds: Catalog = catalog
    ) -> None:
        self._config = config
        self._kv = kv
        self._catalog = kinds
        self._registry = Registry(kinds, kv, clock or SystemClock(), seed=config.seed)
        self._pipeline: Pipeline | None = None
        self._web: web.Server | None = None
        self._listener: asyncio.Server | None = None
        self._compaction: asyncio.Task[None] | None = None
        self.url = ""

    @property
    def registry(self) -> Registry:
        """What the server serves; `registry.serve` changes it."""
        return self._registry

    async def start(self) -> None:
        """Raises OSError where the port is taken, StatusError and store errors where the store cannot be used."""
        config = self._config
        listening = _bind(config.host, config.port)
        try:
            host, port = listening.getsockname()[:2]
            self._pipeline = Pipeline(self._registry, f"{host}:{port}", self._is_store_up)
            await bootstrap(self._catalog, self._registry, host, port)
            # Before anybody lists: a watch from a list's revision must find the cache there already.
            stored = [resource for resource in self._catalog.resources() if not resource.is_virtual]
            await asyncio.gather(*(self._registry.cache(resource) for resource in stored))
            self._web = build_handler(self._pipeline)
            self._listener = await asyncio.get_running_loop().create_server(self._web, sock=listening)
        except BaseException:
            listening.close()
            await self.stop()
            raise
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        if config.compaction_interval_s:
            self._compaction = asyncio.get_running_loop().create_task(
                compact_regularly(self._kv, config.compaction_interval_s), name="compaction"
            )

    async def _is_store_up(self) -> bool:
        try:
            async with asyncio.timeout(STORE_CHECK_S):
                await self._kv.get(b"/registry/health")
        except (KvClusterError, OSError, TimeoutError):
            return False
        return True

    def in_process_transport(self) -> InProcessTransport:
        """For clients in this process. Raises ServiceUnavailable before the start."""
        if self._pipeline is None:
            raise service_unavailable("the API server is not started")
        return InProcessTransport(self._pipeline)

    async def stop(self) -> None:
        """Watches end, connections close. Safe to call twice, and after a start that failed."""
        if self._compaction is not None:
            self._compaction.cancel()
            await asyncio.wait({self._compaction})
            self._compaction = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._registry.stop()
        if self._web is not None:
            await self._web.shutdown(SHUTDOWN_S)
            self._web = None


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listening
