"""HTTP/1.1 on the client port: who answers what. The protocol is aiohttp's.

    /v3/…                        gateway.py    the RPCs as JSON
    /health, /livez, /readyz     health.py
    /version, /metrics, /debug/vars

aiohttp, and what answers with it, is imported when the first such connection comes, so a server that only speaks gRPC never
loads it. --listen-metrics-urls serves the same without the gateway: `Http1(…, serves_gateway=False)`.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from kvcluster.rpc import CLUSTER_VERSION, SERVER_VERSION
from kvcluster.server.driver import Driver
from kvcluster.wire import Methods


class Http1Options(NamedTuple):
    """cors: origins that pages may ask from; host_whitelist: names that a plaintext request may have in Host ("*": any);
    serves_gateway: etcd's --enable-grpc-gateway."""

    cors: tuple[str, ...] = ("*",)
    host_whitelist: tuple[str, ...] = ("*",)
    serves_gateway: bool = True


class Http1:
    """A factory of protocols, one per connection. max_message_bytes: of a request of the gateway, as protobuf."""

    def __init__(
        self,
        driver: Driver,
        methods: Methods,
        metrics: Callable[[], tuple[bytes, str]],
        options: Http1Options = Http1Options(),  # noqa: B008 - an immutable value
        *,
        max_message_bytes: int = 2 * 1024 * 1024,
    ) -> None:
        self._driver = driver
        self._methods = methods
        self._metrics = metrics
        self._options = options
        self._max_message_bytes = max_message_bytes
        self._server: Any = None
        self._health: Any = None
        self._gateway: Any = None

    def without_gateway(self) -> Http1:
        """The same for another port, with nothing but probes and metrics."""
        options = self._options._replace(serves_gateway=False)
        return Http1(self._driver, self._methods, self._metrics, options, max_message_bytes=self._max_message_bytes)

    def __call__(self) -> asyncio.Protocol:
        if self._server is None:
            self._load()
        protocol: asyncio.Protocol = self._server()
        return protocol

    def _load(self) -> None:
        from aiohttp import web

        from kvcluster.server.gateway import Gateway
        from kvcluster.server.health import HealthChecks

        self._health = HealthChecks(self._driver)
        if self._options.serves_gateway:
            self._gateway = Gateway(self._driver, self._methods, self._max_message_bytes)
        self._server = web.Server(self._handle, access_log=None, handler_cancellation=True)

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.shutdown(0.5)

    async def _handle(self, request: Any) -> Any:
        from aiohttp import web

        from kvcluster.server.gateway import plain

        if not self._is_host_known(request):
            return plain(421, f'the Host "{request.host}" is not in --host-whitelist')
        cors = self._cors_headers(request)
        if request.method == "OPTIONS":
            return web.Response(headers=cors)
        path = request.path
        if self._gateway is not None and self._gateway.handles(path):
            response = await self._gateway.handle(request, cors)
        elif path != "/version" and path not in ("/metrics", "/debug/vars") and not self._health.handles(path):
            response = plain(404, "404 page not found")
        elif request.method != "GET":
            response = plain(405, "Method Not Allowed", {"Allow": "GET"})
        elif self._health.handles(path):
            response = await self._health.handle(request)
        else:
            response = self._facts(path)
        if not response.prepared:
            response.headers.update(cors)
        return response

    def _facts(self, path: str) -> Any:
        from aiohttp import web

        if path == "/version":
            versions = {"etcdserver": SERVER_VERSION, "etcdcluster": CLUSTER_VERSION, "storage": CLUSTER_VERSION}
            return web.Response(
                body=json.dumps(versions, separators=(",", ":")).encode(), content_type="application/json"
            )
        if path == "/metrics":
            body, content_type = self._metrics()
            return web.Response(body=body, headers={"Content-Type": content_type})
        return web.Response(
            text=json.dumps(self._variables(), indent=1), content_type="application/json", charset="utf-8"
        )

    def _variables(self) -> dict[str, Any]:
        """What etcd's /debug/vars has that exists here too."""
        member = self._driver.member
        return {
            "cmdline": sys.argv,
            "file_descriptor_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            "raft.status": {
                "id": f"{member.id:x}",
                "term": member.term,
                "commit": member.commit_index,
                "lead": f"{member.leader:x}",
                "raftState": f"State{member.role.name.capitalize()}",
                "applied": member.applied_index,
            },
        }

    def _is_host_known(self, request: Any) -> bool:
        """A page of another site could reach a server on localhost by a name of its own (DNS rebinding); TLS forbids it."""
        known = self._options.host_whitelist
        if "*" in known or request.secure:
            return True
        host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
        return host in known

    def _cors_headers(self, request: Any) -> dict[str, str]:
        origins = self._options.cors
        origin = "*" if "*" in origins else request.headers.get("Origin", "")
        if origin != "*" and origin not in origins:
            return {}
        return {
            "Access-Control-Allow-Methods": "POST, GET, OPTIONS, PUT, DELETE",
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Headers": "accept, content-type, authorization",
        }
