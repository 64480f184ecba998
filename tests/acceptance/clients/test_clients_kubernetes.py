"""`kubernetes`, the official Python client: blocking, so its stories run in threads beside the server's loop."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator

import kubernetes
import pytest
from kubernetes.informer import SharedInformer

from tests.acceptance.clients.conftest import SHIRT, config_map, pod

PATIENCE_S = 60


@pytest.fixture
def api(kubeconfig) -> Iterator[kubernetes.client.ApiClient]:
    with kubernetes.config.new_client_from_config(config_file=kubeconfig) as client:
        yield client


async def test_objects_and_patches(api):
    core = kubernetes.client.CoreV1Api(api)

    def work() -> None:
        made = core.create_namespaced_config_map("default", config_map("c", a="1"))
        assert made.metadata.managed_fields[0].operation == "Update"
        merged = core.patch_namespaced_config_map("c", "default", {"data": {"b": "2"}})
        assert merged.data == {"a": "1", "b": "2"}
        patched = core.patch_namespaced_config_map("c", "default", [{"op": "remove", "path": "/data/a"}])
        assert patched.data == {"b": "2"}
        made.data = {"late": "1"}
        with pytest.raises(kubernetes.client.ApiException) as stale:
            core.replace_namespaced_config_map("c", "default", made)
        assert (stale.value.status, stale.value.reason) == (409, "Conflict")
        page = core.list_namespaced_config_map("default", limit=1)
        assert page.metadata._continue
        rest = core.list_namespaced_config_map("default", limit=10, _continue=page.metadata._continue)
        names = [item.metadata.name for item in page.items + rest.items]
        assert names == sorted(names)
        assert "c" in names
        status = core.delete_namespaced_config_map("c", "default")
        assert status["status"] == "Success"  # the library takes the Status for the object it deletes, and leaves it a dict

    await asyncio.to_thread(work)


async def test_every_kind_of_a_manifest_is_created(api):
    def work() -> None:
        kubernetes.utils.create_from_dict(api, pod("from-dict"))
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "j"},
            "spec": {
                "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}]}}
            },
        }
        kubernetes.utils.create_from_dict(api, job)
        batch = kubernetes.client.BatchV1Api(api)
        for event in kubernetes.watch.Watch().stream(batch.list_namespaced_job, "default", timeout_seconds=PATIENCE_S):
            if event["object"].status.succeeded:
                break
        else:
            raise AssertionError("the job was never done")
        events = kubernetes.client.CoreV1Api(api).list_namespaced_event("default")
        assert any(event.involved_object.kind == "Job" for event in events.items)

    await asyncio.to_thread(work)


async def test_apply_with_a_conflict(api):
    def work() -> None:
        dynamic = kubernetes.dynamic.DynamicClient(api)
        maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")
        maps.server_side_apply(config_map("s", a="1"), namespace="default", field_manager="one")
        with pytest.raises(kubernetes.dynamic.exceptions.ConflictError) as conflict:
            maps.server_side_apply(config_map("s", a="2"), namespace="default", field_manager="two")
        assert 'conflict with "one": .data.a' in conflict.value.summary()
        forced = maps.server_side_apply(
            config_map("s", a="2"), namespace="default", field_manager="two", force_conflicts=True
        )
        assert forced.data.a == "2"

    await asyncio.to_thread(work)


async def test_an_informer_survives_410(forgetful):
    heard: queue.Queue[tuple[str, str]] = queue.Queue()
    configuration = kubernetes.client.Configuration(host=forgetful.url)
    with kubernetes.client.ApiClient(configuration) as api:
        core = kubernetes.client.CoreV1Api(api)
        informer = SharedInformer(core.list_namespaced_config_map, namespace="default", resync_period=1)
        for kind in ("ADDED", "MODIFIED", "DELETED"):
            informer.add_event_handler(
                kind, lambda obj, kind=kind: heard.put((kind, getattr(obj, "metadata", obj).name))
            )

        async def until(wanted: tuple[str, str]) -> None:
            async with asyncio.timeout(PATIENCE_S):
                while await asyncio.to_thread(heard.get, True, PATIENCE_S) != wanted:
                    pass

        await forgetful.client().create("configmaps", config_map("before"))
        informer.start()
        try:
            await until(("ADDED", "before"))
            client = forgetful.client()
            await client.create("configmaps", config_map("unseen"))
            await forgetful.restart()
            await forgetful.client().create("configmaps", config_map("after"))
            await until(("ADDED", "after"))
            keys = set(await asyncio.to_thread(informer.cache.list_keys))
            assert {"default/before", "default/unseen", "default/after"} <= keys
        finally:
            await asyncio.to_thread(informer.stop)  # waits for the watch to end, which is why it asks anew each second


async def test_custom_resources(api):
    def work() -> None:
        extensions = kubernetes.client.ApiextensionsV1Api(api)
        extensions.create_custom_resource_definition(SHIRT)
        for event in kubernetes.watch.Watch().stream(
            extensions.list_custom_resource_definition, timeout_seconds=PATIENCE_S
        ):
            conditions = event["object"].status.conditions or []
            if any(each.type == "Established" and each.status == "True" for each in conditions):
                break
        shirts = kubernetes.client.CustomObjectsApi(api)
        where = ("stable.example.com", "v1", "default", "shirts")
        body = {"apiVersion": "stable.example.com/v1", "kind": "Shirt", "metadata": {"name": "a"}}
        made = shirts.create_namespaced_custom_object(*where, {**body, "spec": {"colour": "blue"}})
        assert made["spec"] == {"colour": "blue", "size": "M"}
        patched = shirts.patch_namespaced_custom_object(*where, "a", {"spec": {"count": 2}})
        assert patched["metadata"]["generation"] == 2
        status = shirts.patch_namespaced_custom_object_status(*where, "a", {"status": {"worn": 1}})
        assert status["status"] == {"worn": 1}
        with pytest.raises(kubernetes.client.ApiException) as refused:
            shirts.create_namespaced_custom_object(*where, {**body, "spec": {"colour": "pink"}})
        assert refused.value.status == 422
        shirts.delete_namespaced_custom_object(*where, "a")
        assert shirts.list_namespaced_custom_object(*where)["items"] == []

    await asyncio.to_thread(work)


async def test_logs_eviction_and_versions(api):
    core = kubernetes.client.CoreV1Api(api)

    def work() -> None:
        core.create_namespaced_pod("default", pod("talker"))
        for event in kubernetes.watch.Watch().stream(
            core.list_namespaced_pod, "default", field_selector="metadata.name=talker", timeout_seconds=PATIENCE_S
        ):
            if event["object"].status.phase == "Running":
                break
        assert core.read_namespaced_pod_log("talker", "default")
        core.create_namespaced_pod_eviction(
            "talker", "default", kubernetes.client.V1Eviction(metadata={"name": "talker", "namespace": "default"})
        )
        assert kubernetes.client.VersionApi(api).get_code().git_version.startswith("v1.36")
        groups = {group.name for group in kubernetes.client.ApisApi(api).get_api_versions().groups}
        assert {"apps", "batch", "policy", "apiextensions.k8s.io"} <= groups

    await asyncio.to_thread(work)
