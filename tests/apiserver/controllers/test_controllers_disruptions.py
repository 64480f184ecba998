"""What may be evicted, what must be, and what holds volumes back."""

from __future__ import annotations

import pytest

CONTAINERS = [{"name": "c", "image": "i"}]
BUDGETS = "policy/v1/poddisruptionbudgets"


async def add_pod(world, name: str, owner: dict | None = None, node: str = "", **spec) -> None:
    metadata = {"name": name, "namespace": "default", "labels": {"app": "web"}}
    if owner:
        reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"]}
        metadata["ownerReferences"] = [{**reference, "uid": owner["metadata"]["uid"], "controller": True}]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": CONTAINERS, **spec}}
    if node:
        pod["spec"]["nodeName"] = node
    await world.client.create("pods", pod)
    await world.ready(name)


async def add_replica_set(world, replicas: int) -> dict:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": CONTAINERS}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    made = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web", "namespace": "default"}}
    return await world.client.create("apps/v1/replicasets", {**made, "spec": spec})


async def add_budget(world, **spec) -> None:
    metadata = {"name": "budget", "namespace": "default"}
    spec = {"selector": {"matchLabels": {"app": "web"}}, **spec}
    made = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}
    await world.client.create(BUDGETS, made)


async def numbers(world) -> tuple[int, int, int, int]:
    """(allowed, current, desired, expected)"""
    status = (await world.one(BUDGETS, "budget"))["status"]
    assert status["observedGeneration"] == (await world.one(BUDGETS, "budget"))["metadata"]["generation"]
    fields = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
    return tuple(status[field] for field in fields)  # type: ignore[return-value]


async def condition(world) -> tuple[str, str]:
    (found,) = (await world.one(BUDGETS, "budget"))["status"]["conditions"]
    assert found["type"] == "DisruptionAllowed"
    return found["status"], found["reason"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 2}, (1, 3, 2, 3)),
        ({"minAvailable": "50%"}, (1, 3, 2, 4)),
        ({"maxUnavailable": 1}, (0, 3, 3, 4)),
        ({"maxUnavailable": "50%"}, (1, 3, 2, 4)),
        ({"minAvailable": 5}, (0, 3, 5, 3)),
    ],
)
async def test_a_budget_counts(world, spec, expected):
    await world.run("disruption-controller")
    owner = await add_replica_set(world, 4)
    for number in range(3):
        await add_pod(world, f"web-{number}", owner)
    await add_budget(world, **spec)
    await world.settle()
    assert await numbers(world) == expected
    assert await condition(world) == (("True", "SufficientPods") if expected[0] else ("False", "InsufficientPods"))


async def test_an_eviction_under_way_counts_for_two_minutes(world):
    await world.run("disruption-controller")
    for number in range(3):
        await add_pod(world, f"web-{number}", node="node-0")
    await add_budget(world, minAvailable=1)
    await world.settle()
    assert (await numbers(world))[0] == 2
    now = "2023-11-14T22:13:20Z"
    budget = await world.one(BUDGETS, "budget")
    budget["status"]["disruptedPods"] = {"web-0": now, "gone": now}
    await world.client.update_status(BUDGETS, budget)
    await world.settle()
    assert (await numbers(world))[:2] == (1, 2)
    assert list((await world.one(BUDGETS, "budget"))["status"]["disruptedPods"]) == ["web-0"]
    world.clock.advance(122.0)
    await world.settle()
    assert (await numbers(world))[:2] == (2, 3)
    await world.client.delete("pods", "web-1", "default")
    await world.settle()
    assert (await numbers(world))[:2] == (1, 2)


