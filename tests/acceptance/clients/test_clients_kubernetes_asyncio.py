"""`kubernetes_asyncio`: the official client's asyncio sibling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from kubernetes_asyncio import client as k
from kubernetes_asyncio import config, watch
from kubernetes_asyncio.dynamic import DynamicClient

from tests.acceptance.clients.conftest import SHIRT, config_map, pod

PATIENCE_S = 60


@pytest.fixture
async def api(kubeconfig) -> AsyncIterator[k.ApiClient]:
    async with await config.new_client_from_config(config_file=kubeconfig) as client:
        yield client


async def test_objects_and_patches(api):
    core = k.CoreV1Api(api)
    made = await core.create_namespaced_config_map("default", config_map("c", a="1"))
    assert made.metadata.uid
    merged = await core.patch_namespaced_config_map("c", "default", {"data": {"b": "2"}})
    assert merged.data == {"a": "1", "b": "2"}
    with pytest.raises(k.ApiException) as stale:
        await core.replace_namespaced_config_map("c", "default", made)
    assert stale.value.status == 409
    with pytest.raises(k.ApiException) as missing:
        await core.read_namespaced_config_map("nothing", "default")
    assert missing.value.status == 404
    assert (await core.delete_namespaced_config_map("c", "default")).status == "Success"


async def test_a_watch_sees_a_pod_come_to_life(api):
    core = k.CoreV1Api(api)
    phases = []
    async with asyncio.timeout(PATIENCE_S), watch.Watch() as stream:
        await core.create_namespaced_pod("default", pod("p"))
        async for event in stream.stream(core.list_namespaced_pod, "default", timeout_seconds=PATIENCE_S):
            phases.append(event["object"].status.phase)
            if phases[-1] == "Running":
                break
    assert phases[-1] == "Running"
    assert await core.read_namespaced_pod_log("p", "default")


async def test_a_watch_goes_on_after_410(forgetful):
    async with k.ApiClient(k.Configuration(host=forgetful.url)) as api:
        core = k.CoreV1Api(api)
        listed = await core.list_namespaced_config_map("default")
        old = listed.metadata.resource_version
        await forgetful.client().create("configmaps", config_map("unseen"))
        await forgetful.restart()
        await forgetful.client().create("configmaps", config_map("after"))
        with pytest.raises(k.ApiException) as expired:
            async with asyncio.timeout(PATIENCE_S), watch.Watch() as stream:
                async for _ in stream.stream(
                    core.list_namespaced_config_map, "default", resource_version=old, timeout_seconds=10
                ):
                    pass
        assert expired.value.status == 410
        names = [item.metadata.name for item in (await core.list_namespaced_config_map("default")).items]
        assert {"unseen", "after"} <= set(names)


async def test_apply_with_a_conflict(api):
    core = k.CoreV1Api(api)

    async def apply(value: str, manager: str, **more: bool) -> k.V1ConfigMap:
        body = config_map("s", a=value)
        return await core.patch_namespaced_config_map(
            "s", "default", body, field_manager=manager, _content_type="application/apply-patch+yaml", **more
        )

    await apply("1", "one")
    with pytest.raises(k.ApiException) as conflict:
        await apply("2", "two")
    assert conflict.value.status == 409
    assert 'conflict with \\"one\\": .data.a' in conflict.value.body
    assert (await apply("2", "two", force=True)).data == {"a": "2"}
    dynamic = await DynamicClient(api)
    maps = await dynamic.resources.get(api_version="v1", kind="ConfigMap")
    assert (await maps.get(name="s", namespace="default")).data.a == "2"


async def test_custom_resources(api):
    await k.ApiextensionsV1Api(api).create_custom_resource_definition(SHIRT)
    shirts = k.CustomObjectsApi(api)
    where = ("stable.example.com", "v1", "default", "shirts")
    body = {
        "apiVersion": "stable.example.com/v1",
        "kind": "Shirt",
        "metadata": {"name": "a"},
        "spec": {"colour": "blue"},
    }
    async with asyncio.timeout(PATIENCE_S), watch.Watch() as stream:
        async for event in stream.stream(k.ApiextensionsV1Api(api).list_custom_resource_definition):
            if any(each.type == "Established" for each in event["object"].status.conditions or []):
                break
    made = await shirts.create_namespaced_custom_object(*where, body)
    assert made["spec"]["size"] == "M"
    merged = await shirts.patch_namespaced_custom_object(
        *where, "a", {"spec": {"size": "L"}}, _content_type="application/merge-patch+json"
    )
    assert merged["spec"] == {"colour": "blue", "size": "L"}
