"""The official Python client (`kubernetes`), in the same process, through the real socket."""

from __future__ import annotations

import asyncio
import threading

import kubernetes
import pytest

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "solo", "labels": {"app": "solo"}},
    "spec": {"containers": [{"name": "c", "image": "busybox"}]},
}


@pytest.fixture
async def api(open_cluster):
    async with open_cluster("one", nodes=1) as cluster:
        configuration = kubernetes.client.Configuration(host=cluster.url)
        with kubernetes.client.ApiClient(configuration) as client:
            yield client


async def test_create_list_read_and_delete(api: kubernetes.client.ApiClient):
    core = kubernetes.client.CoreV1Api(api)

    def work() -> None:
        created = core.create_namespaced_pod("default", POD)
        assert created.metadata.uid
        assert created.status.phase == "Pending"
        assert created.spec.service_account_name == "default"
        listed = core.list_namespaced_pod("default", label_selector="app=solo")
        assert [pod.metadata.name for pod in listed.items] == ["solo"]
        with pytest.raises(kubernetes.client.ApiException) as refused:
            core.create_namespaced_pod("default", POD)
        assert refused.value.status == 409
        core.delete_namespaced_pod("solo", "default", grace_period_seconds=0)
        with pytest.raises(kubernetes.client.ApiException) as missing:
            core.read_namespaced_pod("solo", "default")
        assert missing.value.status == 404

    await asyncio.to_thread(work)


async def test_a_watch_sees_a_pod_come_to_life(api: kubernetes.client.ApiClient):
    core = kubernetes.client.CoreV1Api(api)
    watching = threading.Event()

    def watch() -> list[tuple[str, str]]:
        start = core.list_namespaced_pod("default").metadata.resource_version
        stream = kubernetes.watch.Watch().stream(
            core.list_namespaced_pod, "default", resource_version=start, timeout_seconds=30
        )
        watching.set()
        seen = []
        for event in stream:
            seen.append((event["type"], event["object"].status.phase))
            if event["object"].status.phase == "Running":
                break
        return seen

    async with asyncio.timeout(60):
        seeing = asyncio.create_task(asyncio.to_thread(watch))
        await asyncio.to_thread(watching.wait)
        await asyncio.to_thread(core.create_namespaced_pod, "default", POD)
        seen = await seeing
    assert seen[0] == ("ADDED", "Pending")
    assert seen[-1] == ("MODIFIED", "Running")


async def test_deployments_and_dynamic_objects(api: kubernetes.client.ApiClient):
    apps = kubernetes.client.AppsV1Api(api)

    def work() -> None:
        deployment = {
            "metadata": {"name": "d"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "d"}},
                "template": {"metadata": {"labels": {"app": "d"}}, "spec": POD["spec"]},
            },
        }
        created = apps.create_namespaced_deployment("default", deployment)
        scaled = apps.patch_namespaced_deployment_scale("d", "default", {"spec": {"replicas": 3}})
        assert scaled.spec.replicas == 3
        dynamic = kubernetes.dynamic.DynamicClient(api)
        found = dynamic.resources.get(api_version="apps/v1", kind="Deployment").get(name="d", namespace="default")
        assert found.spec.replicas == 3
        assert found.metadata.generation > created.metadata.generation

    await asyncio.to_thread(work)


async def test_one_cluster_does_not_see_another(open_cluster):
    async with open_cluster("one", nodes=0) as one, open_cluster("one", nodes=0) as other:
        await one.client().create("configmaps", {"metadata": {"name": "mine", "namespace": "default"}})
        listed = await other.client().list("configmaps", "default")
        assert "mine" not in [item["metadata"]["name"] for item in listed["items"]]
