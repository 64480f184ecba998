"""StatefulSets: one pod after another, each with its name, its claims and its revision."""

from __future__ import annotations

import pytest

CONTAINERS = [{"name": "c", "image": "web:1"}]
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": CONTAINERS}}
SETS = "apps/v1/statefulsets"


@pytest.fixture
async def sets(world):
    await world.run("statefulset-controller")
    return world


def stateful_set(replicas: int = 3, **spec) -> dict:
    spec = {
        "replicas": replicas,
        "serviceName": "web",
        "selector": {"matchLabels": {"app": "web"}},
        "template": TEMPLATE,
        **spec,
    }
    metadata = {"name": "web", "namespace": "default"}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}


def claim(name: str) -> dict:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": name}, "spec": spec}


async def roll_on(world, done, *, turns: int = 60) -> None:
    """Makes pods ready and lets deleted ones go until `done()`."""
    for _ in range(turns):
        await world.settle()
        if await done():
            return
        await world.let_go()
        await world.settle()
        await world.ready()
    raise AssertionError(f"it stands: {(await world.one(SETS, 'web'))['status']}")


async def status_of(world) -> dict:
    return (await world.one(SETS, "web"))["status"]


def images(pods: dict) -> dict:
    return {name: pod["spec"]["containers"][0]["image"] for name, pod in pods.items()}


async def set_image(world, image: str) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}
    await world.client.patch(SETS, "web", patch, "default", patch_type="strategic")


async def test_pods_come_in_order_each_waiting_for_the_one_before(sets):
    await sets.client.create(SETS, stateful_set(3))
    await sets.settle()
    assert list(await sets.pods()) == ["web-0"]
    await sets.ready()
    await sets.settle()
    assert list(await sets.pods()) == ["web-0", "web-1"]
    await sets.ready()
    await sets.settle()
    await sets.ready()
    await sets.settle()
    pods = await sets.pods()
    assert list(pods) == ["web-0", "web-1", "web-2"]
    pod = pods["web-1"]
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("web-1", "web")
    status = await status_of(sets)
    revision = status["currentRevision"]
    assert pod["metadata"]["labels"] == {
        "app": "web",
        "statefulset.kubernetes.io/pod-name": "web-1",
        "apps.kubernetes.io/pod-index": "1",
        "controller-revision-hash": revision,
    }
    assert status == {
        "observedGeneration": 1,
        "replicas": 3,
        "readyReplicas": 3,
        "currentReplicas": 3,
        "updatedReplicas": 3,
        "availableReplicas": 3,
        "currentRevision": revision,
        "updateRevision": revision,
        "collisionCount": 0,
    }
    assert ("SuccessfulCreate", "create Pod web-0 in StatefulSet web successful") in await sets.events()


async def test_parallel_makes_all_at_once_from_the_first_ordinal(sets):
    await sets.client.create(SETS, stateful_set(3, podManagementPolicy="Parallel", ordinals={"start": 5}))
    await sets.settle()
    assert list(await sets.pods()) == ["web-5", "web-6", "web-7"]


async def test_scaling_down_takes_the_highest_first_one_at_a_time(sets):
    await sets.client.create(SETS, stateful_set(3))
    await roll_on(sets, lambda: has(sets, readyReplicas=3))
    await sets.client.scale(SETS, "web", "default", 1)
    # Nobody runs these pods, so they go at once; then the next follows.
    await sets.settle()
    assert list(await sets.pods()) == ["web-0"]
    assert (await status_of(sets))["replicas"] == 1


async def has(world, **wanted) -> bool:
    status = (await world.one(SETS, "web")).get("status") or {}
    return wanted.items() <= status.items()


async def test_an_update_goes_from_the_highest_to_the_partition(sets):
    await sets.client.create(SETS, stateful_set(3))
    await roll_on(sets, lambda: has(sets, readyReplicas=3))
    first = (await status_of(sets))["currentRevision"]
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    await sets.client.patch(SETS, "web", {"spec": {"updateStrategy": strategy}}, "default")
    await set_image(sets, "web:2")
    await roll_on(sets, lambda: has(sets, updatedReplicas=1, readyReplicas=3))
    assert images(await sets.pods()) == {"web-0": "web:1", "web-1": "web:1", "web-2": "web:2"}
    status = await status_of(sets)
    assert status["currentRevision"] == first != status["updateRevision"] and status["currentReplicas"] == 2
    # A pod below the partition that is lost comes back as it was.
    await sets.client.delete("pods", "web-0", "default")
    await roll_on(sets, lambda: has(sets, readyReplicas=3, updatedReplicas=1))
    assert images(await sets.pods())["web-0"] == "web:1"
    strategy["rollingUpdate"]["partition"] = 0
    await sets.client.patch(SETS, "web", {"spec": {"updateStrategy": strategy}}, "default")
    await roll_on(sets, lambda: has(sets, updatedReplicas=3, readyReplicas=3))
    status = await status_of(sets)
    assert status["currentRevision"] == status["updateRevision"] != first


