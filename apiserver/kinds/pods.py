"""Pods: what the server decides of them, what may change, and what selectors see.

A pod's spec is written once. Users may afterwards change images, shorten its life and add tolerations; the scheduler
binds it through its own subresource; everything else is status. Phase and QoS class are the server's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiserver.kinds.resource import read_text
from apiserver.kinds.strategy import keep_status, replace_status
from apiserver.meta import parse_quantity

Object = dict[str, Any]

BEST_EFFORT = "BestEffort"
BURSTABLE = "Burstable"
GUARANTEED = "Guaranteed"

_QOS_RESOURCES = ("cpu", "memory")

FIELD_LABELS: Mapping[str, Callable[[Object], str]] = {
    "spec.nodeName": read_text("spec", "nodeName"),
    "spec.host": read_text("spec", "nodeName"),  # the name it had before v1
    "spec.restartPolicy": read_text("spec", "restartPolicy"),
    "spec.schedulerName": read_text("spec", "schedulerName"),
    "spec.serviceAccountName": read_text("spec", "serviceAccountName"),
    "spec.hostNetwork": read_text("spec", "hostNetwork", default="false"),
    "status.phase": read_text("status", "phase"),
    "status.podIP": read_text("status", "podIP"),
    "status.podIPs": lambda pod: ",".join(entry.get("ip", "") for entry in _status(pod).get("podIPs") or ()),
    "status.nominatedNodeName": read_text("status", "nominatedNodeName"),
}


def _status(pod: Object) -> Object:
    return pod.get("status") or {}


def qos_class(spec: Object) -> str:
    """How the node treats the pod under pressure: by whether its containers say what they need of cpu and memory."""
    asked: dict[str, Any] = {}
    limited: dict[str, Any] = {}
    guaranteed = True
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        resources = container.get("resources") or {}
        requests = _positive(resources.get("requests") or {})
        limits = _positive(resources.get("limits") or {})
        guaranteed = guaranteed and len(limits) == len(_QOS_RESOURCES) and requests == limits
        asked.update(requests)
        limited.update(limits)
    if not asked and not limited:
        return BEST_EFFORT
    return GUARANTEED if guaranteed else BURSTABLE


def _positive(amounts: Object) -> dict[str, Any]:
    parsed = {name: parse_quantity(amounts[name]) for name in _QOS_RESOURCES if name in amounts}
    return {name: value for name, value in parsed.items() if value > 0}


def prepare_create(pod: Object) -> None:
    status: Object = {"phase": "Pending", "qosClass": qos_class(pod["spec"])}
    pod["status"] = status
    if pod["spec"].get("schedulingGates"):
        status["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": None,
                "lastTransitionTime": None,
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
        ]


def prepare_update(pod: Object, old: Object) -> None:
    keep_status(pod, old)


def prepare_status_update(pod: Object, old: Object) -> None:
    """The status of a pod may bring labels and annotations, but no owners."""
    replace_status(pod, old)
    status = pod.setdefault("status", {})
    if "qosClass" in _status(old):
        status["qosClass"] = old["status"]["qosClass"]
    metadata = pod["metadata"]
    metadata.pop("ownerReferences", None)
    if "ownerReferences" in old["metadata"]:
        metadata["ownerReferences"] = old["metadata"]["ownerReferences"]
