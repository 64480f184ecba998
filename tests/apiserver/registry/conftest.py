"""An API server in this process: requests in, statuses and objects out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from apiserver.config import ApiServerConfig
from apiserver.server import ApiServer
from kvcluster import Cluster

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


class Api:
    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self._transport = server.in_process_transport()
        self.headers: dict[str, str] = {}

    async def call(
        self, method: str, path: str, body: Any = None, *, type: str = "application/json", agent: str = "tester/1.0"
    ) -> tuple[int, Any]:
        """(status, decoded body)"""
        path, _, query = path.partition("?")
        pairs = [tuple(pair.split("=", 1)) for pair in query.split("&")] if query else []
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = [("content-type", type), ("user-agent", agent)]
        answer = await self._transport.request(method, path, query=pairs, headers=headers, body=raw)
        self.headers = {name.lower(): value for name, value in answer.headers.items()}
        try:
            return answer.status, json.loads(answer.body)
        except ValueError:
            return answer.status, answer.body.decode()

    async def ok(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        status, obj = await self.call(method, path, body, **more)
        assert status in (200, 201, 202), obj
        return obj

    async def apply(self, path: str, body: Any, manager: str = "one", more: str = "") -> tuple[int, Any]:
        return await self.call("PATCH", f"{path}?fieldManager={manager}{more}", body, type=APPLY)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with Cluster(members=1) as store:
        server = ApiServer(ApiServerConfig(seed=1), store.client())
        await server.start()
        yield Api(server)
        await server.stop()
