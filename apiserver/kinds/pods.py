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
    """How the node treats the pod under pressure: by whether its containers, or the pod as a whole, say what they need."""
    asked: dict[str, Any] = {}
    limited: dict[str, Any] = {}
    guaranteed = True
    shared = spec.get("resources") or {}
    whole = [{"resources": shared}] if shared.get("requests") or shared.get("limits") else None
    for container in whole or (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
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
    _merge_label_keys(pod)
    _sync_profiles(pod)
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


def _merge_label_keys(pod: Object) -> None:
    """Selectors that depend on the pod's own labels are written out, so that a scheduler sees plain selectors."""
    spec, labels = pod["spec"], pod["metadata"].get("labels") or {}
    if "affinity" in spec:
        for kind in ("podAffinity", "podAntiAffinity"):
            rules = spec["affinity"].get(kind) or {}
            terms = list(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
            for weighted in rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
                terms.append(weighted.get("podAffinityTerm") or {})
            for term in terms:
                _merge_keys(term, "matchLabelKeys", "In", labels)
                _merge_keys(term, "mismatchLabelKeys", "NotIn", labels)
    for constraint in spec.get("topologySpreadConstraints") or ():
        _merge_keys(constraint, "matchLabelKeys", "In", labels)


def _merge_keys(term: Object, field: str, operator: str, labels: Object) -> None:
    """A term without a selector matches nothing, and goes on to."""
    selector = term.get("labelSelector")
    added = [
        {"key": key, "operator": operator, "values": [labels[key]]} for key in term.get(field) or () if key in labels
    ]
    if added and selector is not None:
        selector["matchExpressions"] = [*(selector.get("matchExpressions") or ()), *added]


_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_PROFILES: Mapping[str, Object] = {"runtime/default": {"type": "RuntimeDefault"}, "unconfined": {"type": "Unconfined"}}
_LOCAL_PROFILE = "localhost/"


def _sync_profiles(pod: Object) -> None:
    """The annotations in which AppArmor profiles once stood become fields; a node reads only those."""
    annotations = pod["metadata"].get("annotations")
    if not annotations or (pod["spec"].get("os") or {}).get("name") == "windows":
        return
    for field in ("initContainers", "containers"):
        for container in pod["spec"].get(field) or ():
            said = annotations.get(f"{_APP_ARMOR}{container.get('name', '')}")
            if not said or "appArmorProfile" in (container.get("securityContext") or {}):
                continue
            profile = _PROFILES.get(said)
            if said.startswith(_LOCAL_PROFILE) and len(said) > len(_LOCAL_PROFILE):
                profile = {"type": "Localhost", "localhostProfile": said[len(_LOCAL_PROFILE) :]}
            if profile is not None:
                container.setdefault("securityContext", {})["appArmorProfile"] = dict(profile)


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
