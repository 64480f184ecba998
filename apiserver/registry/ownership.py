"""Who wrote what: metadata.managedFields of an object that is created, updated or applied (meta/managed_fields.py has the rules).

Fields are tracked as the client sent them and defaults filled them in, before admission and the kind's own hooks touch the
object, in the version that was asked for. What a write cannot change (status through the main resource, spec through /status) is
neither taken nor given up by it.
"""

from __future__ import annotations

from typing import Any

from apiserver.kinds import Resource
from apiserver.meta import (
    FieldNode,
    Shape,
    Writer,
    create_entries,
    deep_copy,
    equal_but_for_times,
    shape_of,
    sorted_json,
    update_entries,
)
from apiserver.registry.options import WriteOptions

Object = dict[str, Any]

_NOTHING: FieldNode = {}
_STATUS: FieldNode = {"f:status": {}}
_SPEC: FieldNode = {"f:spec": {}}
_ALL_BUT_STATUS: FieldNode = {"f:spec": {}, "f:metadata": {}}

# What /status leaves alone, where it is more than the spec.
_STATUS_RESETS: dict[tuple[str, str], FieldNode] = {
    ("", "pods"): {"f:spec": {}, "f:metadata": {"f:deletionTimestamp": {}, "f:ownerReferences": {}}},
    ("apps", "deployments"): {"f:spec": {}, "f:metadata": {"f:labels": {}}},
    ("storage.k8s.io", "volumeattachments"): _ALL_BUT_STATUS,
    ("apiextensions.k8s.io", "customresourcedefinitions"): _ALL_BUT_STATUS,
    ("flowcontrol.apiserver.k8s.io", "flowschemas"): _ALL_BUT_STATUS,
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"): _ALL_BUT_STATUS,
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"): _ALL_BUT_STATUS,
    ("resource.k8s.io", "resourceclaims"): _ALL_BUT_STATUS,
}


_OF_CONTAINERS: FieldNode = {"*": {"f:resources": {}, "f:resizePolicy": {}}}

# All that can be changed through the other subresources.
_ONLY: dict[str, FieldNode] = {
    "approval": {"f:status": {"f:conditions": {}}},
    "ephemeralcontainers": {"f:spec": {"f:ephemeralContainers": {}}},
    "resize": {"f:spec": {"f:containers": _OF_CONTAINERS, "f:initContainers": _OF_CONTAINERS}},
}


def writer_of(resource: Resource, subresource: str, options: WriteOptions, now: str) -> Writer:
    """resource: in the version that was asked for."""
    reset, only = _NOTHING, _NOTHING
    if subresource == "status":
        reset = _STATUS_RESETS.get((resource.group, resource.plural), _SPEC)
    elif subresource in _ONLY:
        only = _ONLY[subresource]
    elif resource.has_status:
        reset = _STATUS
    return Writer(options.manager, resource.api_version, subresource, now, reset, only)


def shape_for(resource: Resource) -> Shape:
    return shape_of(resource.schema, is_custom=resource.is_custom)


def track_create(served: Resource, obj: Object, options: WriteOptions, now: str) -> None:
    """Sets the entries of a new object. obj: in the version of the rules."""
    seen = obj if served is served.rules else served.from_hub(deep_copy(obj))
    entries = create_entries(shape_for(served), seen, writer_of(served, "", options, now))
    if entries:
        obj["metadata"]["managedFields"] = entries


def track_update(
    served: Resource, subresource: str, obj: Object, old: Object, said: Any, options: WriteOptions, now: str
) -> None:
    """Sets the entries of a changed object. said: what the request has as entries, None where it has none."""
    known = old["metadata"].get("managedFields")
    if not known and not said:
        return
    before, after = old, obj
    if served is not served.rules:
        before, after = served.from_hub(deep_copy(old)), served.from_hub(deep_copy(obj))
    entries = update_entries(shape_for(served), before, after, writer_of(served, subresource, options, now), said)
    if entries:
        obj["metadata"]["managedFields"] = entries


def is_unchanged(obj: Object, old: Object) -> bool:
    """Whether storing it would change nothing but times of entries; such a write keeps the resourceVersion."""
    if obj == old:
        return sorted_json(obj) == sorted_json(old)  # to Python, true is 1
    for key, value in obj.items():
        if key != "metadata" and value != old.get(key):
            return False
    if obj.keys() != old.keys():
        return False
    metadata, known = obj["metadata"], old["metadata"]
    if {**metadata, "managedFields": None} != {**known, "managedFields": None}:
        return False
    return equal_but_for_times(metadata.get("managedFields"), known.get("managedFields"))
