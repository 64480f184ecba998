"""Pods: what the server decides of them, what may change, and what selectors see.

A pod's spec is written once. Users may afterwards change images, shorten its life and add tolerations; the scheduler
binds it through its own subresource; everything else is status. Phase and QoS class are the server's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiserver.errors import Cause
from apiserver.kinds.metadata import update_validator, validator
from apiserver.kinds.pod_validation import validate_pod_spec
from apiserver.kinds.resource import read_text
from apiserver.kinds.strategy import keep_status, replace_status
from apiserver.meta import deep_copy, forbidden, invalid, parse_quantity, shown

Object = dict[str, Any]

BEST_EFFORT = "BestEffort"
BURSTABLE = "Burstable"
GUARANTEED = "Guaranteed"

_QOS_RESOURCES = ("cpu", "memory")
_IMMUTABLE_TEXT = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)

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


def _validate(pod: Object) -> list[Cause]:
    spec = pod.get("spec") or {}
    causes = validate_pod_spec(spec, "spec")
    if spec.get("schedulingGates") and spec.get("nodeName"):
        causes.append(forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
    return causes


validate = validator(_validate)


def _validate_update(pod: Object, old: Object) -> list[Cause]:
    new_spec, old_spec = pod.get("spec") or {}, old.get("spec") or {}
    if new_spec == old_spec:
        return []
    causes: list[Cause] = []
    for field in ("containers", "initContainers"):
        if len(new_spec.get(field) or ()) != len(old_spec.get(field) or ()):
            return [forbidden(f"spec.{field}", "pod updates may not add or remove containers")]
    causes += _validate_deadline(new_spec.get("activeDeadlineSeconds"), old_spec.get("activeDeadlineSeconds"))
    old_gates = old_spec.get("schedulingGates") or []
    if any(gate not in old_gates for gate in new_spec.get("schedulingGates") or ()):
        why = "only deletion is allowed, but found new scheduling gate"
        causes.append(forbidden("spec.schedulingGates", why))
    causes += _validate_tolerations(new_spec.get("tolerations") or [], old_spec.get("tolerations") or [])
    allowed = _with_mutable_fields(new_spec, old_spec)
    if allowed != old_spec:
        causes.append(forbidden("spec", f"{_IMMUTABLE_TEXT}\n{_difference(allowed, old_spec)}"))
    return causes


validate_update = update_validator(_validate_update)


def _validate_deadline(new: int | None, old: int | None) -> list[Cause]:
    """A deadline may be set, and brought nearer."""
    if old is None or new == old:
        return []
    path = "spec.activeDeadlineSeconds"
    if new is None:
        return [invalid(path, None, "must not update from a positive integer to nil value")]
    return [] if new <= old else [invalid(path, new, "must be less than or equal to previous value")]


def _validate_tolerations(new: list[Object], old: list[Object]) -> list[Cause]:
    def essence(toleration: Object) -> Object:
        return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}

    if all(essence(toleration) in [essence(other) for other in new] for toleration in old):
        return []
    return [forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")]


def _with_mutable_fields(new: Object, old: Object) -> Object:
    """The new spec with every field that an update may change as it was: equal to the old one if all is well."""
    munged: Object = deep_copy(new)
    for name in ("containers", "initContainers"):
        for container, before in zip(munged.get(name) or (), old.get(name) or (), strict=True):
            if "image" in before:
                container["image"] = before["image"]
    _restore(munged, old, "activeDeadlineSeconds")
    _restore(munged, old, "tolerations")
    _restore(munged, old, "schedulingGates")
    if old.get("terminationGracePeriodSeconds", 0) < 0 and munged.get("terminationGracePeriodSeconds") == 1:
        _restore(munged, old, "terminationGracePeriodSeconds")
    if old.get("schedulingGates"):  # not yet looked at by a scheduler: its constraints may still become tighter
        _restore(munged, old, "nodeSelector")
        _restore(munged, old, "affinity")
    return munged


def _restore(spec: Object, old: Object, field: str) -> None:
    spec.pop(field, None)
    if field in old:
        spec[field] = old[field]


def _difference(new: Object, old: Object) -> str:
    lines = []
    for field in sorted({*new, *old}):
        before, after = old.get(field), new.get(field)
        if before != after:
            lines += [f' "{field}":', f"-  {shown(before)}", f"+  {shown(after)}"]
    return "\n".join(lines) + "\n"
