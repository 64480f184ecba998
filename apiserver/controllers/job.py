"""Jobs: pods until so many have succeeded, or too much has failed.

    claim pods ─► count what has finished ─► has it failed? has it succeeded? ─► else create or delete pods
        ─► write the counts, with the uids of finished pods ─► release those pods (finalizer) ─► move the uids into the counts

Every pod carries the finalizer batch.kubernetes.io/job-tracking, so that none is gone before it is counted:
status.uncountedTerminatedPods names the pods that are counted but not yet released, and a pod is counted once whatever
write fails in between.
A Job ends in two steps: FailureTarget or SuccessCriteriaMet stops the pods, and when the last is gone Failed or Complete is
true. Sizes are job_plan's, what failures mean is job_policies', the status is job_status'.
Source of the rules: Kubernetes pkg/controller/job.
"""

from __future__ import annotations

import asyncio
import copy

from apiserver.client import Object, Objects, WorkQueue, controller_of, key_of, resource_name, split_key
from apiserver.controllers.context import Context
from apiserver.controllers.expectations import EXPIRY_S, Expectations
from apiserver.controllers.job_indexes import format_indexes
from apiserver.controllers.job_plan import TRACKING, JobState, Plan, build_pod, is_suspended, look_at, plan
from apiserver.controllers.job_status import (
    decide,
    enact,
    find_true,
    is_finished,
    note_suspension,
    seconds_until_deadline,
)
from apiserver.controllers.ownership import claim, index_orphans, owner_of
from apiserver.controllers.pod_control import BURST, PODS, PodControl, is_namespace_terminating
from apiserver.controllers.pods import gather_s, is_relevant_change
from apiserver.errors import StatusError
from apiserver.meta import format_time, label_selector_of

JOBS = resource_name("batch/v1/jobs")
MANAGER = "kubernetes.io/job-controller"
_POINTERS = ("ready", "terminating", "uncountedTerminatedPods", "failedIndexes")
"""Written also where they are empty, as Go writes pointers."""


