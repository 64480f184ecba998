"""Jobs: pods until so many have succeeded, each counted once, whatever happens in between."""

from __future__ import annotations

import pytest

from apiserver.controllers.job_indexes import format_indexes, parse_indexes
from apiserver.errors import StatusError

JOBS = "batch/v1/jobs"
TRACKING = "batch.kubernetes.io/job-tracking"


@pytest.fixture
async def jobs(world):
    await world.run("job-controller")
    return world


def job(restart: str = "Never", **spec) -> dict:
    template = {"spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": restart}}
    metadata = {"name": "work", "namespace": "default"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template, **spec}}


async def status(world) -> dict:
    return (await world.one(JOBS, "work")).get("status") or {}


async def conditions(world) -> list[tuple[str, str, str]]:
    found = (await status(world)).get("conditions") or []
    return [(c["type"], c["status"], c["reason"]) for c in found]


async def active(world) -> list[str]:
    pods = (await world.living()).items()
    return [name for name, pod in pods if pod["status"]["phase"] in ("Pending", "Running")]


async def indexes(world) -> list[str]:
    pods = await world.pods()
    return sorted(
        pods[n]["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] for n in await active(world)
    )


async def by_index(world, index: int) -> str:
    """The name of the active pod of an index."""
    pods = await world.pods()
    (found,) = [n for n in await active(world) if n.startswith(f"work-{index}-")]
    assert pods[found]["spec"]["hostname"] == f"work-{index}"
    return found


async def test_a_job_completes(jobs):
    await jobs.client.create(JOBS, job(completions=3, parallelism=2))
    await jobs.settle()
    pods = await jobs.pods()
    assert len(pods) == 2 and all(TRACKING in pod["metadata"]["finalizers"] for pod in pods.values())
    await jobs.ready()
    await jobs.settle()
    assert (await status(jobs))["ready"] == 2
    await jobs.finish(*await active(jobs))
    await jobs.settle()
    said = await status(jobs)
    assert (said["active"], said["succeeded"]) == (1, 2) and "completionTime" not in said
    await jobs.finish(*await active(jobs))
    await jobs.settle()
    said = await status(jobs)
    assert said["succeeded"] == 3 and said["completionTime"] and said["startTime"]
    assert said["ready"] == said["terminating"] == 0 and said["uncountedTerminatedPods"] == {} and "active" not in said
    reached = ("True", "CompletionsReached")
    assert await conditions(jobs) == [("SuccessCriteriaMet", *reached), ("Complete", *reached)]
    assert not any(pod["metadata"].get("finalizers") for pod in (await jobs.pods()).values())
    assert ("Completed", "Job completed") in await jobs.events()


async def test_pods_carry_the_labels_of_their_job(jobs):
    await jobs.client.create(JOBS, job())
    await jobs.settle()
    pods = await jobs.pods()
    uid = (await jobs.one(JOBS, "work"))["metadata"]["uid"]
    labels = next(iter(pods.values()))["metadata"]["labels"]
    assert labels["batch.kubernetes.io/job-name"] == labels["job-name"] == "work"
    assert labels["batch.kubernetes.io/controller-uid"] == labels["controller-uid"] == uid


async def test_a_finished_pod_that_is_deleted_at_once_is_counted(jobs):
    await jobs.client.create(JOBS, job())
    await jobs.settle()
    (name,) = await active(jobs)
    await jobs.finish(name)
    await jobs.client.delete("pods", name, "default", grace_period_s=0)
    await jobs.settle()
    assert (await status(jobs))["succeeded"] == 1 and not await jobs.pods()


async def test_failures_are_tried_again_more_and_more_slowly_until_the_limit(jobs):
    await jobs.client.create(JOBS, job(backoffLimit=1))
    await jobs.settle()
    await jobs.finish(*await active(jobs), code=1)
    await jobs.settle()
    assert not await active(jobs) and (await status(jobs))["failed"] == 1
    jobs.clock.advance(11.0)
    await jobs.settle()
    await jobs.finish(*await active(jobs), code=1)
    await jobs.settle()
    assert (await status(jobs))["failed"] == 2
    exceeded = ("True", "BackoffLimitExceeded")
    assert await conditions(jobs) == [("FailureTarget", *exceeded), ("Failed", *exceeded)]
    assert ("BackoffLimitExceeded", "Job has reached the specified backoff limit") in await jobs.events()


async def test_a_deadline_stops_what_runs(jobs):
    await jobs.client.create(JOBS, job(activeDeadlineSeconds=60, completions=2, parallelism=2))
    await jobs.settle()
    names = await active(jobs)
    for name in names:
        await jobs.client.bind(name, "default", "node-0")
    await jobs.ready()
    await jobs.settle()
    jobs.clock.advance(61.0)
    await jobs.settle()
    assert (await conditions(jobs))[0] == ("FailureTarget", "True", "DeadlineExceeded")
    assert len(await conditions(jobs)) == 1, "it has not failed before its pods are gone"
    await jobs.let_go()
    await jobs.settle()
    assert (await conditions(jobs))[1] == ("Failed", "True", "DeadlineExceeded")
    assert (await status(jobs))["failed"] == 2 and not await jobs.pods()


async def test_a_suspended_job_runs_nothing_and_resumes(jobs):
    await jobs.client.create(JOBS, job(suspend=True))
    await jobs.settle()
    assert not await jobs.pods() and "startTime" not in await status(jobs)
    assert await conditions(jobs) == [("Suspended", "True", "JobSuspended")]
    await jobs.client.patch(JOBS, "work", {"spec": {"suspend": False}}, "default")
    await jobs.settle()
    assert len(await active(jobs)) == 1 and (await status(jobs))["startTime"]
    assert await conditions(jobs) == [("Suspended", "False", "JobResumed")]
    await jobs.client.patch(JOBS, "work", {"spec": {"suspend": True}}, "default")
    await jobs.settle()
    assert not await jobs.pods() and not (await status(jobs)).get("failed"), "pods that were stopped are no failures"
    assert {"Suspended", "Resumed"} <= {reason for reason, _ in await jobs.events()}


async def test_parallelism_may_change(jobs):
    await jobs.client.create(JOBS, job(completions=10, parallelism=4))
    await jobs.settle()
    await jobs.client.patch(JOBS, "work", {"spec": {"parallelism": 1}}, "default")
    await jobs.settle()
    assert len(await active(jobs)) == 1 and not (await status(jobs)).get("failed")


async def test_a_work_queue_ends_when_one_has_succeeded_and_none_runs(jobs):
    made = job(parallelism=2)
    made["spec"]["completions"] = None
    await jobs.client.create(JOBS, made)
    await jobs.settle()
    first, second = await active(jobs)
    await jobs.finish(first)
    await jobs.settle()
    assert await active(jobs) == [second]
    await jobs.finish(second)
    await jobs.settle()
    assert ("Complete", "True", "CompletionsReached") in await conditions(jobs)


async def test_indexed_pods_know_their_index(jobs):
    await jobs.client.create(JOBS, job(completionMode="Indexed", completions=4, parallelism=2))
    await jobs.settle()
    assert await indexes(jobs) == ["0", "1"]
    pod = await jobs.one("pods", await by_index(jobs, 1))
    assert pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] == "1"
    variable = pod["spec"]["containers"][0]["env"][0]
    assert variable["name"] == "JOB_COMPLETION_INDEX"
    await jobs.finish(await by_index(jobs, 1))
    await jobs.settle()
    assert await indexes(jobs) == ["0", "2"]
    assert (await status(jobs))["completedIndexes"] == "1"
    for index in (0, 2, 3):
        await jobs.finish(await by_index(jobs, index))
        await jobs.settle()
    said = await status(jobs)
    assert (said["completedIndexes"], said["succeeded"]) == ("0-3", 4)
    assert ("Complete", "True", "CompletionsReached") in await conditions(jobs)


