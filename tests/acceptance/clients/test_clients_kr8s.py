"""kr8s: discovery by hand, watches by lines, and waiting for conditions."""

from __future__ import annotations

import asyncio

import kr8s
import pytest
from kr8s.asyncio.objects import ConfigMap, Deployment, Pod, new_class

from tests.acceptance.clients.conftest import SHIRT, config_map, pod

PATIENCE_S = 60


@pytest.fixture
async def api(cluster, kubeconfig):
    return await kr8s.asyncio.api(kubeconfig=kubeconfig)


async def test_objects_patches_and_scaling(api):
    version = await api.version()
    assert version["gitVersion"].startswith("v1.36")
    made = await ConfigMap(config_map("c", a="1"), api=api)
    await made.create()
    await made.patch({"data": {"b": "2"}})
    assert made.data == {"a": "1", "b": "2"}
    await made.label({"tier": "front"})
    found = [each async for each in api.get("configmaps", namespace="default", label_selector="tier=front")]
    assert [each.name for each in found] == ["c"]
    await made.delete()
    assert not await made.exists()
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "d"}},
        "template": {"metadata": {"labels": {"app": "d"}}, "spec": pod("d")["spec"]},
    }
    deployment = await Deployment({"metadata": {"name": "d", "namespace": "default"}, "spec": spec}, api=api)
    await deployment.create()
    await deployment.scale(2)
    async with asyncio.timeout(PATIENCE_S):
        await deployment.wait("condition=Available")
    assert len(await deployment.pods()) == 2


async def test_a_pod_is_waited_for_and_its_log_read(api):
    talker = await Pod(pod("talker"), api=api)
    await talker.create()
    async with asyncio.timeout(PATIENCE_S):
        await talker.wait("condition=Ready")
        lines = [line async for line in talker.logs()]
    assert lines
    await talker.delete(grace_period=0)
    async with asyncio.timeout(PATIENCE_S):
        await talker.wait("delete")


async def test_a_watch_goes_on_after_the_server_forgot(forgetful, tmp_path):
    from apiserver.cluster import write_kubeconfig

    write_kubeconfig(tmp_path / "kubeconfig", forgetful.url)
    api = await kr8s.asyncio.api(kubeconfig=str(tmp_path / "kubeconfig"))
    await forgetful.client().create("configmaps", config_map("before"))
    seen: list[str] = []

    async def follow(until: str) -> None:
        async for _, obj in api.watch("configmaps", namespace="default"):
            seen.append(obj.name)
            if obj.name == until:
                return

    async with asyncio.timeout(PATIENCE_S):
        await follow("before")
        await forgetful.client().create("configmaps", config_map("a-unseen"))
        await forgetful.restart()
        await forgetful.client().create("configmaps", config_map("later"))
        await follow("later")
    assert {"a-unseen", "later"} <= set(seen)


async def test_custom_resources(api):
    from kr8s.asyncio.objects import CustomResourceDefinition

    definition = await CustomResourceDefinition(SHIRT, api=api)
    await definition.create()
    async with asyncio.timeout(PATIENCE_S):
        await definition.wait("condition=Established")
    Shirt = new_class("Shirt", "stable.example.com/v1", asyncio=True, namespaced=True)  # noqa: N806
    shirt = await Shirt({"metadata": {"name": "a", "namespace": "default"}, "spec": {"colour": "blue"}}, api=api)
    await shirt.create()
    assert shirt.spec.size == "M"
    await shirt.patch({"status": {"worn": 1}}, subresource="status")
    assert shirt.status.worn == 1
