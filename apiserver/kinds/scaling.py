"""The scale subresource: a workload seen as two numbers and a selector (autoscaling/v1 Scale)."""

from __future__ import annotations

from typing import Any

from apiserver.errors import Cause
from apiserver.kinds.resource import Resource, ScalePaths
from apiserver.meta import find_field, invalid, label_selector_of, set_field

Object = dict[str, Any]

_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(resource: Resource, obj: Object) -> Object:
    """The Scale object of `obj`. Zero in spec is left out, as Kubernetes does. The resource must have scale paths."""
    paths = _paths(resource)
    wanted = find_field(obj, paths.spec_replicas, 0)
    status: Object = {"replicas": find_field(obj, paths.status_replicas, 0)}
    selector = find_field(obj, paths.selector) if paths.selector else None
    if selector is not None:
        status["selector"] = selector if paths.selector_is_text else str(label_selector_of(selector))
    metadata = obj["metadata"]
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: metadata[field] for field in _METADATA if field in metadata},
        "spec": {"replicas": wanted} if wanted else {},
        "status": status,
    }


def apply_scale(resource: Resource, obj: Object, scale: Object) -> None:
    """Sets the number of replicas that a Scale asks for, in place."""
    set_field(obj, _paths(resource).spec_replicas, find_field(scale, "spec.replicas", 0))


def validate_scale(scale: Object) -> list[Cause]:
    replicas = find_field(scale, "spec.replicas", 0)
    if replicas < 0:
        return [invalid("spec.replicas", replicas, "must be greater than or equal to 0")]
    return []


def _paths(resource: Resource) -> ScalePaths:
    if resource.scale is None:
        raise ValueError(f"{resource.plural} have no scale")
    return resource.scale