async def test_each_index_has_a_limit_of_its_own(jobs):
    made = job(completionMode="Indexed", completions=2, parallelism=2, backoffLimitPerIndex=1)
    await jobs.client.create(JOBS, made)
    await jobs.settle()
    await jobs.finish(await by_index(jobs, 0), code=1)
    await jobs.finish(await by_index(jobs, 1))
    await jobs.settle()
    jobs.clock.advance(11.0)
    await jobs.settle()
    again = await jobs.one("pods", await by_index(jobs, 0))
    assert again["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"] == "1"
    await jobs.finish(again["metadata"]["name"], code=1)
    await jobs.settle()
    said = await status(jobs)
    assert (said["failedIndexes"], said["completedIndexes"]) == ("0", "1")
    assert ("Failed", "True", "FailedIndexes") in await conditions(jobs)


async def test_a_pod_failure_policy_decides_what_a_failure_means(jobs):
    rules = [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
    ]
    await jobs.client.create(JOBS, job(podFailurePolicy={"rules": rules}, completions=2, parallelism=2))
    await jobs.settle()
    first, second = await active(jobs)
    disrupted = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    await jobs.finish(first, code=137, conditions=[disrupted])
    await jobs.settle()
    assert not (await status(jobs)).get("failed"), "an eviction is not the Job's fault"
    await jobs.finish(second, code=42)
    await jobs.settle()
    (target, failed) = (await status(jobs))["conditions"]
    assert (target["type"], failed["type"], failed["reason"]) == ("FailureTarget", "Failed", "PodFailurePolicy")
    said = f"Container c for pod default/{second} failed with exit code 42 matching FailJob rule at index 1"
    assert failed["message"] == said


