"""How a Job ends: its conditions, in the order in which they become true.

    pods fail beyond a limit ─► FailureTarget ─► (every pod is gone) ─► Failed
    enough have succeeded    ─► SuccessCriteriaMet ─► (every pod is gone) ─► Complete, completionTime
    spec.suspend             ─► Suspended True, no startTime; again False ─► startTime anew

All functions change a private copy of the Job. Source of the rules: Kubernetes pkg/controller/job/job_controller.go.
"""

from __future__ import annotations

from apiserver.client import Object
from apiserver.controllers.job_plan import JobState, is_indexed, is_suspended
from apiserver.controllers.job_policies import match_success
from apiserver.meta import format_time, parse_time

Event = tuple[str, str, str]


def find_true(job: Object, type: str) -> Object | None:
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition.get("type") == type and condition.get("status") == "True":
            found: Object = condition
            return found
    return None


def is_finished(job: Object) -> bool:
    return find_true(job, "Complete") is not None or find_true(job, "Failed") is not None


def set_condition(job: Object, type: str, value: str, reason: str, message: str, now_s: float) -> bool:
    """Whether it is new or another than it was."""
    now = format_time(now_s)
    made = {
        "type": type,
        "status": value,
        "lastProbeTime": now,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }
    conditions = job.setdefault("status", {}).setdefault("conditions", [])
    for index, condition in enumerate(conditions):
        if condition.get("type") == type:
            if condition.get("status") == value:
                return False
            conditions[index] = made
            return True
    conditions.append(made)
    return True


def decide(job: Object, state: JobState, now_s: float) -> None:
    """Sets FailureTarget or SuccessCriteriaMet where the Job's end is decided and was not before."""
    if find_true(job, "FailureTarget") or find_true(job, "SuccessCriteriaMet"):
        return
    failure = _find_failure(job, state, now_s)
    if failure is not None:
        set_condition(job, "FailureTarget", "True", *failure, now_s)
        return
    if state.succeeded_indexes is not None:
        said = match_success(job, state.succeeded_indexes)
        if said:
            set_condition(job, "SuccessCriteriaMet", "True", "SuccessPolicy", said, now_s)
            return
    if _is_complete(job, state):
        message = "Reached expected number of succeeded pods"
        set_condition(job, "SuccessCriteriaMet", "True", "CompletionsReached", message, now_s)


def _find_failure(job: Object, state: JobState, now_s: float) -> tuple[str, str] | None:
    """(reason, message)"""
    spec = job["spec"]
    if state.fail_message:
        return "PodFailurePolicy", state.fail_message
    limit = spec.get("backoffLimit", 6)
    if state.failed > limit or _restarts_exceed(job, state, limit):
        return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    wait_s = seconds_until_deadline(job, now_s)
    if wait_s is not None and wait_s <= 0:
        return "DeadlineExceeded", "Job was active longer than specified deadline"
    if state.failed_indexes:
        most = spec.get("maxFailedIndexes")
        if most is not None and len(state.failed_indexes) > most:
            return "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
        done = len(state.failed_indexes) + len(state.succeeded_indexes or ())
        if done >= spec["completions"]:
            return "FailedIndexes", "Job has failed indexes"
    return None


def _restarts_exceed(job: Object, state: JobState, limit: int) -> bool:
    """With restartPolicy OnFailure it is the containers' restarts that count."""
    if (job["spec"]["template"].get("spec") or {}).get("restartPolicy") != "OnFailure":
        return False
    restarts = 0
    for pod in state.pods:
        status = pod.get("status") or {}
        if status.get("phase") in ("Running", "Pending"):
            containers = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
            restarts += sum(container.get("restartCount") or 0 for container in containers)
    return restarts > 0 if limit == 0 else restarts >= limit


def seconds_until_deadline(job: Object, now_s: float) -> float | None:
    """Until activeDeadlineSeconds are over; None where there is no deadline, or the clock does not run."""
    deadline_s, started = job["spec"].get("activeDeadlineSeconds"), (job.get("status") or {}).get("startTime")
    if deadline_s is None or not started or is_suspended(job):
        return None
    return parse_time(started) + float(deadline_s) - now_s


def _is_complete(job: Object, state: JobState) -> bool:
    completions = job["spec"].get("completions")
    if completions is None:
        return state.succeeded > 0 and not state.active
    return state.succeeded >= completions and (not is_indexed(job) or not state.failed_indexes)


def note_suspension(job: Object, now_s: float) -> tuple[str, str] | None:
    """(reason, message) of an event where the Job was suspended or resumed just now."""
    status = job.setdefault("status", {})
    if is_suspended(job):
        if not set_condition(job, "Suspended", "True", "JobSuspended", "Job suspended", now_s):
            return None
        status.pop("startTime", None)
        return "Suspended", "Job suspended"
    if find_true(job, "Suspended") is None:
        return None
    set_condition(job, "Suspended", "False", "JobResumed", "Job resumed", now_s)
    status["startTime"] = format_time(now_s)
    return "Resumed", "Job resumed"


def enact(job: Object, now_s: float) -> Event | None:
    """Every pod is gone: the Job has Failed, or is Complete, where that was decided. -> the event to tell of it."""
    target = find_true(job, "FailureTarget")
    if target is not None:
        set_condition(job, "Failed", "True", target["reason"], target["message"], now_s)
        return "Warning", target["reason"], target["message"]
    met = find_true(job, "SuccessCriteriaMet")
    if met is None:
        return None
    set_condition(job, "Complete", "True", met["reason"], met["message"], now_s)
    job["status"]["completionTime"] = format_time(now_s)
    return "Normal", "Completed", "Job completed"
