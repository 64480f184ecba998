"""DaemonSets: one pod on every node that fits, replaced at a pace."""

from __future__ import annotations

import pytest

CONTAINERS = [{"name": "c", "image": "agent:1"}]
SETS = "apps/v1/daemonsets"


@pytest.fixture
async def daemons(world):
    for number in range(3):
        await add_node(world, f"node-{number}")
    await world.run("daemonset-controller")
    return world


async def add_node(world, name: str, **spec) -> None:
    labels = {"kubernetes.io/hostname": name, "disk": "ssd" if name == "node-0" else "hdd"}
    metadata = {"name": name, "labels": labels}
    made = await world.client.create("nodes", {"apiVersion": "v1", "kind": "Node", "metadata": metadata})
    await world.client.patch("nodes", name, {"spec": {"taints": spec.get("taints", [])}})
    assert made


def daemon_set(template_spec: dict | None = None, **spec) -> dict:
    template = {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": CONTAINERS, **(template_spec or {})}}
    spec = {"selector": {"matchLabels": {"app": "agent"}}, "template": template, **spec}
    metadata = {"name": "agent", "namespace": "default"}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": spec}


def where(pod: dict) -> str:
    required = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (term,) = required["nodeSelectorTerms"]
    (field,) = term["matchFields"]
    assert (field["key"], field["operator"]) == ("metadata.name", "In")
    return field["values"][0]


async def places(world) -> list[str]:
    return sorted(where(pod) for pod in (await world.living()).values())


async def images(world) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pod in (await world.living()).values():
        found.setdefault(where(pod), []).append(pod["spec"]["containers"][0]["image"])
    return {node: sorted(found[node]) for node in sorted(found)}


async def status(world) -> dict:
    return (await world.one(SETS, "agent"))["status"]


async def set_image(world, image: str) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}
    await world.client.patch(SETS, "agent", patch, "default", patch_type="strategic")


async def test_each_node_has_one_pod_that_the_scheduler_will_put_there(daemons):
    await daemons.client.create(SETS, daemon_set())
    await daemons.settle()
    assert await places(daemons) == ["node-0", "node-1", "node-2"]
    pod = next(iter((await daemons.pods()).values()))
    tolerated = {(t["key"], t["effect"]) for t in pod["spec"]["tolerations"] if t["operator"] == "Exists"}
    assert {
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ("node.kubernetes.io/pid-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    } <= tolerated
    (revision,) = await daemons.all("apps/v1/controllerrevisions")
    labels = pod["metadata"]["labels"]
    assert labels["controller-revision-hash"] == revision["metadata"]["labels"]["controller-revision-hash"]
    await daemons.ready()
    await daemons.settle()
    said = await status(daemons)
    assert said == {
        "currentNumberScheduled": 3,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 3,
        "numberReady": 3,
        "observedGeneration": 1,
        "updatedNumberScheduled": 3,
        "numberAvailable": 3,
    }


async def test_pods_say_which_generation_of_the_template_they_are(daemons):
    await daemons.client.create(SETS, daemon_set())
    await daemons.settle()
    assert {p["metadata"]["labels"]["pod-template-generation"] for p in (await daemons.pods()).values()} == {"1"}


async def test_nodes_come_and_change(daemons):
    await daemons.client.create(SETS, daemon_set({"nodeSelector": {"disk": "hdd"}}))
    await daemons.settle()
    assert await places(daemons) == ["node-1", "node-2"]
    await add_node(daemons, "node-3")
    await daemons.client.patch("nodes", "node-1", {"metadata": {"labels": {"disk": "ssd"}}})
    await daemons.settle()
    assert await places(daemons) == ["node-2", "node-3"]
    taint = [{"key": "gone", "effect": "NoExecute"}]
    await daemons.client.patch("nodes", "node-2", {"spec": {"taints": taint}})
    await daemons.settle()
    assert await places(daemons) == ["node-3"]


async def test_a_new_no_schedule_taint_leaves_the_pod_that_is_there(daemons):
    await daemons.client.create(SETS, daemon_set())
    await daemons.settle()
    taint = [{"key": "full", "effect": "NoSchedule"}]
    await daemons.client.patch("nodes", "node-2", {"spec": {"taints": taint}})
    await daemons.settle()
    assert await places(daemons) == ["node-0", "node-1", "node-2"]
    assert (await status(daemons))["numberMisscheduled"] == 1


async def test_a_rolling_update_replaces_one_after_another(daemons):
    await daemons.client.create(SETS, daemon_set())
    await daemons.settle()
    await daemons.ready()
    await daemons.settle()
    await set_image(daemons, "agent:2")
    for updated in (1, 2, 3):
        await daemons.settle()
        found = [image for node in (await images(daemons)).values() for image in node]
        assert found.count("agent:2") == updated and len(found) == 3
        await daemons.ready()
    await daemons.settle()
    assert (await status(daemons))["updatedNumberScheduled"] == 3
    assert [r["revision"] for r in await daemons.all("apps/v1/controllerrevisions")] == [1, 2]


async def test_surging_starts_the_new_pod_beside_the_old(daemons):
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    await daemons.client.create(SETS, daemon_set(updateStrategy=rolling))
    await daemons.settle()
    await daemons.ready()
    await daemons.settle()
    await set_image(daemons, "agent:2")
    await daemons.settle()
    both = [node for node, found in (await images(daemons)).items() if found == ["agent:1", "agent:2"]]
    assert len(both) == 1
    await daemons.ready()
    await daemons.settle()
    assert (await images(daemons))[both[0]] == ["agent:2"]


async def test_on_delete_waits_for_somebody_to_delete(daemons):
    await daemons.client.create(SETS, daemon_set(updateStrategy={"type": "OnDelete"}))
    await daemons.settle()
    await daemons.ready()
    await set_image(daemons, "agent:2")
    await daemons.settle()
    assert {i for found in (await images(daemons)).values() for i in found} == {"agent:1"}
    await daemons.client.delete("pods", next(iter(await daemons.pods())), "default")
    await daemons.settle()
    assert sorted(i for found in (await images(daemons)).values() for i in found) == ["agent:1", "agent:1", "agent:2"]


async def test_a_failed_pod_is_replaced(daemons):
    await daemons.client.create(SETS, daemon_set())
    await daemons.settle()
    name, pod = next(iter((await daemons.pods()).items()))
    await daemons.finish(name, code=1)
    await daemons.settle()
    assert name not in await daemons.pods()
    assert await places(daemons) == ["node-0", "node-1", "node-2"]
    message = f"Found failed daemon pod default/{name} on node {where(pod)}, will try to kill it"
    assert ("FailedDaemonPod", message) in await daemons.events()
