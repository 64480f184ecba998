"""pykube-ng: small, blocking, JSON all the way."""

from __future__ import annotations

import asyncio

import pykube
import pytest

from tests.acceptance.clients.conftest import SHIRT, config_map, pod


@pytest.fixture
def api(cluster, kubeconfig) -> pykube.HTTPClient:
    return pykube.HTTPClient(pykube.KubeConfig.from_file(kubeconfig))


async def test_objects_patches_and_logs(api):
    def work() -> None:
        made = pykube.ConfigMap(api, config_map("c", a="1"))
        made.create()
        made.patch({"data": {"b": "2"}})
        assert made.obj["data"] == {"a": "1", "b": "2"}
        made.labels["tier"] = "front"
        made.update()
        found = pykube.ConfigMap.objects(api, namespace="default").filter(selector={"tier": "front"})
        assert [each.name for each in found] == ["c"]
        made.delete()
        assert not made.exists()
        talker = pykube.Pod(api, pod("talker"))
        talker.create()
        for event in (
            pykube.Pod.objects(api, namespace="default").filter(field_selector={"metadata.name": "talker"}).watch()
        ):
            if event.object.ready:
                break
        assert talker.logs()
        assert pykube.Node.objects(api).get_by_name("node-0").name == "node-0"

    await asyncio.to_thread(work)


async def test_a_deployment_is_scaled(api):
    template = {"metadata": {"labels": {"app": "d"}}, "spec": pod("d")["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "d"}}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "default"}}

    def work() -> None:
        deployment = pykube.Deployment(api, {**body, "spec": spec})
        deployment.create()
        while True:
            try:
                deployment.reload()
                deployment.scale(2)
                break
            except (
                pykube.exceptions.HTTPError
            ) as error:  # it patches with the version it has seen; a controller may be quicker
                assert error.code == 409
        assert deployment.replicas == 2

    await asyncio.to_thread(work)


async def test_an_old_revision_is_gone(forgetful, tmp_path):
    from apiserver.cluster import write_kubeconfig

    write_kubeconfig(tmp_path / "kubeconfig", forgetful.url)
    api = pykube.HTTPClient(pykube.KubeConfig.from_file(str(tmp_path / "kubeconfig")))
    await forgetful.client().create("configmaps", config_map("before"))
    await forgetful.restart()
    await forgetful.client().create("configmaps", config_map("after"))

    def work() -> None:
        answer = api.get(
            url="configmaps", namespace="default", params={"watch": "true", "resourceVersion": "1"}, stream=True
        )
        assert '"code":410' in next(answer.iter_lines()).decode() if answer.ok else answer.status_code == 410
        names = {each.name for each in pykube.ConfigMap.objects(api, namespace="default")}
        assert {"before", "after"} <= names

    await asyncio.to_thread(work)


async def test_custom_resources(api, cluster):
    client = cluster.client()

    def work() -> None:
        pykube.CustomResourceDefinition(api, SHIRT).create()

    await asyncio.to_thread(work)
    async with asyncio.timeout(30):
        while True:
            found = await client.get("apiextensions.k8s.io/v1/customresourcedefinitions", "shirts.stable.example.com")
            conditions = (found.get("status") or {}).get("conditions") or ()
            if any(each["type"] == "Established" for each in conditions):
                break

    def more() -> None:
        Shirt = pykube.object_factory(api, "stable.example.com/v1", "Shirt")  # noqa: N806
        body = {
            "apiVersion": "stable.example.com/v1",
            "kind": "Shirt",
            "metadata": {"name": "a", "namespace": "default"},
        }
        shirt = Shirt(api, {**body, "spec": {"colour": "blue"}})
        shirt.create()
        assert shirt.obj["spec"] == {"colour": "blue", "size": "M"}

    await asyncio.to_thread(more)
