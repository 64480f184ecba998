"""An API server on an embedded store, reached through its real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from apiserver.config import ApiServerConfig
from apiserver.server import ApiServer
from kvcluster import Cluster

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


class Http:
    """Requests and watches against one server."""

    def __init__(self, session: aiohttp.ClientSession, server: ApiServer, store: Cluster) -> None:
        self.session = session
        self.server = server
        self.store = store

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
        """(status, decoded body or text, headers)"""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            named.setdefault("Content-Type", "application/json")
        async with self.session.request(method, self.server.url + path, data=body, headers=named) as answer:
            raw = await answer.read()
            try:
                return answer.status, json.loads(raw), answer.headers
            except ValueError:
                return answer.status, raw.decode("utf-8", "replace"), answer.headers

    async def make(self, name: str, labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
        body = {"metadata": {"name": name, "labels": labels or {}}, "data": data}
        status, obj, _ = await self.call("POST", CONFIGMAPS, body)
        assert status == 201, obj
        return obj

    async def watch(self, query: str, path: str = CONFIGMAPS, **headers: str) -> Watch:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.session.get(f"{self.server.url}{path}?watch=1&{query}", headers=named)
        return Watch(answer)


class Watch:
    """An open watch: `next` is the next event."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.status = answer.status

    async def next(self) -> dict[str, Any]:
        line = await self.answer.content.readline()
        assert line, "the watch ended"
        return json.loads(line)

    async def names(self, count: int) -> list[tuple[str, str]]:
        """(type, object's name) of the next events."""
        events = [await self.next() for _ in range(count)]
        return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]

    async def ended(self) -> bool:
        return await self.answer.content.readline() == b""

    def close(self) -> None:
        self.answer.close()


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Cluster(members=1) as store:
        server = ApiServer(ApiServerConfig(), store.client())
        await server.start()
        try:
            timeout = aiohttp.ClientTimeout(total=30)
            async with aiohttp.ClientSession(timeout=timeout, auto_decompress=True) as session:
                yield Http(session, server, store)
        finally:
            await server.stop()
