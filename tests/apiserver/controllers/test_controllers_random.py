"""Random lives of Jobs and StatefulSets under one seed each: whatever is done to them, they end up right.

Pods end well or badly, are deleted, the owner is edited in between (so that the controller's writes conflict), suspended, scaled.
The test keeps the books itself and compares.
"""

from __future__ import annotations

from random import Random

import pytest

from apiserver.errors import StatusError

JOBS = "batch/v1/jobs"
SETS = "apps/v1/statefulsets"
CONTAINERS = [{"name": "c", "image": "i:0"}]


async def poke(world, resource: str, name: str, spec: dict, number: int) -> None:
    """An edit by somebody else, right between the controller's own reads and writes."""
    patch = {"metadata": {"annotations": {"poked": str(number)}}, **({"spec": spec} if spec else {})}
    try:
        await world.client.patch(resource, name, patch, "default")
    except StatusError as error:
        assert error.reason in ("Conflict", "Invalid"), error.message


async def active(world) -> list[str]:
    pods = (await world.living()).items()
    return [name for name, pod in pods if pod["status"]["phase"] in ("Pending", "Running")]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mode", ["NonIndexed", "Indexed"])
async def test_a_job_counts_every_pod_once(world, seed, mode):
    dice, finished = Random(seed), 0
    await world.run("job-controller")
    template = {"spec": {"containers": CONTAINERS, "restartPolicy": "Never"}}
    spec = {"completions": 8, "parallelism": 3, "backoffLimit": 1000, "completionMode": mode, "template": template}
    metadata = {"name": "work", "namespace": "default"}
    await world.client.create(JOBS, {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})
    for step in range(150):
        job = await world.one(JOBS, "work")
        if any(c["type"] == "Complete" for c in (job.get("status") or {}).get("conditions") or ()):
            break
        names = await active(world)
        match dice.randrange(8):
            case 0 | 1 | 2 if names:
                await world.finish(name := dice.choice(names))
                # One that the Job let go a moment before (it was surplus) is not its pod any more.
                finished += bool((await world.pods()).get(name, {}).get("metadata", {}).get("finalizers"))
                if dice.random() < 0.5:
                    await world.client.delete("pods", name, "default", grace_period_s=0)
            case 3 if names:
                await world.finish(dice.choice(names), code=1)
            case 4 if names:
                await world.client.delete("pods", dice.choice(names), "default", grace_period_s=0)
            case 5:
                await poke(world, JOBS, "work", {"suspend": dice.random() < 0.4}, step)
            case 6:
                await poke(world, JOBS, "work", {"parallelism": dice.randrange(1, 5)}, step)
            case _:
                await world.turn(dice.randrange(40))
                await poke(world, JOBS, "work", {}, step)
        if dice.random() < 0.5:
            await world.settle()
        world.clock.advance(dice.choice([0.0, 0.0, 1.0, 20.0, 700.0]))
    else:
        raise AssertionError(f"it never ended: {job['status']}")
    await world.settle()
    status = (await world.one(JOBS, "work"))["status"]
    assert status["succeeded"] == (8 if mode == "Indexed" else finished) and status["uncountedTerminatedPods"] == {}
    if mode == "Indexed":
        assert status["completedIndexes"] == "0-7"
    assert not any(pod["metadata"].get("finalizers") for pod in (await world.pods()).values())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
async def test_a_stateful_set_is_what_was_asked_for_last(world, seed, policy):
    dice, image, replicas = Random(seed), 0, 3
    await world.run("statefulset-controller")
    template = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": CONTAINERS}}
    spec = {
        "replicas": replicas,
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}},
        "podManagementPolicy": policy,
        "template": template,
    }
    metadata = {"name": "db", "namespace": "default"}
    made = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}
    await world.client.create(SETS, made)
    for step in range(60):
        names = await active(world)
        match dice.randrange(6):
            case 0:
                replicas = dice.randrange(6)
                await world.client.scale(SETS, "db", "default", replicas)
            case 1:
                image += 1
                patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": f"i:{image}"}]}}}}
                await world.client.patch(SETS, "db", patch, "default", patch_type="strategic")
            case 2 if names:
                await world.client.delete("pods", dice.choice(names), "default")
            case 3 if names:
                await world.finish(dice.choice(names), code=1)
            case 4:
                await world.turn(dice.randrange(40))
                await poke(world, SETS, "db", {}, step)
            case _:
                await world.ready()
        if dice.random() < 0.5:
            await world.settle()
        world.clock.advance(dice.choice([0.0, 1.0, 30.0]))
    for _ in range(40):
        world.clock.advance(30.0)
        await world.settle()
        await world.ready()
    pods = await world.pods()
    assert sorted(pods) == [f"db-{ordinal}" for ordinal in range(replicas)]
    assert {pod["spec"]["containers"][0]["image"] for pod in pods.values()} <= {f"i:{image}"}
    status = (await world.one(SETS, "db"))["status"]
    counts = [status.get(name, 0) for name in ("replicas", "readyReplicas", "updatedReplicas", "currentReplicas")]
    assert counts == [replicas] * 4 and status["currentRevision"] == status["updateRevision"]
