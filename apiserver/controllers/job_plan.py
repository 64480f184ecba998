"""What a Job's pods have come to, and which pods to make or delete next.

`look_at` counts each pod once: a finished pod is new (still has the tracking finalizer and is not named in the status),
uncounted (named in status.uncountedTerminatedPods), or done with. `plan` says how many pods should run now: at most
parallelism, no more than completions still need, none while suspended, and after failures only when the back-off is over.

Pure functions. Source of the rules: Kubernetes pkg/controller/job (job_controller.go manageJob, indexed_job_utils.go,
backoff_utils.go).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from apiserver.client import Object, Objects
from apiserver.controllers.job_indexes import (
    COMPLETION_INDEX,
    FAILURE_COUNT,
    IGNORED_FAILURE_COUNT,
    failure_count,
    index_of,
    parse_indexes,
)
from apiserver.controllers.job_policies import COUNT, FAIL_INDEX, FAIL_JOB, IGNORE, judge_failure
from apiserver.controllers.pod_control import pod_from_template
from apiserver.controllers.pods import is_active, is_ready, rank_for_deletion
from apiserver.meta import parse_time

TRACKING = "batch.kubernetes.io/job-tracking"
FIRST_BACKOFF_S, LAST_BACKOFF_S = 10.0, 600.0


def is_indexed(job: Object) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def is_suspended(job: Object) -> bool:
    return bool(job["spec"].get("suspend"))


def replaces_only_failed(job: Object) -> bool:
    """A pod that is being stopped counts as running until it has failed."""
    return bool(job["spec"].get("podReplacementPolicy") == "Failed" or job["spec"].get("podFailurePolicy"))


def has_failed(job: Object, pod: Object) -> bool:
    phase = (pod.get("status") or {}).get("phase")
    if phase == "Failed":
        return True
    if phase == "Succeeded" or replaces_only_failed(job):
        return False
    return bool(pod["metadata"].get("deletionTimestamp"))


@dataclass(slots=True)
class JobState:
    """counted_*: for the status now; uncounted_*: uids that are counted when their pods are released.

    succeeded_indexes, failed_indexes: None where the Job is not Indexed, or has no limit per index.
    """

    pods: Objects
    active: Objects
    tracked: Objects
    ready: int
    terminating: int
    counted_succeeded: int = 0
    counted_failed: int = 0
    uncounted_succeeded: list[str] = field(default_factory=list)
    uncounted_failed: list[str] = field(default_factory=list)
    succeeded_indexes: set[int] | None = None
    failed_indexes: set[int] | None = None
    finished: Objects = field(default_factory=list)
    fail_message: str = ""

    @property
    def succeeded(self) -> int:
        return self.counted_succeeded + len(self.uncounted_succeeded)

    @property
    def failed(self) -> int:
        return self.counted_failed + len(self.uncounted_failed)

    def end(self, job: Object, *, counts: bool) -> None:
        """The Job has ended: every pod is let go, and (where the Job failed) counts as failed unless it succeeded."""
        known = {pod["metadata"]["uid"] for pod in self.finished}
        for pod in self.tracked:
            if pod["metadata"]["uid"] not in known:
                self.finished.append(pod)
                if counts and judge_failure(job, pod).action != IGNORE:
                    self.uncounted_failed.append(pod["metadata"]["uid"])


def look_at(job: Object, pods: Objects, released: Collection[str]) -> JobState:
    """released: uids whose finalizer is gone, though the pods may not show it yet."""
    tracked = [
        pod
        for pod in pods
        if TRACKING in (pod["metadata"].get("finalizers") or ()) and pod["metadata"]["uid"] not in released
    ]
    active = [pod for pod in pods if is_active(pod)]
    terminating = [
        pod
        for pod in pods
        if pod["metadata"].get("deletionTimestamp")
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    ]
    state = JobState(pods, active, tracked, sum(map(is_ready, active)), len(terminating))
    _count(job, state)
    return state


def _count(job: Object, state: JobState) -> None:
    status = job.get("status") or {}
    held = {pod["metadata"]["uid"] for pod in state.tracked}
    uncounted = status.get("uncountedTerminatedPods") or {}
    succeeded, failed = uncounted.get("succeeded") or [], uncounted.get("failed") or []
    state.counted_succeeded = (status.get("succeeded") or 0) + sum(uid not in held for uid in succeeded)
    state.counted_failed = (status.get("failed") or 0) + sum(uid not in held for uid in failed)
    state.uncounted_succeeded = [uid for uid in succeeded if uid in held]
    state.uncounted_failed = [uid for uid in failed if uid in held]
    known = {*succeeded, *failed}
    completions = int(job["spec"].get("completions") or 0)
    indexed = is_indexed(job)
    done = parse_indexes(status.get("completedIndexes") or "", completions)
    for pod in state.tracked:
        uid, index = pod["metadata"]["uid"], index_of(pod)
        valid = index is not None and index < completions
        if (pod.get("status") or {}).get("phase") == "Succeeded" and uid not in state.uncounted_failed:
            state.finished.append(pod)
            if indexed and valid:
                done.add(index or 0)
            elif not indexed and uid not in known:
                state.uncounted_succeeded.append(uid)
        elif has_failed(job, pod):
            state.finished.append(pod)
            ruling = judge_failure(job, pod)
            if ruling.action == FAIL_JOB and not state.fail_message:
                state.fail_message = ruling.message
            if uid not in known and ruling.action != IGNORE and (valid or not indexed):
                state.uncounted_failed.append(uid)
    if not indexed:
        return
    state.succeeded_indexes = done
    state.counted_succeeded = len(done)
    limit = job["spec"].get("backoffLimitPerIndex")
    if limit is None:
        return
    state.failed_indexes = parse_indexes(status.get("failedIndexes") or "", completions)
    for pod in state.finished:
        index = index_of(pod)
        if index is None or index >= completions or index in done or not has_failed(job, pod):
            continue
        action = judge_failure(job, pod).action
        if action == FAIL_INDEX or (action in (COUNT, FAIL_JOB) and failure_count(pod) >= limit):
            state.failed_indexes.add(index)


# ------------------------------------------------------------------------------------------------ planning


class Start(NamedTuple):
    """A pod to make: its completion index, and how often the index has failed, with and without counting."""

    number: int | None = None
    failures: int | None = None
    ignored: int = 0


class Plan(NamedTuple):
    """wait_s: when to look again, because a back-off is over then."""

    create: list[Start] = []  # noqa: RUF012 - never changed
    delete: Objects = []  # noqa: RUF012
    wait_s: float | None = None


def plan(job: Object, state: JobState, now_s: float) -> Plan:
    spec = job["spec"]
    active = state.active
    if is_suspended(job):
        return Plan(delete=active)
    parallelism, completions = int(spec.get("parallelism", 1)), spec.get("completions")
    if completions is None:
        wanted = parallelism if state.succeeded == 0 else min(len(active), parallelism)
    else:
        left = int(completions) - state.succeeded - len(state.failed_indexes or ())
        wanted = max(min(left, parallelism), 0)
    surplus = _surplus(job, state, max(len(active) - wanted, 0))
    if surplus:
        return Plan(delete=surplus)
    stopping = state.terminating if replaces_only_failed(job) else 0
    missing = wanted - len(active) - stopping
    if missing <= 0:
        return Plan()
    if not is_indexed(job):
        wait_s = backoff_s(state.pods, job, now_s)
        return Plan(wait_s=wait_s) if wait_s > 0 else Plan([Start()] * missing)
    return _plan_indexes(job, state, missing, now_s)


def _plan_indexes(job: Object, state: JobState, missing: int, now_s: float) -> Plan:
    """The lowest indexes that nobody works on. With a limit per index each index has its own back-off."""
    spec = job["spec"]
    per_index = spec.get("backoffLimitPerIndex") is not None
    busy = {index_of(pod) for pod in state.active}
    if replaces_only_failed(job):
        busy |= {index_of(pod) for pod in state.pods if not has_failed(job, pod) and not _is_finished(pod)}
    taken = busy | (state.succeeded_indexes or set()) | (state.failed_indexes or set())
    free = (index for index in range(int(spec["completions"])) if index not in taken)
    if not per_index:
        wait_s = backoff_s(state.pods, job, now_s)
        return (
            Plan(wait_s=wait_s) if wait_s > 0 else Plan([Start(i) for i, _ in zip(free, range(missing), strict=False)])
        )
    starts: list[Start] = []
    waits: list[float] = []
    for index in free:
        if len(starts) + len(waits) >= missing:
            break
        own = [pod for pod in state.pods if index_of(pod) == index]
        wait_s = backoff_s(own, job, now_s)
        if wait_s > 0:
            waits.append(wait_s)
            continue
        starts.append(_restart(job, index, [pod for pod in own if has_failed(job, pod)]))
    return Plan(starts, wait_s=min(waits) if waits else None)


def _restart(job: Object, index: int, failed: Objects) -> Start:
    if not failed:
        return Start(index, 0)
    last = max(failed, key=lambda pod: failure_count(pod) + failure_count(pod, IGNORED_FAILURE_COUNT))
    counts, ignored = failure_count(last), failure_count(last, IGNORED_FAILURE_COUNT)
    if judge_failure(job, last).action == IGNORE:
        return Start(index, counts, ignored + 1)
    return Start(index, counts + 1, ignored)


def _surplus(job: Object, state: JobState, least: int) -> Objects:
    """The pods to delete: of Indexed Jobs first those without a valid index and second ones of an index."""
    if not is_indexed(job):
        return rank_for_deletion(state.active)[:least]
    completions = int(job["spec"]["completions"])
    dead = (state.succeeded_indexes or set()) | (state.failed_indexes or set())
    doomed: Objects = []
    kept: Objects = []
    seen: set[int] = set()
    for pod in reversed(rank_for_deletion(state.active)):
        index = index_of(pod)
        if index is None or index >= completions or index in seen or index in dead:
            doomed.append(pod)
        else:
            seen.add(index)
            kept.append(pod)
    rest = sorted(kept, key=lambda pod: index_of(pod) or 0, reverse=True)
    return doomed + rest[: max(least - len(doomed), 0)]


def backoff_s(pods: Objects, job: Object, now_s: float) -> float:
    """Seconds until the next pod may be made: 10 s after a failure, doubled with each one since the last success."""
    times = sorted((_finished_s(pod, now_s), has_failed(job, pod)) for pod in pods if _is_over(job, pod))
    failures = 0
    for _, failed in times:
        failures = failures + 1 if failed else 0
    if not failures:
        return 0.0
    delay_s = min(FIRST_BACKOFF_S * 2.0 ** min(failures - 1, 16), LAST_BACKOFF_S)
    return times[-1][0] + delay_s - now_s


def _is_finished(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _is_over(job: Object, pod: Object) -> bool:
    return _is_finished(pod) or has_failed(job, pod)


def _finished_s(pod: Object, now_s: float) -> float:
    status = pod.get("status") or {}
    times = [
        (container.get("state") or {}).get("terminated", {}).get("finishedAt")
        for container in status.get("containerStatuses") or ()
    ]
    known = [parse_time(time) for time in times if time]
    if known:
        return max(known)
    if pod["metadata"].get("deletionTimestamp"):
        grace_s = pod["metadata"].get("deletionGracePeriodSeconds") or 0
        return parse_time(pod["metadata"]["deletionTimestamp"]) - float(grace_s)
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Ready" and condition.get("lastTransitionTime"):
            return parse_time(condition["lastTransitionTime"])
    return now_s


def build_pod(job: Object, start: Start) -> Object:
    name = job["metadata"]["name"]
    prefix = f"{name}-" if start.number is None else f"{name}-{start.number}-"
    pod = pod_from_template(job["spec"]["template"], job, prefix)
    metadata = pod["metadata"]
    metadata["finalizers"] = [*(f for f in metadata.get("finalizers") or () if f != TRACKING), TRACKING]
    if start.number is None:
        return pod
    metadata.setdefault("annotations", {})[COMPLETION_INDEX] = str(start.number)
    metadata.setdefault("labels", {})[COMPLETION_INDEX] = str(start.number)
    if start.failures is not None:
        metadata["annotations"][FAILURE_COUNT] = str(start.failures)
        if start.ignored:
            metadata["annotations"][IGNORED_FAILURE_COUNT] = str(start.ignored)
    pod["spec"]["hostname"] = f"{name}-{start.number}"
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{COMPLETION_INDEX}']"}}
    for container in [*(pod["spec"].get("initContainers") or ()), *(pod["spec"].get("containers") or ())]:
        env = container.setdefault("env", [])
        if not any(variable.get("name") == "JOB_COMPLETION_INDEX" for variable in env):
            env.append({"name": "JOB_COMPLETION_INDEX", "valueFrom": source})
    return pod