class JobController:
    workers = 5

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock, base_delay_s=1.0, max_delay_s=60.0)
        self._client = context.client
        self._clock = context.clock
        self._jobs = context.informers.informer(JOBS)
        self._pods = context.informers.informer(PODS)
        self._expectations = Expectations(context.clock)
        self._released: dict[str, set[str]] = {}
        self._recorder = context.recorder("job-controller")
        self._control = PodControl(context.client, self._recorder, self._expectations)
        index_orphans(self._pods)
        self._jobs.add_handler(
            on_add=lambda obj: self.queue.add(key_of(obj)),
            on_update=lambda old, obj: self.queue.add(key_of(obj)),
            on_delete=self._job_deleted,
        )
        self._pods.add_handler(on_add=self._pod_added, on_update=self._pod_updated, on_delete=self._pod_deleted)

    # ------------------------------------------------------------------------------------------------ events

    def _job_deleted(self, job: Object) -> None:
        self._expectations.forget(key_of(job))
        self._released.pop(key_of(job), None)
        for pod in self._pods.owned_by(job["metadata"]["uid"]):
            self._release_orphan(pod)

    def _pod_added(self, pod: Object) -> None:
        if pod["metadata"].get("deletionTimestamp"):
            self._pod_deleted(pod)
            return
        owner = owner_of(pod, "Job", self._jobs)
        if owner is not None:
            self._expectations.creation_seen(key_of(owner))
            self._wake(owner)
        elif controller_of(pod) is None:
            for candidate in self._jobs.list(pod["metadata"]["namespace"]):
                if _is_selected(candidate, pod):
                    self.queue.add(key_of(candidate))
        else:
            self._release_orphan(pod)

    def _pod_updated(self, old: Object, pod: Object) -> None:
        owner, former = owner_of(pod, "Job", self._jobs), owner_of(old, "Job", self._jobs)
        if owner is not None and pod["metadata"].get("deletionTimestamp"):
            self._expectations.deletion_seen(key_of(owner), pod["metadata"]["uid"])
        if former is not None and former is not owner:
            self.queue.add(key_of(former))
        if owner is not None:
            if not _is_tracked(pod):
                self._released.get(key_of(owner), set()).discard(pod["metadata"]["uid"])
            released = TRACKING in (old["metadata"].get("finalizers") or ()) and not _is_tracked(pod)
            if released or former is not owner or is_relevant_change(old, pod):
                self._wake(owner)
        else:
            self._release_orphan(pod)

    def _pod_deleted(self, pod: Object) -> None:
        owner = owner_of(pod, "Job", self._jobs)
        if owner is not None:
            self._expectations.deletion_seen(key_of(owner), pod["metadata"]["uid"])
            self._released.get(key_of(owner), set()).discard(pod["metadata"]["uid"])
            self._wake(owner)

    def _wake(self, job: Object) -> None:
        if self._expectations.satisfied(key_of(job)):
            self.queue.add_after(key_of(job), 10 * gather_s(job["spec"].get("parallelism") or 0))

    def _release_orphan(self, pod: Object) -> None:
        """A pod whose Job is gone: nobody will count it, so nothing may hold it."""
        if _is_tracked(pod):
            self.queue.add(f"{key_of(pod)}/orphan")

    # ------------------------------------------------------------------------------------------------ reconcile

    async def reconcile(self, key: str) -> None:
        if key.endswith("/orphan"):
            await self._release_one(key.removesuffix("/orphan"))
            return
        namespace, name = split_key(key)
        cached = self._jobs.get(name, namespace)
        if cached is None:
            self._expectations.forget(key)
            return
        if cached["spec"].get("managedBy", MANAGER) != MANAGER:
            return
        if is_finished(cached):
            await self._release_all(cached)
            return
        job = copy.deepcopy(cached)
        pods = await claim(self._client, PODS, job, self._pods, lambda pod: _is_selected(job, pod))
        await self._sync(key, job, pods)

    async def _sync(self, key: str, job: Object, pods: Objects) -> None:
        now_s = self._clock.now_s()
        before = copy.deepcopy(job.get("status") or {})
        state = look_at(job, pods, self._released.get(key, ()))
        status = job.setdefault("status", {})
        if not status.get("startTime") and not is_suspended(job):
            status["startTime"] = format_time(now_s)
        decide(job, state, now_s)
        target, met = find_true(job, "FailureTarget"), find_true(job, "SuccessCriteriaMet")
        failure: StatusError | None = None
        chosen, active = Plan(), len(state.active)
        try:
            if target or met:
                active = 0
                await self._control.delete_all(key, job, state.active)
                state.end(job, counts=target is not None)
            elif self._expectations.satisfied(key) and not job["metadata"].get("deletionTimestamp"):
                chosen = plan(job, state, now_s)
                active += await self._carry_out(key, job, chosen)
        except StatusError as error:
            failure = error
        if not (target or met):
            event = note_suspension(job, now_s)
            if event is not None:
                self._recorder.event(job, "Normal", event[0], event[1])
        await self._count(key, job, before, state, active)
        if failure is not None and not is_namespace_terminating(failure):
            raise failure
        self._revisit(key, job, chosen)

    async def _carry_out(self, key: str, job: Object, chosen: Plan) -> int:
        """-> how many more (or fewer) pods are active."""
        if chosen.delete:
            # Let go first: pods that the Job itself stops early are not failures. One that has changed meanwhile may have
            # ended, and counts: it is left alone, and its event brings the Job back.
            pods = chosen.delete[:BURST]
            freed = await asyncio.gather(*(self._untrack(key, pod, unchanged=True) for pod in pods))
            doomed = [pod for pod, is_free in zip(pods, freed, strict=True) if is_free]
            await self._control.delete_all(key, job, doomed)
            return -len(doomed)
        starts = chosen.create[:BURST]
        if starts:
            await self._control.create_all(key, job, [build_pod(job, start) for start in starts])
        return len(starts)

    # ------------------------------------------------------------------------------------------------ counting

    async def _count(self, key: str, job: Object, before: Object, state: JobState, active: int) -> None:
        """Writes the status, lets the finished pods go, writes it again with them in the counts."""
        status = job["status"]
        status.update(active=active, ready=state.ready, terminating=state.terminating)
        status.update(succeeded=state.counted_succeeded, failed=state.counted_failed)
        if state.succeeded_indexes:
            status["completedIndexes"] = format_indexes(state.succeeded_indexes)
        if state.failed_indexes is not None:
            status["failedIndexes"] = format_indexes(state.failed_indexes)
        uncounted = {"succeeded": state.uncounted_succeeded, "failed": state.uncounted_failed}
        status["uncountedTerminatedPods"] = {name: uids for name, uids in uncounted.items() if uids}
        ends = active == 0 and not state.active and not state.terminating
        if not state.finished:
            event = enact(job, self._clock.now_s()) if ends else None
            await self._write(job, before)
            if event is not None:
                self._recorder.event(job, *event)
            return
        job = await self._write(job, before)
        await asyncio.gather(*(self._untrack(key, pod) for pod in state.finished))
        before = copy.deepcopy(job["status"])
        status = job["status"]
        for name in ("succeeded", "failed"):
            status[name] = (status.get(name) or 0) + len(uncounted[name])
        status["uncountedTerminatedPods"] = {}
        event = enact(job, self._clock.now_s()) if ends else None
        await self._write(job, before)
        if event is not None:
            self._recorder.event(job, *event)

    async def _write(self, job: Object, before: Object) -> Object:
        """The Job as stored, the caller's own. before: the status as it was."""
        status = {name: value for name, value in job["status"].items() if value or name in _POINTERS}
        if {n: v for n, v in status.items() if v} == {n: v for n, v in before.items() if v}:
            return job
        try:
            return await self._client.update_status(JOBS, {**job, "status": status})
        except StatusError as error:
            if error.reason != "NotFound":
                raise
            return job

    async def _release_all(self, job: Object) -> None:
        for pod in self._pods.owned_by(job["metadata"]["uid"]):
            if _is_tracked(pod):
                await self._untrack("", pod)

    async def _release_one(self, key: str) -> None:
        namespace, name = split_key(key)
        pod = self._pods.get(name, namespace)
        if pod is None or not _is_tracked(pod) or owner_of(pod, "Job", self._jobs) is not None:
            return
        reference = controller_of(pod)
        if reference is not None and reference.get("kind") == "Job":
            try:
                job = await self._client.get(JOBS, reference["name"], namespace)
                if job["metadata"]["uid"] == reference["uid"]:
                    return
            except StatusError as error:
                if error.reason != "NotFound":
                    raise
        await self._untrack("", pod)

    async def _untrack(self, key: str, pod: Object, *, unchanged: bool = False) -> bool:
        """Takes the finalizer from a pod. key: of the Job that is to remember it until the pod shows it.

        unchanged: only if the pod is as it was seen; False where it is not.
        """
        metadata = pod["metadata"]
        identity = {"uid": metadata["uid"], **({"resourceVersion": metadata["resourceVersion"]} if unchanged else {})}
        patch = {"metadata": {**identity, "$deleteFromPrimitiveList/finalizers": [TRACKING]}}
        try:
            await self._client.patch(PODS, metadata["name"], patch, metadata["namespace"], patch_type="strategic")
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise
            if unchanged:
                return False
        if key and _is_tracked(pod):
            self._released.setdefault(key, set()).add(metadata["uid"])
        return True

    def _revisit(self, key: str, job: Object, chosen: Plan) -> None:
        waits = [seconds_until_deadline(job, self._clock.now_s()), chosen.wait_s]
        if not self._expectations.satisfied(key):
            waits.append(EXPIRY_S)
        pending = [wait_s for wait_s in waits if wait_s is not None and wait_s > 0]
        if pending:
            self.queue.add_after(key, min(pending))


def _is_selected(job: Object, pod: Object) -> bool:
    """A Job without a selector (which the server fills in) selects what it controls, and never everything."""
    selector = job["spec"].get("selector")
    if not selector:
        return (controller_of(pod) or {}).get("uid") == job["metadata"]["uid"]
    return label_selector_of(selector).matches(pod["metadata"].get("labels") or {})


def _is_tracked(pod: Object) -> bool:
    return TRACKING in (pod["metadata"].get("finalizers") or ())
