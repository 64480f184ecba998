"""Finished Jobs with ttlSecondsAfterFinished: deleted when the time is over, pods first.

Source of the rules: Kubernetes pkg/controller/ttlafterfinished.
"""

from __future__ import annotations

from apiserver.client import Object, WorkQueue, key_of, resource_name, split_key
from apiserver.controllers.context import Context
from apiserver.controllers.job_status import find_true
from apiserver.errors import StatusError
from apiserver.meta import parse_time

JOBS = resource_name("batch/v1/jobs")


class TtlAfterFinishedController:
    """Keys are Jobs."""

    workers = 5

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._clock = context.clock
        self._jobs = context.informers.informer(JOBS)
        self._jobs.add_handler(on_add=self._job_seen, on_update=lambda old, job: self._job_seen(job))

    def _job_seen(self, job: Object) -> None:
        if not job["metadata"].get("deletionTimestamp") and _expires_s(job) is not None:
            self.queue.add(key_of(job))

    async def reconcile(self, key: str) -> None:
        namespace, name = split_key(key)
        job = self._jobs.get(name, namespace)
        if job is None or job["metadata"].get("deletionTimestamp"):
            return
        expires_s = _expires_s(job)
        if expires_s is None:
            return
        if expires_s > self._clock.now_s():
            self.queue.add_after(key, expires_s - self._clock.now_s())
            return
        metadata = job["metadata"]
        try:
            await self._client.delete(
                JOBS,
                name,
                namespace,
                uid=metadata["uid"],
                resource_version=metadata["resourceVersion"],
                propagation_policy="Foreground",
            )
        except StatusError as error:
            if error.reason != "NotFound":
                raise


def _expires_s(job: Object) -> float | None:
    ttl_s = job["spec"].get("ttlSecondsAfterFinished")
    finished = find_true(job, "Complete") or find_true(job, "Failed")
    if ttl_s is None or finished is None or not finished.get("lastTransitionTime"):
        return None
    return parse_time(finished["lastTransitionTime"]) + float(ttl_s)