async def test_revisions_are_kept_and_an_old_template_is_the_newest_again(sets):
    await sets.client.create(SETS, stateful_set(1, revisionHistoryLimit=1))
    for image in ("web:2", "web:1"):
        await roll_on(sets, lambda: has(sets, readyReplicas=1, updatedReplicas=1))
        await set_image(sets, image)
    await roll_on(sets, lambda: has(sets, readyReplicas=1, updatedReplicas=1))
    found = await sets.all("apps/v1/controllerrevisions")
    assert sorted(revision["revision"] for revision in found) == [2, 3]
    newest = max(found, key=lambda revision: revision["revision"])
    assert newest["data"]["spec"]["template"]["$patch"] == "replace"
    assert newest["data"]["spec"]["template"]["spec"]["containers"][0]["image"] == "web:1"
    assert newest["metadata"]["labels"]["app"] == "web"
    await set_image(sets, "web:3")
    await roll_on(sets, lambda: has(sets, readyReplicas=1, updatedReplicas=1))
    await sets.settle()
    assert sorted(r["revision"] for r in await sets.all("apps/v1/controllerrevisions")) == [3, 4]


async def test_max_unavailable_lets_several_go_together(sets):
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}
    await sets.client.create(SETS, stateful_set(4, podManagementPolicy="Parallel", updateStrategy=rolling))
    await roll_on(sets, lambda: has(sets, readyReplicas=4))
    await set_image(sets, "web:2")
    await sets.settle()
    updated = [name for name, image in images(await sets.pods()).items() if image == "web:2"]
    assert updated == ["web-2", "web-3"]


async def test_on_delete_waits_for_somebody_to_delete(sets):
    await sets.client.create(SETS, stateful_set(2, updateStrategy={"type": "OnDelete"}))
    await roll_on(sets, lambda: has(sets, readyReplicas=2))
    await set_image(sets, "web:2")
    await sets.settle()
    assert set(images(await sets.pods()).values()) == {"web:1"}
    await sets.client.delete("pods", "web-0", "default")
    await roll_on(sets, lambda: has(sets, readyReplicas=2))
    assert images(await sets.pods()) == {"web-0": "web:2", "web-1": "web:1"}


async def test_a_failed_pod_is_made_anew(sets):
    await sets.client.create(SETS, stateful_set(1))
    await sets.settle()
    before = (await sets.one("pods", "web-0"))["metadata"]["uid"]
    await sets.finish("web-0", code=1)
    await sets.settle()
    assert (await sets.one("pods", "web-0"))["metadata"]["uid"] != before


async def test_claims_are_made_and_kept_or_not_by_policy(sets):
    policy = {"whenDeleted": "Delete", "whenScaled": "Delete"}
    made = stateful_set(2, volumeClaimTemplates=[claim("data")], persistentVolumeClaimRetentionPolicy=policy)
    await sets.client.create(SETS, made)
    await roll_on(sets, lambda: has(sets, readyReplicas=2))
    assert await sets.names("persistentvolumeclaims") == ["data-web-0", "data-web-1"]
    found = await sets.one("persistentvolumeclaims", "data-web-0")
    assert found["metadata"]["labels"] == {"app": "web"}
    assert found["metadata"]["ownerReferences"][0]["kind"] == "StatefulSet"
    volumes = (await sets.one("pods", "web-1"))["spec"]["volumes"]
    assert volumes[0] == {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-1"}}
    # A pod on a node takes its time: meanwhile it owns the claim that is to go with it.
    await sets.client.bind("web-1", "default", "node-0")
    await sets.client.scale(SETS, "web", "default", 1)
    await sets.settle()
    owners = (await sets.one("persistentvolumeclaims", "data-web-1"))["metadata"]["ownerReferences"]
    assert [owner["kind"] for owner in owners] == ["Pod"]


async def test_a_retained_claim_has_no_owner(sets):
    await sets.client.create(SETS, stateful_set(1, volumeClaimTemplates=[claim("data")]))
    await sets.settle()
    assert "ownerReferences" not in (await sets.one("persistentvolumeclaims", "data-web-0"))["metadata"]


async def test_pods_that_match_are_adopted(sets):
    labels = {"app": "web"}
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web-0", "namespace": "default", "labels": labels}}
    await sets.client.create("pods", {**pod, "spec": {"containers": CONTAINERS}})
    await sets.client.create(SETS, stateful_set(1))
    await sets.settle()
    assert (await sets.one("pods", "web-0"))["metadata"]["ownerReferences"][0]["name"] == "web"


async def test_min_ready_seconds_hold_the_next_pod_back(sets):
    await sets.client.create(SETS, stateful_set(2, minReadySeconds=30))
    await sets.settle()
    await sets.ready()
    await sets.settle()
    assert list(await sets.pods()) == ["web-0"]
    assert await has(sets, readyReplicas=1, availableReplicas=0)
    sets.clock.advance(31.0)
    await sets.settle()
    assert list(await sets.pods()) == ["web-0", "web-1"]
    assert await has(sets, availableReplicas=1)
