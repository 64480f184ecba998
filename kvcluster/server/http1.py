"""HTTP/1.1 on the client port: /health, /version, /metrics. The protocol is aiohttp's; this is only what is answered.

etcd.md 3.9. aiohttp is imported when the first such connection comes, so a server that only speaks gRPC never loads it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from kvcluster import pb
from kvcluster.errors import EtcdError, NoLeaderError, RequestTimeoutError
from kvcluster.rpc import CLUSTER_VERSION, SERVER_VERSION
from kvcluster.server.driver import Driver

HEALTH_TIMEOUT_S = 5.0


class Http1:
    """A factory of protocols, one per connection."""

    def __init__(self, driver: Driver, metrics: Callable[[], tuple[bytes, str]]) -> None:
        self._driver = driver
        self._metrics = metrics
        self._server: Any = None

    def __call__(self) -> asyncio.Protocol:
        if self._server is None:
            from aiohttp import web

            self._server = web.Server(self._handle, access_log=None)
        protocol: asyncio.Protocol = self._server()
        return protocol

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.shutdown(0.5)

    async def _handle(self, request: Any) -> Any:
        from aiohttp import web

        if request.path not in ("/health", "/version", "/metrics"):
            return web.Response(status=404, text="404 page not found\n")
        if request.method != "GET":
            return web.Response(status=405, text="Method Not Allowed\n", headers={"Allow": "GET"})
        if request.path == "/health":
            return await self._health(request.query.get("serializable") == "true", request.query.getall("exclude", []))
        if request.path == "/version":
            return web.json_response({"etcdserver": SERVER_VERSION, "etcdcluster": CLUSTER_VERSION})
        body, content_type = self._metrics()
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _health(self, serializable: bool, excluded: list[str]) -> Any:
        """excluded: alarms that do not count (`?exclude=NOSPACE`)."""
        from aiohttp import web

        for kind, _ in self._driver.member.applier.state.alarms:
            name = pb.AlarmType.Name(kind)
            if name not in excluded:
                return web.json_response({"health": "false", "reason": f"ALARM {name}"}, status=503)
        error = None if serializable else await self._check()
        if error is None:
            return web.json_response({"health": "true", "reason": ""})
        reason = "RAFT NO LEADER" if isinstance(error, NoLeaderError) else f"RANGE ERROR:{error}"
        return web.json_response({"health": "false", "reason": reason}, status=503)

    async def _check(self) -> EtcdError | None:
        """A linearizable read, as etcd's own health check does it."""
        member = self._driver.member
        if not member.leader:
            return NoLeaderError()
        answered: asyncio.Future[EtcdError | None] = asyncio.get_running_loop().create_future()
        member.read_barrier(lambda error: None if answered.done() else answered.set_result(error))
        self._driver.wake()
        try:
            return await asyncio.wait_for(answered, HEALTH_TIMEOUT_S)
        except TimeoutError:
            return RequestTimeoutError()
