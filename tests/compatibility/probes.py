"""Questions to a running API server: is this resource, verb, subresource or option really there?

Every answer comes from a request that was made, in process. A probe answers YES, NO, or a text that says what is missing.
What Kubernetes 1.36 serves is the yardstick: resources.json of apiserver/kinds, not our own catalog.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from apiserver.config import ApiServerConfig
from apiserver.server import ApiServer, InProcessTransport
from kvcluster import Cluster

YES, NO = "yes", "no"
PATIENCE_S = 10
Object = dict[str, Any]

HERE = Path(__file__).parent
OBJECTS = [json.loads(line) for line in (HERE / "objects.jsonl").read_text().splitlines()]
BODIES = {(obj["apiVersion"], obj["kind"]): obj for obj in OBJECTS}

JSON = "application/json"
PROTOBUF = "application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
LABEL = {"probe": "yes"}


class Reply(NamedTuple):
    status: int
    type: str
    body: Object

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300


class Served:
    """One resource as Kubernetes lists it, and where its objects are."""

    def __init__(self, name: str, entry: Object) -> None:
        """name: "apps/v1 deployments"."""
        self.api_version, _, self.plural = name.partition(" ")
        self.kind: str = entry["kind"]
        self.verbs: tuple[str, ...] = tuple(entry["verbs"])
        self.namespaced: bool = entry.get("namespaced", False)
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        self.collection = f"{root}/namespaces/default/{self.plural}" if self.namespaced else f"{root}/{self.plural}"

    def body(self) -> Object | None:
        found = BODIES.get((self.api_version, self.kind))
        if found is None:
            return None
        return {**found, "metadata": {**found.get("metadata", {}), "labels": LABEL}}


class Prober:
    """Asks one server."""

    def __init__(self, transport: InProcessTransport) -> None:
        self._transport = transport

    async def ask(
        self, method: str, path: str, body: Any = None, accept: str = JSON, type: str = JSON, **query: str
    ) -> Reply:
        payload = b"" if body is None else json.dumps(body).encode()
        headers = [("Accept", accept), ("User-Agent", "probe/1")]
        if body is not None:
            headers.append(("Content-Type", type))
        answer = await self._transport.request(method, path, query=query.items(), headers=headers, body=payload)
        content = answer.headers.get("Content-Type", "")
        try:
            decoded = json.loads(answer.body)
        except ValueError:
            decoded = {}
        return Reply(answer.status, content, decoded if isinstance(decoded, dict) else {"value": decoded})

    async def events(self, path: str, count: int, accept: str = JSON, **query: str) -> list[Object]:
        """The first `count` events of a watch."""
        stream = await self._transport.stream(
            "GET", path, query={"watch": "1", **query}.items(), headers=[("Accept", accept)]
        )
        seen: list[Object] = []
        if stream.status != 200:
            return seen
        try:
            async with asyncio.timeout(PATIENCE_S):
                async for line in stream:
                    seen.append(json.loads(line))
                    if len(seen) == count:
                        break
        finally:
            await stream.close()
        return seen

    # ---- resources ----

    async def verbs(self, served: Served) -> dict[str, str]:
        """verb → YES or NO, for each that Kubernetes has. Leaves nothing behind."""
        body = served.body()
        if set(served.verbs) == {"create"}:
            return {"create": await self._question(served)}
        found = {}
        item = f"{served.collection}/{body['metadata']['name'] if body else 'nobody'}"
        if "create" in served.verbs:
            made = await self.ask("POST", served.collection, body)
            found["create"] = _yes(made.status == 201) if made.status != 409 else YES
        if "get" in served.verbs:
            found["get"] = _yes((await self.ask("GET", item)).is_ok or body is None)
        if "list" in served.verbs:
            listed = await self.ask("GET", served.collection)
            found["list"] = _yes(listed.body.get("kind") == f"{served.kind}List")
        if "watch" in served.verbs:
            events = await self.events(served.collection, 1, resourceVersion="0", labelSelector="probe=yes")
            found["watch"] = _yes(bool(events) and events[0]["type"] == "ADDED")
        if "update" in served.verbs:
            current = (await self.ask("GET", item)).body
            current.setdefault("metadata", {})["annotations"] = {"updated": "yes"}
            found["update"] = _yes((await self.ask("PUT", item, current)).is_ok)
        if "patch" in served.verbs:
            found["patch"] = await self._patches(served, item)
        if "delete" in served.verbs:
            dry = await self.ask("DELETE", item, dryRun="All")
            found["delete"] = _yes(dry.is_ok and (await self.ask("DELETE", item)).is_ok)
        if "deletecollection" in served.verbs:
            gone = await self.ask("DELETE", served.collection, labelSelector="probe=yes")
            found["deletecollection"] = _yes(gone.is_ok)
        return found

    async def _question(self, served: Served) -> str:
        """What is answered and never stored: a review, or a binding of a pod, which must be there."""
        pods = "/api/v1/namespaces/default/pods"
        await self.ask("POST", pods, BODIES["v1", "Pod"])
        found = BODIES[served.api_version, served.kind]
        metadata = found.get("metadata", {}) if served.kind == "Binding" else {}
        answer = await self.ask("POST", served.collection, {**found, "metadata": metadata})
        await self.ask("DELETE", f"{pods}/x", gracePeriodSeconds="0")
        return _yes(answer.is_ok)

    async def _patches(self, served: Served, item: str) -> str:
        patch = {"metadata": {"annotations": {"patched": "yes"}}}
        apply = {"apiVersion": served.api_version, "kind": served.kind, **patch}
        operations = [{"op": "add", "path": "/metadata/annotations/json", "value": "yes"}]
        attempts = {
            "merge": ("application/merge-patch+json", patch, {}),
            "strategic": ("application/strategic-merge-patch+json", patch, {}),
            "json": ("application/json-patch+json", operations, {}),
            "apply": ("application/apply-patch+yaml", apply, {"fieldManager": "probe"}),
        }
        failed = []
        for name, (type, body, query) in attempts.items():
            if not (await self.ask("PATCH", item, body, type=type, **query)).is_ok:
                failed.append(name)
        return YES if not failed else NO if len(failed) == len(attempts) else f"not {', '.join(failed)}"

    async def forms(self, served: Served) -> dict[str, str]:
        """Table, metadata only and protobuf of a list."""
        if "list" not in served.verbs:
            return {}
        found = {}
        table = await self.ask("GET", served.collection, accept=TABLE)
        found["table"] = _yes(table.body.get("kind") == "Table")
        partial = await self.ask("GET", served.collection, accept=f"{PARTIAL.replace('Metadata;', 'MetadataList;')}")
        found["metadata"] = _yes(partial.body.get("kind") == "PartialObjectMetadataList")
        protobuf = await self.ask("GET", served.collection, accept=f"{PROTOBUF},{JSON}")
        found["protobuf"] = _yes(protobuf.type.startswith(PROTOBUF))
        return found

    # ---- subresources ----

    async def subresource(self, served: Served, name: str, verbs: tuple[str, ...]) -> dict[str, str]:
        """verb → YES or NO. `served` is the parent, and exists."""
        body = served.body() or {}
        item = f"{served.collection}/{body['metadata']['name']}"
        await self.ask("POST", served.collection, body)
        path, found = f"{item}/{name}", {}
        for verb in verbs:
            found[verb] = _yes(await _SUBRESOURCE_PROBES.get(name, _as_object)(self, item, path, verb))
        await self.ask("DELETE", item, gracePeriodSeconds="0")
        return found


def _yes(is_so: bool) -> str:
    return YES if is_so else NO


_SubresourceProbe = Callable[[Prober, str, str, str], Awaitable[bool]]


async def _as_object(prober: Prober, item: str, path: str, verb: str) -> bool:
    """The subresource is read and written as the object is: status, scale, approval, resize, …"""
    current = await prober.ask("GET", path)
    if not current.is_ok:
        current = await prober.ask("GET", item)
    if verb == "get":
        return (await prober.ask("GET", path)).is_ok
    if verb == "update":
        return (await prober.ask("PUT", path, current.body)).is_ok
    patch = {"metadata": {"annotations": {"sub": "yes"}}}
    return (await prober.ask("PATCH", path, patch, type="application/merge-patch+json")).is_ok


async def _post(prober: Prober, path: str, body: Object) -> bool:
    return (await prober.ask("POST", path, body)).is_ok


async def _binding(prober: Prober, item: str, path: str, verb: str) -> bool:
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "x"}, "target": {"kind": "Node", "name": "n"}}
    return await _post(prober, path, body)


async def _eviction(prober: Prober, item: str, path: str, verb: str) -> bool:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "x", "namespace": "default"}}
    return (await prober.ask("POST", path, body, dryRun="All")).is_ok


async def _token(prober: Prober, item: str, path: str, verb: str) -> bool:
    return await _post(prober, path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})


async def _log(prober: Prober, item: str, path: str, verb: str) -> bool:
    """There is no node here: that the server looks for one and says so is enough. What it reads is in the clients' tests."""
    answer = await prober.ask("GET", path)
    return answer.is_ok or answer.body.get("reason") == "BadRequest"


async def _absent(prober: Prober, item: str, path: str, verb: str) -> bool:
    """Streams and proxies: refused."""
    return (await prober.ask("GET", path)).is_ok


_SUBRESOURCE_PROBES: dict[str, _SubresourceProbe] = {
    "binding": _binding,
    "eviction": _eviction,
    "token": _token,
    "log": _log,
    "exec": _absent,
    "attach": _absent,
    "portforward": _absent,
    "proxy": _absent,
}


async def with_server(work: Callable[[Prober], Awaitable[None]]) -> None:
    """A server of its own, without controllers, which would move what is looked at."""
    async with Cluster(members=1) as store:
        server = ApiServer(ApiServerConfig(seed=1), store.client())
        await server.start()
        try:
            await work(Prober(server.in_process_transport()))
        finally:
            await server.stop()
