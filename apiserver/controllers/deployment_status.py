"""What a Deployment's status says: the counts and conditions that `kubectl rollout status` and `kubectl wait` read.

    Available    True  MinimumReplicasAvailable     at least replicas - maxUnavailable pods are available
                 False MinimumReplicasUnavailable
    Progressing  True  NewReplicaSetCreated, FoundNewReplicaSet, ReplicaSetUpdated, NewReplicaSetAvailable (finished)
                 False ProgressDeadlineExceeded     nothing has moved for progressDeadlineSeconds
                 Unknown DeploymentPaused, DeploymentResumed
    ReplicaFailure                                  copied from the ReplicaSets

Pure functions. Source of the rules: Kubernetes pkg/controller/deployment/progress.go and sync.go (calculateStatus).
"""

from __future__ import annotations

from apiserver.client import Object, Objects
from apiserver.controllers.pods import find_condition
from apiserver.controllers.rollout import available, resolve_limits, total, wanted
from apiserver.meta import format_time, parse_time

NO_DEADLINE = 2147483647


def _status_count(obj: Object, field: str) -> int:
    return int((obj.get("status") or {}).get(field) or 0)


def build_status(deployment: Object, new: Object | None, old: Objects, now_s: float) -> Object:
    """The whole new status. `deployment` carries the status as last written."""
    everything = [*old, *([new] if new is not None else [])]
    replicas = sum(_status_count(replica_set, "replicas") for replica_set in everything)
    available_replicas = total(everything, available)
    status: Object = {"observedGeneration": deployment["metadata"].get("generation", 0)}
    counts = {
        "replicas": replicas,
        "updatedReplicas": _status_count(new, "replicas") if new is not None else 0,
        "readyReplicas": sum(_status_count(replica_set, "readyReplicas") for replica_set in everything),
        "availableReplicas": available_replicas,
        "unavailableReplicas": max(total(everything) - available_replicas, 0),
    }
    status.update((name, count) for name, count in counts.items() if count)
    status["terminatingReplicas"] = sum(_status_count(replica_set, "terminatingReplicas") for replica_set in everything)
    old_status = deployment.get("status") or {}
    if old_status.get("collisionCount"):
        status["collisionCount"] = old_status["collisionCount"]
    conditions = {condition["type"]: condition for condition in old_status.get("conditions") or ()}
    conditions["Available"] = _available(deployment, conditions.get("Available"), available_replicas, now_s)
    progressing = _progressing(deployment, new, status, conditions.get("Progressing"), now_s)
    if progressing is not None:
        conditions["Progressing"] = progressing
    conditions.pop("ReplicaFailure", None)
    for replica_set in [*([new] if new is not None else []), *old]:
        failure = find_condition(replica_set, "ReplicaFailure")
        if failure is not None and failure.get("status") == "True":
            conditions["ReplicaFailure"] = {**failure, "lastUpdateTime": failure.get("lastTransitionTime")}
            break
    status["conditions"] = list(conditions.values())
    return status


def set_condition(status: Object, type: str, value: str, reason: str, message: str, now_s: float) -> None:
    """Sets one condition in a private status, keeping its transition time where the value stays."""
    conditions = status.setdefault("conditions", [])
    for index, condition in enumerate(conditions):
        if condition["type"] == type:
            conditions[index] = _condition(type, value, reason, message, condition, now_s)
            return
    conditions.append(_condition(type, value, reason, message, None, now_s))


def _condition(type: str, value: str, reason: str, message: str, old: Object | None, now_s: float) -> Object:
    if old is not None and (old.get("status"), old.get("reason")) == (value, reason) and old.get("message") == message:
        return old
    now = format_time(now_s)
    kept = old is not None and old.get("status") == value
    return {
        "type": type,
        "status": value,
        "lastUpdateTime": now,
        "lastTransitionTime": (old or {}).get("lastTransitionTime", now) if kept else now,
        "reason": reason,
        "message": message,
    }


def _available(deployment: Object, old: Object | None, available_replicas: int, now_s: float) -> Object:
    _, max_unavailable = resolve_limits(deployment)
    if available_replicas >= wanted(deployment) - max_unavailable:
        said = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        said = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    return _condition("Available", *said, old, now_s)


def is_complete(deployment: Object, status: Object) -> bool:
    """Every replica is of the current template and available, and nothing of the old is left."""
    replicas = wanted(deployment)
    return (
        status.get("updatedReplicas", 0) == replicas
        and status.get("replicas", 0) == replicas
        and status.get("availableReplicas", 0) == replicas
        and status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    )


def has_deadline(deployment: Object) -> bool:
    return (deployment["spec"].get("progressDeadlineSeconds") or NO_DEADLINE) != NO_DEADLINE


def _progressing(
    deployment: Object, new: Object | None, status: Object, old: Object | None, now_s: float
) -> Object | None:
    if not has_deadline(deployment):
        return None
    finished_before = old is not None and old.get("reason") == "NewReplicaSetAvailable"
    if finished_before and status.get("replicas", 0) == status.get("updatedReplicas", 0):
        return old
    named = (
        f'ReplicaSet "{new["metadata"]["name"]}"'
        if new is not None
        else f'Deployment "{deployment["metadata"]["name"]}"'
    )
    if is_complete(deployment, status):
        return _condition(
            "Progressing", "True", "NewReplicaSetAvailable", f"{named} has successfully progressed.", old, now_s
        )
    if _has_moved(deployment, status):
        moved = _condition("Progressing", "True", "ReplicaSetUpdated", f"{named} is progressing.", old, now_s)
        # The time of the last step is what the deadline is counted from.
        return {**moved, "lastUpdateTime": format_time(now_s)}
    if deadline_in_s(deployment, old, now_s) < 0:
        return _condition(
            "Progressing", "False", "ProgressDeadlineExceeded", f"{named} has timed out progressing.", old, now_s
        )
    return old


def _has_moved(deployment: Object, status: Object) -> bool:
    before = deployment.get("status") or {}

    def count(of: Object, field: str) -> int:
        return int(of.get(field) or 0)

    old_before = count(before, "replicas") - count(before, "updatedReplicas")
    old_now = count(status, "replicas") - count(status, "updatedReplicas")
    return (
        count(status, "updatedReplicas") > count(before, "updatedReplicas")
        or old_now < old_before
        or count(status, "readyReplicas") > count(before, "readyReplicas")
        or count(status, "availableReplicas") > count(before, "availableReplicas")
    )


def deadline_in_s(deployment: Object, progressing: Object | None, now_s: float) -> float:
    """Seconds until the rollout counts as stuck; infinite where it has no deadline, is paused or has ended."""
    settled = ("NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused")
    if progressing is None or not has_deadline(deployment) or progressing.get("reason") in settled:
        return float("inf")
    if not progressing.get("lastUpdateTime"):
        return float("inf")
    return parse_time(progressing["lastUpdateTime"]) + float(deployment["spec"]["progressDeadlineSeconds"]) - now_s
