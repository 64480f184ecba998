"""CronJobs: a Job each time the schedule comes round, and the old ones cleared away.

    Jobs of the CronJob ─► clear finished ones beyond the history limits ─► drop from status.active what is finished or gone
        ─► the latest time that was due and is not too late ─► Forbid: wait · Replace: delete what runs · create the Job
        ─► come back at the next time

A Job's name is made of the time it is for, so a time makes one Job however often it is looked at. Of several missed times
only the latest is made up for.
Source of the rules: Kubernetes pkg/controller/cronjob.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from apiserver.client import Object, Objects, WorkQueue, controller_of, key_of, reference_to, resource_name, split_key
from apiserver.controllers.context import Context
from apiserver.controllers.job_status import find_true, is_finished
from apiserver.controllers.ownership import controller_reference, owner_of
from apiserver.controllers.pod_control import is_namespace_terminating
from apiserver.errors import StatusError
from apiserver.meta import CronError, Schedule, format_time, parse_schedule, parse_time

CRON_JOBS = resource_name("batch/v1/cronjobs")
JOBS = resource_name("batch/v1/jobs")
SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
MANY_MISSED = 100
MAX_COUNTED = 1000
NEXT_DELTA_S = 0.1
"""Looked at so long after the time, for clocks that differ a little."""


class CronJobController:
    workers = 5

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._clock = context.clock
        self._cron_jobs = context.informers.informer(CRON_JOBS)
        self._jobs = context.informers.informer(JOBS)
        self._recorder = context.recorder("cronjob-controller")
        self._cron_jobs.add_handler(
            on_add=lambda obj: self.queue.add(key_of(obj)), on_update=lambda old, obj: self.queue.add(key_of(obj))
        )
        self._jobs.add_handler(on_add=self._job_seen, on_update=self._job_updated, on_delete=self._job_seen)

    def _job_seen(self, job: Object) -> None:
        owner = owner_of(job, "CronJob", self._cron_jobs)
        if owner is not None:
            self.queue.add(key_of(owner))

    def _job_updated(self, old: Object, job: Object) -> None:
        if is_finished(old) != is_finished(job) or controller_of(old) != controller_of(job):
            self._job_seen(job)

    # ------------------------------------------------------------------------------------------------ reconcile

    async def reconcile(self, key: str) -> None:
        namespace, name = split_key(key)
        cached = self._cron_jobs.get(name, namespace)
        if cached is None:
            return
        cron_job = copy.deepcopy(cached)
        before = copy.deepcopy(cron_job.get("status") or {})
        uid = cron_job["metadata"]["uid"]
        jobs = [job for job in self._jobs.owned_by(uid) if (controller_of(job) or {}).get("uid") == uid]
        self._note_active(cron_job, jobs)
        jobs = await self._clean_up(cron_job, jobs)
        wait_s: float | None = None
        if not cron_job["metadata"].get("deletionTimestamp") and not cron_job["spec"].get("suspend"):
            wait_s = await self._run_due(cron_job, jobs)
        if cron_job["status"] != before:
            try:
                await self._client.update_status(CRON_JOBS, cron_job)
            except StatusError as error:
                if error.reason != "NotFound":
                    raise
        if wait_s is not None:
            self.queue.add_after(key, wait_s + NEXT_DELTA_S)

    def _note_active(self, cron_job: Object, jobs: Objects) -> None:
        """status.active names the Jobs that run; what is finished or gone is told of and dropped."""
        status = cron_job.setdefault("status", {})
        known = {job["metadata"]["uid"]: job for job in jobs}
        kept = []
        for reference in status.get("active") or ():
            job = known.pop(reference["uid"], None)
            if job is None:
                message = f"Active job went missing: {reference['name']}"
                self._recorder.event(cron_job, "Normal", "MissingJob", message)
            elif is_finished(job):
                condition = "Complete" if find_true(job, "Complete") else "Failed"
                message = f"Saw completed job: {reference['name']}, condition: {condition}"
                self._recorder.event(cron_job, "Normal", "SawCompletedJob", message)
            else:
                kept.append(reference)
        for job in known.values():
            if is_finished(job):
                continue
            if SCHEDULED_AT in (job["metadata"].get("annotations") or {}):
                kept.append(_reference(job))  # made a moment ago, before the status was written
            else:
                message = f"Saw a job that the controller did not create or forgot: {job['metadata']['name']}"
                self._recorder.event(cron_job, "Warning", "UnexpectedJob", message)
        _set(status, "active", kept)
        done = [job["status"]["completionTime"] for job in jobs if find_true(job, "Complete")]
        latest = max([*done, status.get("lastSuccessfulTime") or ""])
        _set(status, "lastSuccessfulTime", latest)

    async def _clean_up(self, cron_job: Object, jobs: Objects) -> Objects:
        """The Jobs that are left."""
        gone = set()
        for type, field, usual in (
            ("Complete", "successfulJobsHistoryLimit", 3),
            ("Failed", "failedJobsHistoryLimit", 1),
        ):
            ended = [job for job in jobs if find_true(job, type)]
            ended.sort(key=lambda job: (job["status"].get("startTime") or "", job["metadata"]["name"]))
            for job in ended[: max(len(ended) - cron_job["spec"].get(field, usual), 0)]:
                await self._delete(cron_job, job)
                gone.add(job["metadata"]["uid"])
        return [job for job in jobs if job["metadata"]["uid"] not in gone]

    async def _run_due(self, cron_job: Object, jobs: Objects) -> float | None:
        """Starts the Job that is due. -> seconds until the next time; None where there is none to wait for."""
        spec, status = cron_job["spec"], cron_job["status"]
        now_s = self._clock.now_s()
        try:
            schedule = parse_schedule(spec["schedule"], spec.get("timeZone") or "")
        except CronError as error:
            message = f"invalid schedule: {spec['schedule']} : {error}"
            if spec.get("timeZone") and "location" in str(error):
                self._recorder.event(
                    cron_job, "Warning", "UnknownTimeZone", f"invalid timeZone: {spec['timeZone']}: {error}"
                )
            else:
                self._recorder.event(cron_job, "Warning", "UnparseableSchedule", message)
            return None
        due_s = self._find_due(cron_job, schedule, now_s)
        next_s = schedule.next_after(now_s)
        wait_s = None if next_s is None else next_s - now_s
        if due_s is None:
            return wait_s
        deadline_s = spec.get("startingDeadlineSeconds")
        if deadline_s is not None and due_s + deadline_s < now_s:
            when = datetime.fromtimestamp(due_s, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
            self._recorder.event(cron_job, "Warning", "MissSchedule", f"Missed scheduled time to start a job: {when}")
            return wait_s
        name = f"{cron_job['metadata']['name']}-{int(due_s) // 60}"
        last = status.get("lastScheduleTime")
        if any(job["metadata"]["name"] == name for job in jobs) or (last and parse_time(last) >= due_s):
            return wait_s
        if spec.get("concurrencyPolicy") == "Forbid" and status.get("active"):
            message = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._recorder.event(cron_job, "Normal", "JobAlreadyActive", message)
            return wait_s
        if spec.get("concurrencyPolicy") == "Replace":
            running = {reference["uid"] for reference in status.get("active") or ()}
            for job in jobs:
                if job["metadata"]["uid"] in running:
                    await self._delete(cron_job, job)
            _set(status, "active", [])
        await self._create(cron_job, name, due_s)
        return wait_s

    def _find_due(self, cron_job: Object, schedule: Schedule, now_s: float) -> float | None:
        """The latest time that has come since the last Job was started (or the CronJob was made)."""
        status, spec = cron_job["status"], cron_job["spec"]
        earliest_s = parse_time(status.get("lastScheduleTime") or cron_job["metadata"]["creationTimestamp"])
        if spec.get("startingDeadlineSeconds") is not None:
            earliest_s = max(earliest_s, now_s - spec["startingDeadlineSeconds"])
        following = schedule.next_after(earliest_s)
        if following is None or following > now_s:
            return None
        due_s, missed = following, 0
        while following is not None and following <= now_s:
            due_s, missed = following, missed + 1
            if missed == MAX_COUNTED:
                # Too many to walk through: go on near the present, by the pace so far.
                pace_s = max((due_s - earliest_s) / missed, 60.0)
                due_s = max(due_s, now_s - 2 * pace_s)
            following = schedule.next_after(due_s)
        if missed > MANY_MISSED:
            message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            self._recorder.event(cron_job, "Warning", "TooManyMissedTimes", message)
        return due_s

    # ------------------------------------------------------------------------------------------------ writes

    async def _create(self, cron_job: Object, name: str, due_s: float) -> None:
        built = build_job(cron_job, name, due_s)
        try:
            job = await self._client.create(JOBS, built)
        except StatusError as error:
            if is_namespace_terminating(error):
                return
            if error.reason != "AlreadyExists":
                self._recorder.event(cron_job, "Warning", "FailedCreate", f"Error creating job: {error.message}")
                raise
            job = await self._client.get(JOBS, name, cron_job["metadata"]["namespace"])
            if (controller_of(job) or {}).get("uid") != cron_job["metadata"]["uid"]:
                raise
        else:
            self._recorder.event(cron_job, "Normal", "SuccessfulCreate", f"Created job {name}")
        status = cron_job["status"]
        others = [r for r in status.get("active") or () if r["uid"] != job["metadata"]["uid"]]
        status["active"] = others if is_finished(job) else [*others, _reference(job)]
        status["lastScheduleTime"] = format_time(due_s)

    async def _delete(self, cron_job: Object, job: Object) -> None:
        metadata = job["metadata"]
        try:
            await self._client.delete(
                JOBS, metadata["name"], metadata["namespace"], uid=metadata["uid"], propagation_policy="Background"
            )
        except StatusError as error:
            if error.reason in ("NotFound", "Conflict"):
                return
            self._recorder.event(cron_job, "Warning", "FailedDelete", f"Deleted job: {error.message}")
            raise
        self._recorder.event(cron_job, "Normal", "SuccessfulDelete", f"Deleted job {metadata['name']}")


def build_job(cron_job: Object, name: str, due_s: float) -> Object:
    template = cron_job["spec"]["jobTemplate"]
    metadata = template.get("metadata") or {}
    zone = cron_job["spec"].get("timeZone")
    when = datetime.fromtimestamp(due_s, ZoneInfo(zone) if zone else UTC).isoformat().replace("+00:00", "Z")
    made: Object = {
        "name": name,
        "namespace": cron_job["metadata"]["namespace"],
        "annotations": {**(metadata.get("annotations") or {}), SCHEDULED_AT: when},
        "ownerReferences": [controller_reference(cron_job)],
    }
    if metadata.get("labels"):
        made["labels"] = dict(metadata["labels"])
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": made, "spec": copy.deepcopy(template["spec"])}


def _reference(job: Object) -> Object:
    return reference_to({"apiVersion": "batch/v1", "kind": "Job", "metadata": job["metadata"]})


def _set(status: Object, name: str, value: object) -> None:
    if value:
        status[name] = value
    else:
        status.pop(name, None)
