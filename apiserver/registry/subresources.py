"""Subresources that are more than a part of their object: binding, eviction, scale, finalize.

Each is a change of the object through Registry.update, so conflicts, validation and no-op writes are the same everywhere.
"""

from __future__ import annotations

from typing import Any

from apiserver.errors import bad_request, conflict, invalid
from apiserver.kinds import Resource, apply_scale, prepare_finalize, scale_of, validate_scale
from apiserver.meta import deep_copy, format_time
from apiserver.registry.options import DeleteOptions, WriteOptions
from apiserver.registry.registry import Change, Registry
from apiserver.storage import Stored

Object = dict[str, Any]


async def bind(
    registry: Registry,
    resource: Resource,
    namespace: str,
    name: str,
    binding: Object,
    options: WriteOptions = WriteOptions(),  # noqa: B008 - immutable
) -> None:
    """POST pods/NAME/binding: puts the pod on a node, once (kubernetes.md 1.9). Raises Conflict, BadRequest."""
    target = binding.get("target") or {}
    node = target.get("name", "")
    if not node or target.get("kind") not in ("Node", "", None):
        raise bad_request("target.kind must be Node and target.name must be set")
    said = binding.get("metadata", {})

    def change(pod: Object) -> Object:
        metadata, spec = pod["metadata"], pod["spec"]
        if said.get("uid") and said["uid"] != metadata.get("uid"):
            why = f"Precondition failed: UID in precondition: {said['uid']}, UID in object meta: {metadata.get('uid')}"
            raise conflict("", "pods/binding", name, why)
        if metadata.get("deletionTimestamp"):
            raise conflict("", "pods/binding", name, f"pod {name} is being deleted, cannot be assigned to a host")
        if spec.get("nodeName"):
            raise conflict("", "pods/binding", name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
        if spec.get("schedulingGates"):
            raise conflict("", "pods/binding", name, f"pod {name} has non-empty .spec.schedulingGates")
        spec["nodeName"] = node
        metadata.setdefault("annotations", {}).update(said.get("annotations") or {})
        if not metadata["annotations"]:
            del metadata["annotations"]
        status = pod.setdefault("status", {})
        others = [c for c in status.get("conditions") or [] if c.get("type") != "PodScheduled"]
        scheduled = {
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": format_time(registry.clock.now_s()),
        }
        status["conditions"] = [*others, scheduled]
        return pod

    await registry.update(
        resource, namespace, name, change, subresource="binding", prepare=_as_it_is, is_free=True, options=options
    )


def _as_it_is(obj: Object, old: Object) -> None:
    """The binding changes spec and status at once, and decides itself what."""


async def evict(
    registry: Registry,
    resource: Resource,
    namespace: str,
    name: str,
    eviction: Object,
    asked: WriteOptions = WriteOptions(),  # noqa: B008 - immutable
) -> None:
    """POST pods/NAME/eviction: a delete. There are no disruption budgets yet that could forbid it."""
    options = eviction.get("deleteOptions") or {}
    grace = options.get("gracePeriodSeconds")
    preconditions = options.get("preconditions") or {}
    uid = preconditions.get("uid") or ""
    await registry.delete(
        resource, namespace, name, DeleteOptions(grace, uid=uid, dry_run=asked.dry_run, user=asked.user)
    )


async def write_scale(
    registry: Registry,
    resource: Resource,
    namespace: str,
    name: str,
    change: Change,
    options: WriteOptions = WriteOptions(),  # noqa: B008 - immutable
) -> Object:
    """PUT or PATCH of /scale. `change`: the Scale as it is → as it should be. -> the new Scale."""

    def change_object(obj: Object) -> Object:
        scale = change(deep_copy(scale_of(resource, obj)))
        causes = validate_scale(scale)
        if causes:
            raise invalid("autoscaling", "Scale", name, causes)
        version = (scale.get("metadata") or {}).get("resourceVersion")
        if version and version != obj["metadata"]["resourceVersion"]:
            raise conflict(resource.group, f"{resource.plural}/scale", name)
        apply_scale(resource, obj, scale)
        return obj

    stored = await registry.update(resource, namespace, name, change_object, subresource="scale", options=options)
    return scale_of(resource, stored.obj)


async def finalize(
    registry: Registry,
    resource: Resource,
    name: str,
    obj: Object,
    options: WriteOptions = WriteOptions(),  # noqa: B008 - immutable
) -> Stored:
    """PUT namespaces/NAME/finalize: takes the namespace's own finalizers; without any it is removed."""

    def change(namespace: Object) -> Object:
        wanted = deep_copy(namespace)
        wanted["metadata"] = {**namespace["metadata"], **_version_of(obj)}
        finalizers = (obj.get("spec") or {}).get("finalizers") or []
        wanted.setdefault("spec", {})["finalizers"] = finalizers
        if not finalizers:
            wanted["spec"].pop("finalizers", None)
        return wanted

    return await registry.update(
        resource, "", name, change, subresource="finalize", prepare=prepare_finalize, options=options
    )


def _version_of(obj: Object) -> Object:
    metadata = obj.get("metadata") or {}
    return {key: metadata[key] for key in ("resourceVersion", "uid") if metadata.get(key)}


def success(resource: Resource, name: str, uid: str = "") -> Object:
    """The Status of something that was done and leaves nothing to show."""
    details = {"name": name, "group": resource.group, "kind": resource.plural, "uid": uid}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }


def created() -> Object:
    """The Status of a binding or an eviction."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
