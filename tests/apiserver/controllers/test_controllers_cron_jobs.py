"""CronJobs: a Job each time the schedule comes round. The clock starts at 2023-11-14T22:13:20Z."""

from __future__ import annotations

import pytest

CRON_JOBS = "batch/v1/cronjobs"
JOBS = "batch/v1/jobs"


@pytest.fixture
async def crons(world):
    await world.run("cronjob-controller")
    return world


def cron_job(schedule: str = "*/5 * * * *", **spec) -> dict:
    pod = {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}
    template = {
        "metadata": {"labels": {"made": "by-cron"}, "annotations": {"a": "b"}},
        "spec": {"template": {"spec": pod}},
    }
    metadata = {"name": "tick", "namespace": "default"}
    spec = {"schedule": schedule, "jobTemplate": template, **spec}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec}


async def advance(world, seconds: float, steps: int = 1) -> None:
    for _ in range(steps):
        world.clock.advance(seconds / steps)
        await world.settle()


async def end(world, name: str, type: str = "Complete") -> None:
    now = "2023-11-14T23:00:00Z"
    reason = {"Complete": "CompletionsReached", "Failed": "BackoffLimitExceeded"}[type]
    before = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[type]
    conditions = [{"type": t, "status": "True", "reason": reason, "lastTransitionTime": now} for t in (before, type)]
    status = {"conditions": conditions, "startTime": now, **({"completionTime": now} if type == "Complete" else {})}
    if type == "Complete":
        status["succeeded"] = 1
    await world.client.patch_status(JOBS, name, {"status": status}, "default", patch_type="merge")


async def status(world) -> dict:
    return (await world.one(CRON_JOBS, "tick")).get("status") or {}


async def test_a_job_each_time(crons):
    await crons.client.create(CRON_JOBS, cron_job())
    await crons.settle()
    assert not await crons.names(JOBS)
    await advance(crons, 101.0)
    (name,) = await crons.names(JOBS)
    job = await crons.one(JOBS, name)
    assert name == f"tick-{1_700_000_100 // 60}"
    assert job["metadata"]["labels"] == {"made": "by-cron"} and job["metadata"]["annotations"]["a"] == "b"
    assert job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"] == "2023-11-14T22:15:00Z"
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["controller"]) == ("CronJob", True)
    said = await status(crons)
    assert said["lastScheduleTime"] == "2023-11-14T22:15:00Z"
    assert [reference["name"] for reference in said["active"]] == [name]
    await advance(crons, 300.0)
    assert len(await crons.names(JOBS)) == 2
    await end(crons, name)
    await crons.settle()
    said = await status(crons)
    assert len(said["active"]) == 1 and said["lastSuccessfulTime"] == "2023-11-14T23:00:00Z"
    events = await crons.events()
    assert ("SuccessfulCreate", f"Created job {name}") in events
    assert ("SawCompletedJob", f"Saw completed job: {name}, condition: Complete") in events


async def test_forbid_waits_and_replace_deletes(crons):
    await crons.client.create(CRON_JOBS, cron_job(concurrencyPolicy="Forbid"))
    await crons.settle()
    await advance(crons, 700.0, 3)
    (first,) = await crons.names(JOBS)
    assert "JobAlreadyActive" in {reason for reason, _ in await crons.events()}
    await crons.client.patch(CRON_JOBS, "tick", {"spec": {"concurrencyPolicy": "Replace"}}, "default")
    await advance(crons, 300.0)
    (second,) = await crons.names(JOBS)
    assert second > first


async def test_a_suspended_one_waits_and_makes_up_for_the_latest_time(crons):
    await crons.client.create(CRON_JOBS, cron_job(suspend=True))
    await crons.settle()
    await advance(crons, 2000.0)
    assert not await crons.names(JOBS)
    await crons.client.patch(CRON_JOBS, "tick", {"spec": {"suspend": False}}, "default")
    await crons.settle()
    assert len(await crons.names(JOBS)) == 1


async def test_what_is_too_late_is_missed(crons):
    await crons.client.create(CRON_JOBS, cron_job("@hourly", startingDeadlineSeconds=10, suspend=True))
    await crons.settle()
    await advance(crons, 3600.0)
    await crons.client.patch(CRON_JOBS, "tick", {"spec": {"suspend": False}}, "default")
    await crons.settle()
    assert not await crons.names(JOBS)


async def test_history_is_limited(crons):
    await crons.client.create(CRON_JOBS, cron_job(successfulJobsHistoryLimit=1, failedJobsHistoryLimit=0))
    await crons.settle()
    for type in ("Complete", "Complete", "Failed"):
        await advance(crons, 300.0)
        for name in await crons.names(JOBS):
            if not ((await crons.one(JOBS, name)).get("status") or {}).get("conditions"):
                await end(crons, name, type)
        await crons.settle()
    assert len(await crons.names(JOBS)) == 1


async def test_a_year_of_missed_times_is_one_job_and_a_warning(crons):
    await crons.client.create(CRON_JOBS, cron_job("* * * * *", suspend=True))
    await crons.settle()
    await advance(crons, 365 * 86400.0)
    await crons.client.patch(CRON_JOBS, "tick", {"spec": {"suspend": False}}, "default")
    await crons.settle()
    (name,) = await crons.names(JOBS)
    assert name == f"tick-{int(crons.clock.now_s()) // 60}"
    assert "TooManyMissedTimes" in {reason for reason, _ in await crons.events()}


async def test_an_hour_of_another_zone(crons):
    await crons.client.create(CRON_JOBS, cron_job("0 18 * * *", timeZone="America/New_York"))
    await crons.settle()
    await advance(crons, 3600.0, 2)
    (job,) = await crons.all(JOBS)
    when = job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    assert when == "2023-11-14T18:00:00-05:00"


async def test_finished_jobs_go_when_their_time_is_over(world):
    await world.run("ttl-after-finished-controller")
    template = {"spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}}
    made = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "work", "namespace": "default"}}
    await world.client.create(JOBS, {**made, "spec": {"template": template, "ttlSecondsAfterFinished": 3600}})
    await end(world, "work")
    await world.settle()
    world.clock.advance(3600.0)
    await world.settle()
    assert "deletionTimestamp" not in (await world.one(JOBS, "work"))["metadata"]
    world.clock.advance(3600.0)
    await world.settle()
    job = await world.one(JOBS, "work")
    assert job["metadata"]["finalizers"] == ["foregroundDeletion"] and job["metadata"]["deletionTimestamp"]
