"""An API server on an embedded store, and a definition that has a bit of everything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from apiserver.config import ApiServerConfig
from apiserver.server import ApiServer
from kvcluster import Cluster

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/ex.io/v1/namespaces/default/widgets"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"

SPEC = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "default": 1, "minimum": 0, "maximum": 9},
        "color": {"type": "string"},
        "parts": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "count": {"type": "integer", "default": 1}},
            },
        },
    },
}
STATUS = {
    "type": "object",
    "properties": {
        "size": {"type": "integer"},
        "selector": {"type": "string"},
        "conditions": {"type": "array", "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    },
}


def version(name: str = "v1", *, storage: bool = True, **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}, **more}


def definition(*versions: dict[str, Any], plural: str = "widgets", group: str = "ex.io", **spec: Any) -> dict[str, Any]:
    names = {"plural": plural, "kind": plural[:-1].title(), **spec.pop("names", {})}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group, "scope": "Namespaced", "names": names, "versions": list(versions) or [version()], **spec
        },
    }  # fmt: skip


def widget(name: str = "a", version: str = "v1", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"ex.io/{version}", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


class Api:
    """Calls to one server. Every call answers (status, body)."""

    def __init__(self, session: aiohttp.ClientSession, server: ApiServer) -> None:
        self.session = session
        self.server = server
        self.warnings: list[str] = []

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            named.setdefault("Content-Type", "application/json")
            body = json.dumps(body).encode()
        async with self.session.request(method, self.server.url + path, data=body, headers=named) as answer:
            raw = await answer.read()
            self.warnings = answer.headers.getall("Warning", [])
            try:
                return answer.status, json.loads(raw)
            except ValueError:
                return answer.status, raw.decode("utf-8", "replace")

    async def get(self, path: str, **headers: str) -> Any:
        status, body = await self.call("GET", path, **headers)
        assert status == 200, body
        return body

    async def create(self, path: str, body: Any) -> Any:
        status, made = await self.call("POST", path, body)
        assert status == 201, made
        return made

    async def patch(self, path: str, body: Any, media: str = MERGE) -> Any:
        status, made = await self.call("PATCH", path, body, Content_Type=media)
        assert status == 200, made
        return made

    async def declare(self, body: Any) -> Any:
        """Creates a definition and waits until it is established."""
        await self.create(CRDS, body)
        return await self.until(body["metadata"]["name"], lambda crd: condition(crd, "Established") == "True")

    async def until(self, name: str, holds: Callable[[Any], bool]) -> Any:
        """The definition, once something holds of it; None stands for one that is gone."""
        selector = f"fieldSelector=metadata.name%3D{name}"
        listed = await self.get(f"{CRDS}?{selector}")
        seen = listed["items"][0] if listed["items"] else None
        if holds(seen):
            return seen
        version = listed["metadata"]["resourceVersion"]
        url = f"{self.server.url}{CRDS}?watch=1&{selector}&resourceVersion={version}"
        async with asyncio.timeout(20), self.session.get(url) as answer:
            async for line in answer.content:
                event = json.loads(line)
                seen = None if event["type"] == "DELETED" else event["object"]
                if holds(seen):
                    return seen
        raise AssertionError("the watch ended")


async def eventually(probe: Callable[[], Awaitable[Any]]) -> None:
    """Asks until the answer is yes: for what no event tells."""
    async with asyncio.timeout(20):
        while True:
            if await probe():
                return
            await asyncio.sleep(0)


def condition(crd: Any, type: str) -> str:
    found = (crd or {}).get("status", {}).get("conditions") or ()
    return next((each["status"] for each in found if each["type"] == type), "")


@pytest.fixture
async def store() -> AsyncIterator[Cluster]:
    async with Cluster(members=1) as cluster:
        yield cluster


@pytest.fixture
async def api(store: Cluster) -> AsyncIterator[Api]:
    server = ApiServer(ApiServerConfig(), store.client())
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Api(session, server)
    finally:
        await server.stop()
