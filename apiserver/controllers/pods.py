"""What controllers need to know of a pod: is it active, ready, available; which goes first when there are too many.

Source of the rules: Kubernetes pkg/controller/controller_utils.go (IsPodActive, ActivePodsWithRanks) and
pkg/api/v1/pod (IsPodReady, IsPodAvailable).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from apiserver.client import Object, Objects
from apiserver.meta import format_time, parse_time

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"

_PHASE_RANK = {"Pending": 0, "Unknown": 1, "Running": 2}
_NEVER_S = 0.0

_WAIT_PER_POD_S = 0.0001
_MANY = 50


def gather_s(pods: int) -> float:
    """For how long the changes of a workload's pods are gathered before it is reconciled again.

    A reconcile looks at every pod and so may not follow every change: 1,000 pods: at most 10 reconciles a second; a few: at once.
    """
    return pods * _WAIT_PER_POD_S if pods >= _MANY else 0.0


def find_condition(obj: Object, type: str) -> Object | None:
    """The object's own condition, not a copy."""
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") == type:
            found: Object = condition
            return found
    return None


def is_active(pod: Object) -> bool:
    """Neither finished nor on its way out: it counts as a replica."""
    phase = (pod.get("status") or {}).get("phase")
    return phase not in ("Succeeded", "Failed") and not pod["metadata"].get("deletionTimestamp")


def is_terminating(pod: Object) -> bool:
    """On its way out, and not finished yet."""
    phase = (pod.get("status") or {}).get("phase")
    return bool(pod["metadata"].get("deletionTimestamp")) and phase not in ("Succeeded", "Failed")


def is_ready(pod: Object) -> bool:
    condition = find_condition(pod, "Ready")
    return condition is not None and condition.get("status") == "True"


def ready_since_s(pod: Object) -> float:
    """When the pod last became ready, in seconds since the epoch; 0 where it is not ready."""
    condition = find_condition(pod, "Ready")
    if condition is None or condition.get("status") != "True" or not condition.get("lastTransitionTime"):
        return _NEVER_S
    return parse_time(condition["lastTransitionTime"])


def is_available(pod: Object, min_ready_s: int, now_s: float) -> bool:
    """Ready, and has been for min_ready_s."""
    return is_ready(pod) and (min_ready_s <= 0 or ready_since_s(pod) + min_ready_s <= now_s)


def is_relevant_change(old: Object, pod: Object) -> bool:
    """Whether an update can matter to those who count a pod or send traffic to it; a binding or an annotation cannot."""
    before, after = old.get("status") or {}, pod.get("status") or {}
    return (
        before.get("podIP") != after.get("podIP")
        or before.get("phase") != after.get("phase")
        or is_ready(old) != is_ready(pod)
        or old["metadata"].get("deletionTimestamp") != pod["metadata"].get("deletionTimestamp")
        or old["metadata"].get("labels") != pod["metadata"].get("labels")
    )


def rank_for_deletion(pods: Objects) -> Objects:
    """The pods in the order in which to delete them: what is worth least first.

    Not assigned < assigned; Pending < Unknown < Running; not ready < ready; lower deletion cost; more replicas on the
    same node; ready for a shorter time; more restarts; created later. Then by name, to be deterministic.
    """
    crowd = Counter((pod.get("spec") or {}).get("nodeName") or "" for pod in pods)

    def worth(pod: Object) -> tuple[Any, ...]:
        node = (pod.get("spec") or {}).get("nodeName") or ""
        status = pod.get("status") or {}
        ready = is_ready(pod)
        restarts = sum(container.get("restartCount", 0) for container in status.get("containerStatuses") or ())
        created_s = (
            parse_time(pod["metadata"]["creationTimestamp"]) if pod["metadata"].get("creationTimestamp") else 0.0
        )
        return (
            bool(node),
            _PHASE_RANK.get(status.get("phase") or "Pending", 2),
            ready,
            _deletion_cost(pod),
            -crowd[node] if node else 0,
            -ready_since_s(pod) if ready else 0.0,
            -restarts,
            -created_s,
            pod["metadata"]["name"],
        )

    return sorted(pods, key=worth)


def next_available_s(pods: Objects, min_ready_s: float, now_s: float) -> float | None:
    """Seconds until the next ready pod becomes available by time alone (minReadySeconds); None where none will."""
    if not min_ready_s:
        return None
    waits = [ready_since_s(pod) + min_ready_s - now_s for pod in pods if is_ready(pod)]
    return min((wait_s for wait_s in waits if wait_s > 0), default=None)


def disruption_target(pod: Object, reason: str, message: str, now_s: float) -> Object:
    """The condition of a pod that is taken away by a controller, as it was when that was decided."""
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": format_time(now_s),
    }
    if pod["metadata"].get("generation"):
        condition["observedGeneration"] = pod["metadata"]["generation"]
    return condition


def _deletion_cost(pod: Object) -> int:
    try:
        return int((pod["metadata"].get("annotations") or {}).get(DELETION_COST, 0))
    except ValueError:
        return 0  # an invalid cost counts as none, as in Kubernetes
