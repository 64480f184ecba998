"""ReplicationControllers, what stands behind Services, and what nodes are tainted for, on the real server."""

from __future__ import annotations

import pytest

CONTAINERS = [{"name": "c", "image": "i", "ports": [{"name": "web", "containerPort": 8080}]}]
SLICES = "discovery.k8s.io/v1/endpointslices"


async def add_pod(world, name: str, ip: str, *, ready: bool = True, **spec) -> None:
    metadata = {"name": name, "namespace": "default", "labels": {"app": "web"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": CONTAINERS, **spec}}
    await world.client.create("pods", pod)
    if ready:
        await world.ready(name)
    await world.set_status(name, {"podIP": ip, "podIPs": [{"ip": ip}], "phase": "Running"})


async def add_service(world, **spec) -> None:
    metadata = {"name": "web", "namespace": "default", "labels": {"team": "a"}}
    spec = {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "web"}], **spec}
    await world.client.create("services", {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


async def slices(world) -> list[dict]:
    return await world.all(SLICES, selector="kubernetes.io/service-name=web")


async def test_a_replication_controller_keeps_its_pods(world):
    await world.run("replicationcontroller-controller")
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": CONTAINERS}}
    made = {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "rc", "namespace": "default"}}
    spec = {"replicas": 3, "selector": {"app": "web"}, "template": template}
    await world.client.create("replicationcontrollers", {**made, "spec": spec})
    await world.settle()
    pods = await world.pods()
    assert len(pods) == 3
    assert {p["metadata"]["ownerReferences"][0]["kind"] for p in pods.values()} == {"ReplicationController"}
    await world.ready()
    await world.client.scale("replicationcontrollers", "rc", "default", 1)
    await world.settle()
    assert len(await world.living()) == 1
    status = (await world.one("replicationcontrollers", "rc"))["status"]
    assert (status["replicas"], status["readyReplicas"]) == (1, 1) and "terminatingReplicas" not in status


async def test_a_replica_set_says_how_many_are_on_their_way_out(world):
    await world.run("replicaset-controller")
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": CONTAINERS, "nodeName": "node-0"}}
    made = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "rs", "namespace": "default"}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    await world.client.create("apps/v1/replicasets", {**made, "spec": spec})
    await world.settle()
    await world.client.scale("apps/v1/replicasets", "rs", "default", 1)
    await world.settle()
    assert (await world.one("apps/v1/replicasets", "rs"))["status"]["terminatingReplicas"] == 1
    await world.let_go()
    await world.settle()
    assert not (await world.one("apps/v1/replicasets", "rs"))["status"].get("terminatingReplicas")


async def test_a_headless_service_names_its_pods(world):
    await world.run("endpointslice-controller", "endpoints-controller")
    await add_service(world, clusterIP="None")
    await add_pod(world, "one", "10.128.0.2", hostname="one", subdomain="web")
    await add_pod(world, "other", "10.128.0.3", hostname="other", subdomain="elsewhere")
    await world.settle()
    (found,) = await slices(world)
    labels = found["metadata"]["labels"]
    assert labels["service.kubernetes.io/headless"] == "" and labels["team"] == "a"
    assert labels["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    assert [endpoint.get("hostname") for endpoint in found["endpoints"]] == ["one", None]
    addresses = (await world.one("endpoints", "web"))["subsets"][0]["addresses"]
    assert [address.get("hostname") for address in addresses] == ["one", None]


async def test_what_is_not_ready_is_shown_where_the_service_says_so(world):
    await world.run("endpointslice-controller", "endpoints-controller")
    await add_service(world, publishNotReadyAddresses=True)
    await add_pod(world, "one", "10.128.0.2", ready=False)
    await world.settle()
    (found,) = await slices(world)
    assert found["endpoints"][0]["conditions"] == {"ready": True, "serving": False, "terminating": False}
    assert (await world.one("endpoints", "web"))["subsets"][0]["addresses"]


async def test_every_port_of_a_service_is_in_the_slice(world):
    await world.run("endpointslice-controller")
    ports = [
        {"name": "http", "port": 80, "targetPort": "web"},
        {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 5353},
        {"name": "missing", "port": 81, "targetPort": "nowhere"},
    ]
    await add_service(world, ports=ports)
    await add_pod(world, "one", "10.128.0.2")
    await world.settle()
    (found,) = await slices(world)
    assert [(port["name"], port["port"], port["protocol"]) for port in found["ports"]] == [
        ("http", 8080, "TCP"),
        ("dns", 5353, "UDP"),
    ]


async def test_a_slice_that_somebody_deletes_comes_back(world):
    await world.run("endpointslice-controller")
    await add_service(world)
    await add_pod(world, "one", "10.128.0.2")
    await world.settle()
    (found,) = await slices(world)
    await world.client.delete(SLICES, found["metadata"]["name"], "default")
    await world.settle()
    assert [endpoint["addresses"] for s in await slices(world) for endpoint in s["endpoints"]] == [["10.128.0.2"]]


@pytest.mark.parametrize(
    ("condition", "key"),
    [
        ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
        ("DiskPressure", "node.kubernetes.io/disk-pressure"),
        ("PIDPressure", "node.kubernetes.io/pid-pressure"),
        ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
    ],
)
async def test_a_node_is_tainted_for_what_it_lacks(world, condition, key):
    await world.run("node-lifecycle-controller")
    await world.client.create("nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-0"}})

    async def taints() -> list[tuple[str, str]]:
        found = (await world.one("nodes", "node-0", None))["spec"].get("taints") or []
        return [(taint["key"], taint["effect"]) for taint in found]

    conditions = [{"type": "Ready", "status": "True"}, {"type": condition, "status": "True"}]
    await world.client.patch_status("nodes", "node-0", {"status": {"conditions": conditions}})
    await world.settle()
    assert await taints() == [(key, "NoSchedule")]
    await world.client.patch("nodes", "node-0", {"spec": {"unschedulable": True}})
    conditions[1]["status"] = "False"
    await world.client.patch_status("nodes", "node-0", {"status": {"conditions": conditions}})
    await world.settle()
    assert await taints() == [("node.kubernetes.io/unschedulable", "NoSchedule")]
    await world.client.patch("nodes", "node-0", {"spec": {"unschedulable": None}})
    await world.settle()
    assert await taints() == []
