"""What may change through pods/ephemeralcontainers and pods/resize: each one part of the spec, and nothing beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.errors import Cause
from apiserver.kinds.metadata import validate_metadata_update
from apiserver.kinds.pods import qos_class
from apiserver.kinds.resource import Part
from apiserver.meta import deep_copy, forbidden, invalid

Object = dict[str, Any]

_OF_THE_REQUEST = ("name", "namespace", "uid", "resourceVersion", "managedFields")
_RESIZED = ("resources", "resizePolicy")
_RESIZABLE = ("cpu", "memory")
_MIRROR = "kubernetes.io/config.mirror"


def _only(take: Callable[[Object, Object], None], *, keeps_places: bool = False) -> Callable[[Object, Object], None]:
    """A prepare hook: the old pod with what `take(old spec, new spec)` takes of the new one.

    keeps_places: a pod whose containers are not the same in the same order is left as it is, for validation to refuse.
    """

    def prepare(pod: Object, old: Object) -> None:
        if keeps_places and _misplaced(pod, old):
            return
        kept = deep_copy(old)
        for field in _OF_THE_REQUEST:
            if field in pod["metadata"]:
                kept["metadata"][field] = pod["metadata"][field]
            else:
                kept["metadata"].pop(field, None)
        take(kept["spec"], pod.get("spec") or {})
        pod.clear()
        pod.update(kept)

    return prepare


def _take_ephemeral_containers(spec: Object, new: Object) -> None:
    containers = new.get("ephemeralContainers")
    if containers:
        spec["ephemeralContainers"] = containers
    else:
        spec.pop("ephemeralContainers", None)


def _take_resources(spec: Object, new: Object) -> None:
    for field in ("containers", "initContainers"):
        wanted = {container.get("name"): container for container in new.get(field) or ()}
        for container in spec.get(field) or ():
            changed: Object | None = wanted.get(container.get("name"))
            if changed is None:
                continue
            for part in _RESIZED:
                if part in changed:
                    container[part] = changed[part]
                else:
                    container.pop(part, None)


def _validate_ephemeral_containers(pod: Object, old: Object) -> list[Cause]:
    causes = validate_metadata_update(pod["metadata"], old["metadata"])
    path = "spec.ephemeralContainers"
    new = {container.get("name"): container for container in pod["spec"].get("ephemeralContainers") or ()}
    for container in old["spec"].get("ephemeralContainers") or ():
        name = container.get("name")
        if name not in new:
            causes.append(forbidden(path, f'existing ephemeral containers "{name}" may not be removed\n'))
        elif new[name] != container:
            causes.append(forbidden(path, f'existing ephemeral containers "{name}" may not be changed\n'))
    return causes


def _misplaced(pod: Object, old: Object) -> list[Cause]:
    """Containers that were added, removed, renamed or moved."""
    for field in ("containers", "initContainers"):
        new, known = pod["spec"].get(field) or [], old["spec"].get(field) or []
        if len(new) != len(known):
            return [forbidden("spec", f"{field} may not be added or removed on resize")]
        causes = [
            forbidden(f"spec.{field}[{index}].name", f"{field} may not be renamed or reordered on resize")
            for index, (container, before) in enumerate(zip(new, known, strict=True))
            if container.get("name") != before.get("name")
        ]
        if causes:
            return causes
    return []


def _validate_resize(pod: Object, old: Object) -> list[Cause]:
    misplaced = _misplaced(pod, old)
    if misplaced:
        return misplaced
    if _MIRROR in (old["metadata"].get("annotations") or {}):
        return [forbidden("", "static pods cannot be resized")]
    if (old["spec"].get("os") or {}).get("name") == "windows":
        return [forbidden("", "windows pods cannot be resized")]
    causes = validate_metadata_update(pod["metadata"], old["metadata"])
    if qos_class(pod["spec"]) != qos_class(old["spec"]):
        said = (pod.get("status") or {}).get("qosClass", "")
        causes.append(invalid("spec", said, "Pod QOS Class may not change as a result of resizing"))
    for field in ("containers", "initContainers"):
        before = {container.get("name"): container for container in old["spec"].get(field) or ()}
        for index, container in enumerate(pod["spec"].get(field) or ()):
            path = f"spec.{field}[{index}].resources"
            known = before.get(container.get("name")) or {}
            causes += _validate_resources(container.get("resources") or {}, known.get("resources") or {}, path)
            is_sidecar = field == "containers" or container.get("restartPolicy") == "Always"
            if not is_sidecar and container.get("resources") != known.get("resources"):
                causes.append(forbidden(path, "resources for non-sidecar init containers are immutable"))
    return causes


def _validate_resources(new: Object, old: Object, path: str) -> list[Cause]:
    causes = []
    for amounts in ("limits", "requests"):
        after, before = new.get(amounts) or {}, old.get(amounts) or {}
        if any(name in before and name not in after for name in _RESIZABLE):
            causes.append(forbidden(f"{path}.{amounts}", f"resource {amounts} cannot be removed"))
        changed = {name for name in {*after, *before} if after.get(name) != before.get(name)}
        if any(name not in _RESIZABLE for name in changed):
            causes.append(forbidden("spec", "only cpu and memory resources are mutable"))
    if new.get("claims") != old.get("claims"):
        causes.append(forbidden("spec", "only cpu and memory resources are mutable"))
    return causes


PARTS = {
    "ephemeralcontainers": Part(_only(_take_ephemeral_containers), _validate_ephemeral_containers),
    "resize": Part(_only(_take_resources, keeps_places=True), _validate_resize),
}