async def test_pods_leave_a_node_as_their_tolerations_say(world):
    await world.run("taint-eviction-controller")
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-0"}}
    await world.client.create("nodes", node)
    await world.client.patch("nodes", "node-0", {"spec": {"taints": None}})
    for_a_minute = {"key": "broken", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}
    for_ever = {"key": "broken", "operator": "Exists"}
    await add_pod(world, "none", node="node-0")
    await add_pod(world, "minute", node="node-0", tolerations=[for_a_minute])
    await add_pod(world, "ever", node="node-0", tolerations=[for_ever])
    await world.settle()
    assert len(await world.living()) == 3
    taint = {"key": "broken", "effect": "NoExecute", "value": "yes"}
    await world.client.patch("nodes", "node-0", {"spec": {"taints": [taint]}})
    await world.settle()
    assert sorted(await world.living()) == ["ever", "minute"]
    pod = await world.one("pods", "none")
    (found,) = [c for c in pod["status"]["conditions"] if c["type"] == "DisruptionTarget"]
    assert (found["status"], found["reason"]) == ("True", "DeletionByTaintManager")
    assert ("TaintManagerEviction", "Marking for deletion Pod default/none") in await world.events()
    world.clock.advance(59.0)
    await world.settle()
    assert sorted(await world.living()) == ["ever", "minute"]
    world.clock.advance(2.0)
    await world.settle()
    assert sorted(await world.living()) == ["ever"]


async def test_a_taint_that_goes_in_time_evicts_nobody(world):
    await world.run("taint-eviction-controller")
    await world.client.create("nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-0"}})
    toleration = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}
    await add_pod(world, "minute", node="node-0", tolerations=[toleration])
    taint = {"key": "broken", "effect": "NoExecute"}
    await world.client.patch("nodes", "node-0", {"spec": {"taints": [taint]}})
    await world.settle()
    await world.client.patch("nodes", "node-0", {"spec": {"taints": None}})
    await world.settle()
    world.clock.advance(100.0)
    await world.settle()
    assert list(await world.living()) == ["minute"]


async def test_pods_of_a_node_that_is_gone_have_failed(world):
    await world.run("pod-garbage-collector-controller")
    await world.client.create("nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-0"}})
    await add_pod(world, "held", node="node-0")
    await world.client.patch("pods", "held", {"metadata": {"finalizers": ["example.com/hold"]}}, "default")
    await world.settle()
    await world.client.delete("nodes", "node-0")
    await world.settle()
    world.clock.advance(41.0)
    await world.settle()
    pod = await world.one("pods", "held")
    (found,) = [c for c in pod["status"]["conditions"] if c["type"] == "DisruptionTarget"]
    assert (found["reason"], found["message"]) == ("DeletionByPodGC", "PodGC: node no longer exists")
    assert pod["status"]["phase"] == "Failed" and pod["metadata"]["deletionTimestamp"]


async def test_a_claim_stays_while_a_pod_uses_it(world):
    await world.run("persistentvolumeclaim-protection-controller")
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": "data", "namespace": "default"}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
    await world.client.create("persistentvolumeclaims", claim)
    await world.settle()
    found = await world.one("persistentvolumeclaims", "data")
    assert found["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
    await add_pod(world, "user", node="node-0", volumes=[volume])
    await world.client.delete("persistentvolumeclaims", "data", "default")
    await world.settle()
    assert await world.names("persistentvolumeclaims") == ["data"]
    await world.client.delete("pods", "user", "default", grace_period_s=0)
    await world.settle()
    assert not await world.names("persistentvolumeclaims")


async def test_a_bound_volume_stays(world):
    await world.run("persistentvolume-protection-controller")
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/tmp/x"}}
    made = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "disk"}, "spec": spec}
    await world.client.create("persistentvolumes", made)
    await world.settle()
    await world.client.patch_status("persistentvolumes", "disk", {"status": {"phase": "Bound"}})
    await world.client.delete("persistentvolumes", "disk")
    await world.settle()
    assert (await world.one("persistentvolumes", "disk", None))["metadata"]["finalizers"]
    await world.client.patch_status("persistentvolumes", "disk", {"status": {"phase": "Released"}})
    await world.settle()
    assert not await world.names("persistentvolumes", None)