async def test_a_success_policy_ends_a_job_early(jobs):
    policy = {"rules": [{"succeededIndexes": "0", "succeededCount": 1}]}
    await jobs.client.create(JOBS, job(completionMode="Indexed", completions=3, parallelism=3, successPolicy=policy))
    await jobs.settle()
    await jobs.finish(await by_index(jobs, 0))
    await jobs.settle()
    await jobs.let_go()
    await jobs.settle()
    met = ("True", "SuccessPolicy")
    assert await conditions(jobs) == [("SuccessCriteriaMet", *met), ("Complete", *met)]
    assert not (await status(jobs)).get("failed")


async def test_somebody_else_may_manage_a_job(jobs):
    await jobs.client.create(JOBS, job(managedBy="example.com/queue"))
    await jobs.settle()
    assert not await jobs.pods() and not await status(jobs)


async def test_a_lost_status_write_counts_nothing_twice(jobs):
    """The uids in the status survive; what they stand for is counted when their pods are free."""
    await jobs.client.create(JOBS, job(completions=2, parallelism=2))
    await jobs.settle()
    await jobs.finish(*await active(jobs))
    for _ in range(5):  # somebody else writes in between, so that our writes conflict
        await jobs.turn(3)
        labels = {"metadata": {"annotations": {"touched": str(_)}}}
        await jobs.client.patch(JOBS, "work", labels, "default")
    await jobs.until(lambda: is_complete(jobs), step_s=0.5)
    assert (await status(jobs))["succeeded"] == 2


async def is_complete(world) -> bool:
    return any(type == "Complete" for type, _, _ in await conditions(world))


async def test_the_pods_of_a_deleted_job_are_let_go(jobs):
    await jobs.client.create(JOBS, job())
    await jobs.settle()
    (name,) = await active(jobs)
    await jobs.client.delete(JOBS, "work", "default", propagation_policy="Background")
    await jobs.settle()
    try:
        assert not (await jobs.one("pods", name))["metadata"].get("finalizers")
    except StatusError as error:
        assert error.reason == "NotFound"


def test_indexes_are_written_as_kubernetes_writes_them():
    assert format_indexes([]) == "" and format_indexes([1]) == "1"
    assert format_indexes([0, 1, 4, 5, 6, 9]) == "0,1,4-6,9"
    assert parse_indexes("0,1,4-6,9", 6) == {0, 1, 4, 5}
    assert parse_indexes("nonsense", 6) == set()
