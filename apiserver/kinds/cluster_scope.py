"""Namespaces, nodes and priority classes: the kinds that stand above namespaces.

A namespace is held by its own finalizer until its contents are gone; only the finalize subresource takes it away. A
node registers itself with its status in the same request, so creation keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiserver.errors import Cause
from apiserver.kinds.metadata import update_validator, validate_finalizer, validator
from apiserver.kinds.pod_validation import TAINT_EFFECTS
from apiserver.kinds.resource import read_text
from apiserver.kinds.strategy import keep_status
from apiserver.kinds.volume_defaults import set_missing
from apiserver.meta import (
    at,
    check_dns1123_label,
    check_label_value,
    check_qualified_name,
    child,
    duplicate,
    forbidden,
    immutable,
    invalid,
    not_supported,
    required,
)

Object = dict[str, Any]
Labels = Mapping[str, Callable[[Object], str]]

NAME_LABEL = "kubernetes.io/metadata.name"
NAMESPACE_FINALIZER = "kubernetes"

NAMESPACE_LABELS: Labels = {
    "status.phase": read_text("status", "phase"),
    "name": read_text("metadata", "name"),
}
NODE_LABELS: Labels = {"spec.unschedulable": read_text("spec", "unschedulable", default="false")}

# Namespaces ---------------------------------------------------------------------------------------------------------


def default_namespace(namespace: Object) -> None:
    """Selectors find a namespace by name through this label. A generated name gets it at the next write."""
    name = namespace["metadata"].get("name")
    if name:
        namespace["metadata"].setdefault("labels", {})[NAME_LABEL] = name


def prepare_namespace(namespace: Object) -> None:
    default_namespace(namespace)
    finalizers = namespace.setdefault("spec", {}).setdefault("finalizers", [])
    if NAMESPACE_FINALIZER not in finalizers:
        finalizers.append(NAMESPACE_FINALIZER)
    namespace["status"] = {"phase": "Active"}


def prepare_namespace_update(namespace: Object, old: Object) -> None:
    keep_status(namespace, old)
    spec = namespace.setdefault("spec", {})
    spec.pop("finalizers", None)
    if "finalizers" in (old.get("spec") or {}):
        spec["finalizers"] = old["spec"]["finalizers"]


def prepare_finalize(namespace: Object, old: Object) -> None:
    """The finalize subresource: spec.finalizers changes, and nothing else but what is the registry's."""
    keep_status(namespace, old)


def _validate_namespace(namespace: Object) -> list[Cause]:
    finalizers = (namespace.get("spec") or {}).get("finalizers") or ()
    return [cause for name in finalizers for cause in validate_finalizer(name, "spec.finalizers")]


validate_namespace = validator(_validate_namespace, check_name=check_dns1123_label, namespaced=False)

# Nodes --------------------------------------------------------------------------------------------------------------

_NODE_INFO = (
    "machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion", "kubeletVersion",
    "kubeProxyVersion", "operatingSystem", "architecture",
)  # fmt: skip


def default_node(node: Object) -> None:
    node.setdefault("spec", {})
    status = node.setdefault("status", {})
    if "capacity" in status:
        allocatable = status.setdefault("allocatable", {})
        for name, amount in status["capacity"].items():
            allocatable.setdefault(name, amount)
    status.setdefault("daemonEndpoints", {}).setdefault("kubeletEndpoint", {}).setdefault("Port", 0)
    info = status.setdefault("nodeInfo", {})
    for field in _NODE_INFO:
        info.setdefault(field, "")


def prepare_node(node: Object) -> None:
    """Status stays: it comes with the registration."""


def _validate_node(node: Object) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate((node.get("spec") or {}).get("taints") or ()):
        where, key, effect = at("spec.taints", index), taint.get("key", ""), taint.get("effect", "")
        causes += [invalid(child(where, "key"), key, why) for why in check_qualified_name(key)]
        value = taint.get("value", "")
        causes += [invalid(child(where, "value"), value, why) for why in check_label_value(value)]
        if not effect:
            causes.append(required(child(where, "effect")))
        elif effect not in TAINT_EFFECTS:
            causes.append(not_supported(child(where, "effect"), effect, TAINT_EFFECTS))
        if (key, effect) in seen:
            cause = duplicate(where, taint)
            causes.append(cause._replace(message=f"{cause.message}: taints must be unique by key and effect pair"))
        seen.add((key, effect))
    return causes


def _validate_node_update(node: Object, old: Object) -> list[Cause]:
    spec, before = node.get("spec") or {}, old.get("spec") or {}
    return [
        forbidden(child("spec", field), f'node updates may not change {field} except from "" to valid')
        for field in ("podCIDR", "providerID")
        if before.get(field) and spec.get(field) != before[field]
    ]


validate_node = validator(_validate_node, namespaced=False)
validate_node_update = update_validator(_validate_node_update)

# Priority classes ---------------------------------------------------------------------------------------------------

MAX_USER_PRIORITY = 1_000_000_000
SYSTEM_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_PREEMPTION_POLICIES = ("Never", "PreemptLowerPriority")


def default_priority_class(priority_class: Object) -> None:
    set_missing(priority_class, "preemptionPolicy", "PreemptLowerPriority")
    priority_class.setdefault("value", 0)


def _validate_priority_class(priority_class: Object) -> list[Cause]:
    name, value = priority_class["metadata"].get("name", ""), priority_class.get("value", 0)
    causes: list[Cause] = []
    if name.startswith("system-"):
        if SYSTEM_PRIORITIES.get(name) != value:
            known = f"value of {name} PriorityClass must be {SYSTEM_PRIORITIES.get(name)}"
            why = known if name in SYSTEM_PRIORITIES else f"{name} is not a known system priority class"
            text = "priority class names with 'system-' prefix are reserved for system use only"
            causes.append(forbidden("metadata.name", f"{text}. error: {why}"))
    elif value > MAX_USER_PRIORITY:
        why = f"maximum allowed value of a user defined priority is {MAX_USER_PRIORITY}"
        causes.append(forbidden("value", why))
    policy = priority_class.get("preemptionPolicy")
    if policy not in _PREEMPTION_POLICIES:
        causes.append(not_supported("preemptionPolicy", policy, _PREEMPTION_POLICIES))
    return causes


def _validate_priority_class_update(priority_class: Object, old: Object) -> list[Cause]:
    causes: list[Cause] = []
    if priority_class.get("value") != old.get("value"):
        causes.append(forbidden("value", "may not be changed in an update."))
    if priority_class.get("preemptionPolicy") != old.get("preemptionPolicy"):
        causes.append(immutable("preemptionPolicy", priority_class.get("preemptionPolicy")))
    return causes


validate_priority_class = validator(_validate_priority_class, namespaced=False)
validate_priority_class_update = update_validator(_validate_priority_class_update)
