"""Controllers, nodes and a handful of lines that bind pods, together: what a user sees of a cluster.

Each test runs on the double and on the real API server over the embedded store, in process, with the event loop's own
clock. Nothing is polled: `until` lists and watches.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable

import pytest

from apiserver.client import Client, InformerFactory, LoopClock
from apiserver.controllers import ControllerManager
from apiserver.errors import StatusError
from apiserver.nodes import Fleet

LABELS = {"app": "web"}
DEADLINE_S = 30.0


def _has_server() -> bool:
    return bool(importlib.util.find_spec("apiserver.server") and importlib.util.find_spec("kvcluster.cluster"))


@pytest.fixture(params=["double", "server"])
async def client(request, api) -> AsyncIterator[Client]:
    if request.param == "double":
        client = Client(api)
        for name in ("default", "kube-node-lease"):
            await client.create("namespaces", {"kind": "Namespace", "metadata": {"name": name}})
        yield client
        return
    if not _has_server():
        pytest.skip("the API server is not there yet")
    cluster = importlib.import_module("kvcluster.cluster").Cluster(members=1)
    server = None
    await cluster.start()
    try:
        config = importlib.import_module("apiserver.config").ApiServerConfig(port=0)
        server = importlib.import_module("apiserver.server").ApiServer(config, cluster.client())
        await server.start()
        yield Client(server.in_process_transport())
    finally:
        if server is not None:
            await server.stop()
        await cluster.stop()


async def bind_pods(client: Client) -> None:
    """The smallest scheduler there is: every pod goes to node-0 or node-1, in turn."""
    waiting: asyncio.Queue[dict] = asyncio.Queue()
    async with InformerFactory(client) as informers:
        informers.informer("pods").add_handler(on_add=waiting.put_nowait)
        turn = 0
        while True:
            pod = await waiting.get()
            if pod["spec"].get("nodeName") or pod["metadata"].get("deletionTimestamp"):
                continue
            try:
                await client.bind(pod["metadata"]["name"], pod["metadata"]["namespace"], f"node-{turn % 2}")
                turn += 1
            except StatusError as error:
                assert error.reason in ("NotFound", "Conflict")


@pytest.fixture
async def cluster(client) -> AsyncIterator[Client]:
    fleet = Fleet(client, 2)
    manager = ControllerManager(client, LoopClock())
    tasks = [asyncio.create_task(part) for part in (fleet.run(), manager.run(), bind_pods(client))]
    async with asyncio.timeout(DEADLINE_S):
        await fleet.registered.wait()
    yield client
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results), results


async def until(
    client: Client, resource: str, holds: Callable[[list[dict]], bool], namespace: str | None = None
) -> None:
    """Returns when the condition holds of the objects of a resource."""
    async with asyncio.timeout(DEADLINE_S):
        items, version = await client.list_all(resource, namespace)
        known = {item["metadata"]["uid"]: item for item in items}
        stream = await client.watch(resource, namespace, resource_version=version)
        try:
            if holds(list(known.values())):
                return
            async for event in stream:
                if event.type == "BOOKMARK":
                    continue
                known[event.object["metadata"]["uid"]] = event.object
                if event.type == "DELETED":
                    del known[event.object["metadata"]["uid"]]
                if holds(list(known.values())):
                    return
        finally:
            await stream.close()


def deployment(replicas: int, namespace: str = "default") -> dict:
    containers = [{"name": "web", "image": "web:1"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": {"containers": containers}},
        },
    }


def is_ready(pod: dict) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def running(count: int, image: str = "web:1") -> Callable[[list[dict]], bool]:
    def holds(pods: list[dict]) -> bool:
        ours = [pod for pod in pods if pod["metadata"].get("labels", {}).get("app") == "web"]
        good = [pod for pod in ours if is_ready(pod) and pod["spec"]["containers"][0]["image"] == image]
        return len(ours) == len(good) == count

    return holds


def finished(replicas: int) -> Callable[[list[dict]], bool]:
    def holds(deployments: list[dict]) -> bool:
        (current,) = deployments
        status = current.get("status") or {}
        counts = [status.get(field) for field in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")]
        return status.get("observedGeneration") == current["metadata"]["generation"] and counts == [replicas] * 4

    return holds


async def test_a_deployment_lives(cluster):
    await cluster.create("apps/v1/deployments", deployment(3))
    await until(cluster, "pods", running(3))
    await cluster.patch("apps/v1/deployments", "web", {"spec": {"replicas": 10}}, "default")
    await until(cluster, "pods", running(10))
    await until(cluster, "apps/v1/deployments", finished(10))
    template = {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}
    await cluster.patch(
        "apps/v1/deployments", "web", {"spec": {"template": template}}, "default", patch_type="strategic"
    )
    await until(cluster, "apps/v1/deployments", finished(10))
    await until(cluster, "pods", running(10, "web:2"))
    await cluster.patch("apps/v1/deployments", "web", {"spec": {"replicas": 2}}, "default")
    await until(cluster, "pods", running(2, "web:2"))
    addresses = [pod["status"]["podIP"] for pod in (await cluster.list_all("pods"))[0]]
    assert len(set(addresses)) == 2


async def test_a_deleted_deployment_takes_everything_with_it(cluster):
    await cluster.create("apps/v1/deployments", deployment(3))
    await until(cluster, "pods", running(3))
    await cluster.delete("apps/v1/deployments", "web", "default")
    await until(cluster, "pods", lambda pods: not pods)
    await until(cluster, "apps/v1/replicasets", lambda sets: not sets)


async def test_a_deleted_namespace_is_emptied_and_goes(cluster):
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
    await cluster.create("namespaces", namespace)
    await until(cluster, "serviceaccounts", lambda found: bool(found), "team")
    await cluster.create("apps/v1/deployments", deployment(3, "team"))
    await until(cluster, "pods", running(3), "team")
    await cluster.delete("namespaces", "team")
    await until(cluster, "namespaces", lambda found: "team" not in [n["metadata"]["name"] for n in found])
    for resource in ("pods", "apps/v1/deployments", "apps/v1/replicasets", "configmaps", "serviceaccounts"):
        assert not (await cluster.list_all(resource, "team"))[0], resource


async def test_a_service_finds_its_pods(cluster):
    spec = {"selector": LABELS, "ports": [{"port": 80, "targetPort": 8080}]}
    metadata = {"name": "web", "namespace": "default"}
    await cluster.create("services", {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    await cluster.create("apps/v1/deployments", deployment(3))

    def serves_three(slices: list[dict]) -> bool:
        ours = [s for s in slices if s["metadata"].get("labels", {}).get("kubernetes.io/service-name") == "web"]
        return sum(e["conditions"]["ready"] for s in ours for e in s.get("endpoints") or []) == 3

    await until(cluster, "discovery.k8s.io/v1/endpointslices", serves_three, "default")
