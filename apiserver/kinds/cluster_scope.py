"""Namespaces, nodes and priority classes: the kinds that stand above namespaces.

A namespace is held by its own finalizer until its contents are gone; only the finalize subresource takes it away. A
node registers itself with its status in the same request, so creation keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiserver.kinds.resource import read_text
from apiserver.kinds.strategy import keep_status, round_amounts, set_missing

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


# Nodes --------------------------------------------------------------------------------------------------------------

_NODE_INFO = (
    "machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion", "kubeletVersion",
    "kubeProxyVersion", "operatingSystem", "architecture",
)  # fmt: skip


def default_node(node: Object) -> None:
    node.setdefault("spec", {})
    status = node.setdefault("status", {})
    round_amounts(status.get("capacity"))
    round_amounts(status.get("allocatable"))
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


# Priority classes ---------------------------------------------------------------------------------------------------


def default_priority_class(priority_class: Object) -> None:
    set_missing(priority_class, "preemptionPolicy", "PreemptLowerPriority")
    priority_class.setdefault("value", 0)
