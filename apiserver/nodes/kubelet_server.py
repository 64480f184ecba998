"""The kubelet's API of a whole fleet, as far as it goes: health and the logs of containers, over plain HTTP.

    GET /healthz
    GET /containerLogs/NAMESPACE/POD/CONTAINER     with the query of PodLogOptions

One socket for all nodes, on the loopback. Each Node tells where it is: by the annotation URL_ANNOTATION (scheme, host and port,
which is what our API server goes by) and by status.daemonEndpoints.kubeletEndpoint.Port.
Source of the paths and texts: Kubernetes pkg/kubelet/server.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import aclosing

from aiohttp import web

from apiserver.client import Object
from apiserver.meta import parse_time
from apiserver.nodes.container_logs import ContainerLogs, LogQuery, LogRefusedError

URL_ANNOTATION = "nodes.kvcluster/kubelet-url"
HOST = "127.0.0.1"
SHUTDOWN_S = 0.2


class KubeletServer:
    """find_pod: by namespace and name, None where no node of the fleet has it."""

    def __init__(
        self, find_pod: Callable[[str, str], Object | None], logs: ContainerLogs, now_s: Callable[[], float]
    ) -> None:
        self._find_pod = find_pod
        self._logs = logs
        self._now_s = now_s
        self._listener: asyncio.Server | None = None
        self._web: web.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def start(self) -> None:
        listening = socket.socket()
        listening.bind((HOST, 0))
        listening.setblocking(False)
        self.port = listening.getsockname()[1]
        self._web = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._listener = await asyncio.get_running_loop().create_server(self._web, sock=listening)

    async def stop(self) -> None:
        """Safe to call twice."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._web is not None:
            await self._web.shutdown(SHUTDOWN_S)
            self._web = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = [part for part in request.path.split("/") if part]
        if parts == ["healthz"]:
            return web.Response(text="ok")
        if request.method != "GET" or len(parts) != 4 or parts[0] != "containerLogs":
            return web.Response(status=404, text="404 page not found\n")
        _, namespace, name, container = parts
        pod = self._find_pod(namespace, name)
        if pod is None:
            return web.Response(status=404, text=f'pod "{name}" does not exist\n')
        try:
            lines = self._logs.open(pod, container, read_query(request.query, self._now_s()))
        except LogRefusedError as error:
            return web.Response(status=error.status, text=error.text)
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        async with aclosing(lines):  # type: ignore[type-var]
            async for piece in lines:
                await response.write(piece)
        await response.write_eof()
        return response


def read_query(query: Mapping[str, str], now_s: float) -> LogQuery:
    """Raises ValueError for what is no number or no time."""
    since_s = 0.0
    if query.get("sinceSeconds"):
        since_s = now_s - int(query["sinceSeconds"])
    elif query.get("sinceTime"):
        since_s = parse_time(query["sinceTime"])
    return LogQuery(
        follow=query.get("follow") == "true",
        previous=query.get("previous") == "true",
        timestamps=query.get("timestamps") == "true",
        since_s=since_s,
        tail=int(query.get("tailLines") or -1),
        limit_bytes=int(query.get("limitBytes") or -1),
    )
