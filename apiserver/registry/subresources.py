"""Subresources that are more than a part of their object: binding and finalize. eviction.py and scaling.py have the others.

Each is a change of the object through Registry.update, so conflicts, validation and no-op writes are the same everywhere.
"""

from __future__ import annotations

from typing import Any

from apiserver.errors import bad_request, conflict, invalid
from apiserver.kinds import Resource, prepare_finalize
from apiserver.meta import deep_copy, format_time, not_supported, required
from apiserver.registry.eviction import set_condition
from apiserver.registry.metadata import check_identity
from apiserver.registry.options import WriteOptions
from apiserver.registry.registry import Registry
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
    """POST pods/NAME/binding: puts the pod on a node, once (kubernetes.md 1.9). Raises Conflict, BadRequest, Invalid."""
    said = binding.get("metadata") or {}
    if said.get("name") != name:
        raise bad_request("name in URL does not match name in Binding object")
    target = binding.get("target") or {}
    causes = []
    if target.get("kind") not in ("Node", "", None):
        causes.append(not_supported("target.kind", target["kind"], ("Node", "<empty>")))
    if not target.get("name"):
        causes.append(required("target.name"))
    if causes:
        raise invalid("", "Binding", name, causes)

    def change(pod: Object) -> Object:
        metadata, spec = pod["metadata"], pod["spec"]
        check_identity(resource, {"metadata": {"uid": said.get("uid")}}, pod)
        if metadata.get("deletionTimestamp"):
            raise conflict("", "pods/binding", name, f"pod {name} is being deleted, cannot be assigned to a host")
        if spec.get("nodeName"):
            raise conflict("", "pods/binding", name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
        if spec.get("schedulingGates"):
            raise conflict("", "pods/binding", name, f"pod {name} has non-empty .spec.schedulingGates")
        spec["nodeName"] = target["name"]
        for field in ("annotations", "labels"):
            if said.get(field):
                metadata[field] = {**(metadata.get(field) or {}), **said[field]}
        status = pod.setdefault("status", {})
        status.pop("nominatedNodeName", None)
        set_condition(pod, "PodScheduled", format_time(registry.clock.now_s()))
        return pod

    await registry.update(
        resource, namespace, name, change, subresource="binding", prepare=_as_it_is, is_free=True, options=options
    )


def _as_it_is(obj: Object, old: Object) -> None:
    """The binding changes spec and status at once, and decides itself what."""


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
