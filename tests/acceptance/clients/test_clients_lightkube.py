"""lightkube: typed models, and server-side apply as the ordinary way to write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from lightkube import ApiError, AsyncClient, KubeConfig
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.apiextensions_v1 import CustomResourceDefinition as CrdModel
from lightkube.models.core_v1 import Container, PodSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import PatchType

from tests.acceptance.clients.conftest import SHIRT, pod

PATIENCE_S = 60
Shirt = create_namespaced_resource("stable.example.com", "v1", "Shirt", "shirts")


@pytest.fixture
async def client(cluster, kubeconfig) -> AsyncIterator[AsyncClient]:
    made = AsyncClient(config=KubeConfig.from_file(kubeconfig), field_manager="suite")
    yield made
    await made.close()


def config_map(name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data=data)


async def test_objects_and_patches(client):
    made = await client.create(config_map("c", a="1"))
    patched = await client.patch(ConfigMap, "c", {"data": {"b": "2"}}, patch_type=PatchType.MERGE)
    assert patched.data == {"a": "1", "b": "2"}
    with pytest.raises(ApiError) as stale:
        await client.replace(made)
    assert stale.value.status.reason == "Conflict"
    listed = [each.metadata.name async for each in client.list(ConfigMap, chunk_size=1)]
    assert "c" in listed
    await client.delete(ConfigMap, "c")
    with pytest.raises(ApiError) as missing:
        await client.get(ConfigMap, "c")
    assert missing.value.status.code == 404


async def test_apply_with_a_conflict(client):
    await client.apply(config_map("s", a="1"))
    with pytest.raises(ApiError) as conflict:
        await client.apply(config_map("s", a="2"), field_manager="other")
    assert conflict.value.status.code == 409
    assert conflict.value.status.details.causes[0].reason == "FieldManagerConflict"
    forced = await client.apply(config_map("s", a="2"), field_manager="other", force=True)
    assert forced.data == {"a": "2"}


async def test_a_pod_is_waited_for_and_its_log_read(client):
    spec = PodSpec(containers=[Container(name="main", image="busybox")])
    await client.create(Pod(metadata=ObjectMeta(name="p", namespace="default"), spec=spec))
    async with asyncio.timeout(PATIENCE_S):
        ready = await client.wait(Pod, "p", for_conditions=["Ready"])
    assert ready.status.podIP
    lines = [line async for line in client.log("p")]
    assert lines


async def test_scale_and_collections(client):
    template = {"metadata": {"labels": {"app": "d"}}, "spec": pod("d")["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "d"}}, "template": template}
    await client.create(Deployment.from_dict({"metadata": {"name": "d", "namespace": "default"}, "spec": spec}))
    scale = await client.get(Deployment.Scale, "d")
    assert scale.spec.replicas == 1
    await client.patch(Deployment.Scale, "d", {"spec": {"replicas": 2}})
    assert (await client.get(Deployment, "d")).spec.replicas == 2
    for name in ("x", "y"):
        made = config_map(name)
        made.metadata.labels = {"gone": "soon"}
        await client.create(made)
    await client.deletecollection(ConfigMap, labels={"gone": "soon"}) if _takes_labels(client) else None
    async with asyncio.timeout(PATIENCE_S):
        async for event, obj in client.watch(ConfigMap):
            assert event
            if obj.metadata.name:
                break


def _takes_labels(client: AsyncClient) -> bool:
    """Older releases delete whole collections only."""
    from inspect import signature

    return "labels" in signature(client.deletecollection).parameters


async def test_custom_resources(client):
    await client.create(CustomResourceDefinition.from_dict(SHIRT))
    async with asyncio.timeout(PATIENCE_S):
        await client.wait(CustomResourceDefinition, "shirts.stable.example.com", for_conditions=["Established"])
    made = await client.create(
        Shirt(metadata=ObjectMeta(name="a", namespace="default"), spec={"colour": "blue"}), namespace="default"
    )
    assert made.spec == {"colour": "blue", "size": "M"}
    applied = await client.apply(
        Shirt(
            apiVersion="stable.example.com/v1",
            kind="Shirt",
            metadata=ObjectMeta(name="b", namespace="default"),
            spec={"colour": "red"},
        )
    )
    assert applied.spec["size"] == "M"
    assert isinstance(await client.get(CustomResourceDefinition, "shirts.stable.example.com"), CrdModel)
