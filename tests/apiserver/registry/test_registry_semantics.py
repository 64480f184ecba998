"""What the verbs mean, on a real store, in process: identity, conflicts, grace, finalizers, subresources."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from apiserver.client import Client
from apiserver.config import ApiServerConfig
from apiserver.errors import StatusError
from apiserver.server import ApiServer
from kvcluster import Cluster


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with Cluster(members=1) as store:
        server = ApiServer(ApiServerConfig(seed=1), store.client())
        await server.start()
        yield Client(server.in_process_transport())
        await server.stop()


def configmap(name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default", **metadata}, "data": {}}


def pod(name: str, **spec: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "c", "image": "i"}], **spec}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


async def refused(awaitable: Any) -> StatusError:
    with pytest.raises(StatusError) as caught:
        await awaitable
    return caught.value


async def test_generated_names(client):
    obj = configmap("")
    obj["metadata"] = {"generateName": "web-", "namespace": "default"}
    names = {(await client.create("configmaps", obj))["metadata"]["name"] for _ in range(20)}
    assert len(names) == 20
    assert all(name.startswith("web-") and len(name) == 9 for name in names)


async def test_concurrent_patches_all_count(client):
    await client.create("configmaps", configmap("c"))
    patches = [client.patch("configmaps", "c", {"data": {f"k{n}": "v"}}, "default") for n in range(30)]
    await asyncio.gather(*patches)
    assert len((await client.get("configmaps", "c", "default"))["data"]) == 30


async def test_an_update_with_an_old_version_is_refused(client):
    old = await client.create("configmaps", configmap("c"))
    await client.patch("configmaps", "c", {"data": {"k": "1"}}, "default")
    assert (await refused(client.update("configmaps", {**old, "data": {"k": "2"}}))).reason == "Conflict"
    lease = {"metadata": {"name": "l", "namespace": "default"}, "spec": {"holderIdentity": "me"}}
    made = await client.create("coordination.k8s.io/v1/leases", lease)
    error = await refused(client.update("coordination.k8s.io/v1/leases", {**lease, "spec": {"holderIdentity": "you"}}))
    assert "metadata.resourceVersion: Invalid value" in error.message
    made["spec"]["holderIdentity"] = "you"
    await client.update("coordination.k8s.io/v1/leases", made)


async def test_immutable_metadata_stays(client):
    made = await client.create("configmaps", configmap("c"))
    changed = {**made, "metadata": {**made["metadata"], "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 7}}
    now = await client.update("configmaps", changed)
    assert now == made


async def test_status_belongs_to_the_status_subresource(client):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    deployment = {"metadata": {"name": "d", "namespace": "default"}, "spec": spec, "status": {"replicas": 7}}
    made = await client.create("apps/v1/deployments", deployment)
    assert "replicas" not in made.get("status", {})
    made["status"] = {"replicas": 3}
    kept = await client.update("apps/v1/deployments", made)
    assert "replicas" not in kept.get("status", {})
    kept["status"], kept["spec"]["replicas"] = {"replicas": 3}, 9
    told = await client.update_status("apps/v1/deployments", kept)
    assert told["status"]["replicas"] == 3
    assert told["spec"]["replicas"] == 1
    assert told["metadata"]["generation"] == 1
    scaled = await client.scale("apps/v1/deployments", "d", "default", 4)
    assert scaled["spec"]["replicas"] == 4
    assert (await client.get("apps/v1/deployments", "d", "default"))["metadata"]["generation"] == 2


async def test_a_running_pod_is_given_its_grace(client):
    await client.create("pods", pod("p", nodeName="n", terminationGracePeriodSeconds=20))
    marked = await client.delete("pods", "p", "default")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 20
    longer = await client.delete("pods", "p", "default", grace_period_s=60)
    assert longer["metadata"]["deletionGracePeriodSeconds"] == 20, "a second delete never lengthens it"
    shorter = await client.delete("pods", "p", "default", grace_period_s=5)
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 5
    await client.delete("pods", "p", "default", grace_period_s=0)
    assert (await refused(client.get("pods", "p", "default"))).reason == "NotFound"


async def test_a_pod_that_runs_nowhere_goes_at_once(client):
    await client.create("pods", pod("p"))
    await client.delete("pods", "p", "default")
    assert (await refused(client.get("pods", "p", "default"))).reason == "NotFound"


async def test_finalizers_hold_an_object(client):
    await client.create("configmaps", configmap("c", finalizers=["example.com/hold"]))
    marked = await client.delete("configmaps", "c", "default")
    assert marked["metadata"]["deletionTimestamp"]
    again = await client.delete("configmaps", "c", "default")
    assert again["metadata"]["resourceVersion"] == marked["metadata"]["resourceVersion"]
    await client.patch("configmaps", "c", {"metadata": {"finalizers": None}}, "default")
    assert (await refused(client.get("configmaps", "c", "default"))).reason == "NotFound"


@pytest.mark.parametrize(("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
async def test_propagation_is_a_finalizer(client, policy: str, finalizer: str):
    await client.create("configmaps", configmap("c"))
    marked = await client.delete("configmaps", "c", "default", propagation_policy=policy)
    assert marked["metadata"]["finalizers"] == [finalizer]


async def test_preconditions(client):
    made = await client.create("configmaps", configmap("c"))
    assert (await refused(client.delete("configmaps", "c", "default", uid="another"))).reason == "Conflict"
    assert (await refused(client.delete("configmaps", "c", "default", resource_version="1"))).reason == "Conflict"
    await client.delete("configmaps", "c", "default", uid=made["metadata"]["uid"])


async def test_a_collection_is_deleted_by_selector(client):
    for name, label in (("a", "x"), ("b", "y"), ("c", "x")):
        await client.create("configmaps", configmap(name, labels={"l": label}))
    await client.delete_collection("configmaps", "default", label_selector="l=x")
    items, _ = await client.list_all("configmaps", "default")
    assert [item["metadata"]["name"] for item in items] == ["b"]


async def test_a_namespace_ends_when_it_is_empty(client):
    await client.create("namespaces", {"metadata": {"name": "team"}})
    marked = await client.delete("namespaces", "team")
    assert marked["status"]["phase"] == "Terminating"
    error = await refused(client.create("configmaps", {"metadata": {"name": "c", "namespace": "team"}}))
    assert error.reason == "Forbidden"
    assert error.details["causes"][0]["reason"] == "NamespaceTerminating"
    marked["spec"]["finalizers"] = []
    await client.finalize(marked)
    assert (await refused(client.get("namespaces", "team"))).reason == "NotFound"
    for name in ("default", "kube-system", "kube-public"):
        assert (await refused(client.delete("namespaces", name))).reason == "Forbidden"
    error = await refused(client.create("configmaps", {"metadata": {"name": "c", "namespace": "nowhere"}}))
    assert error.message == 'namespaces "nowhere" not found'


async def test_binding_happens_once(client):
    made = await client.create("pods", pod("p"))
    assert (await refused(client.bind("p", "default", "n", uid="another"))).reason == "Conflict"
    await client.bind("p", "default", "n", uid=made["metadata"]["uid"])
    bound = await client.get("pods", "p", "default")
    assert bound["spec"]["nodeName"] == "n"
    assert [c["type"] for c in bound["status"]["conditions"]] == ["PodScheduled"]
    error = await refused(client.bind("p", "default", "m"))
    assert 'pod p is already assigned to node "n"' in error.message


async def test_an_eviction_is_a_delete(client):
    await client.create("pods", pod("p"))
    await client.evict("p", "default")
    assert (await refused(client.get("pods", "p", "default"))).reason == "NotFound"


async def test_services_get_addresses_of_their_own(client):
    services = []
    for number in range(30):
        spec = {"type": "NodePort", "ports": [{"port": 80}]}
        services.append({"metadata": {"name": f"s{number}", "namespace": "default"}, "spec": spec})
    made = await asyncio.gather(*(client.create("services", service) for service in services))
    addresses = [service["spec"]["clusterIP"] for service in made]
    ports = [service["spec"]["ports"][0]["nodePort"] for service in made]
    assert len(set(addresses)) == len(set(ports)) == 30
    assert all(address.startswith("10.96.") for address in addresses)
    assert all(30_000 <= port <= 32_767 for port in ports)
    headless = {
        "metadata": {"name": "h", "namespace": "default"},
        "spec": {"clusterIP": "None", "ports": [{"port": 80}]},
    }
    assert (await client.create("services", headless))["spec"]["clusterIP"] == "None"
    taken = {
        "metadata": {"name": "t", "namespace": "default"},
        "spec": {"clusterIP": addresses[0], "ports": [{"port": 80}]},
    }
    assert "already allocated" in (await refused(client.create("services", taken))).message


async def test_a_dry_run_leaves_nothing(client):
    made = await client.create("configmaps", configmap("c"), dry_run=True)
    assert made["metadata"]["uid"]
    assert (await refused(client.get("configmaps", "c", "default"))).reason == "NotFound"
    real = await client.create("configmaps", configmap("c"))
    await client.patch("configmaps", "c", {"data": {"k": "v"}}, "default", dry_run=True)
    assert await client.get("configmaps", "c", "default") == real
    assert (await refused(client.create("configmaps", configmap("c"), dry_run=True))).reason == "AlreadyExists"


async def test_two_servers_on_one_store_see_each_other(client):
    async with Cluster(members=1) as store:
        servers = [ApiServer(ApiServerConfig(), store.client()) for _ in range(2)]
        for server in servers:
            await server.start()
        one, other = (Client(server.in_process_transport()) for server in servers)
        version = (await other.list("configmaps"))["metadata"]["resourceVersion"]
        watch = await other.watch("configmaps", resource_version=version)
        await one.create("configmaps", configmap("c"))
        async with asyncio.timeout(10):
            async for event in watch:
                if event.type == "ADDED":
                    assert event.object["metadata"]["name"] == "c"
                    break
        await watch.close()
        for server in servers:
            await server.stop()
