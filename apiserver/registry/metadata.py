"""The part of an object that is the server's: uid, times, generation; and what an update may not touch."""

from __future__ import annotations

from typing import Any

from apiserver.errors import bad_request, conflict
from apiserver.kinds import Resource

Object = dict[str, Any]

_KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "generateName")
_NEVER_STORED = ("selfLink",)


def fill_new(resource: Resource, obj: Object, namespace: str, uid: str, now: str) -> None:
    """A new object's metadata. The name is there already."""
    metadata = obj["metadata"]
    for field in (*_NEVER_STORED, "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
        metadata.pop(field, None)
    metadata["uid"] = uid
    metadata["creationTimestamp"] = now
    if resource.namespaced:
        metadata["namespace"] = namespace
    else:
        metadata.pop("namespace", None)
    if resource.tracks_generation:
        metadata["generation"] = 1


def check_address(resource: Resource, obj: Object, namespace: str, name: str) -> None:
    """The body's name and namespace against the URL's. Raises BadRequest."""
    metadata = obj["metadata"]
    said = metadata.get("namespace")
    if resource.namespaced and said and said != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if name and metadata.get("name") and metadata["name"] != name:
        raise bad_request(f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})")
    if name:
        metadata["name"] = name


def check_identity(resource: Resource, obj: Object, old: Object) -> None:
    """The resourceVersion and the uid that the client says it changes. Raises Conflict."""
    metadata, known = obj["metadata"], old["metadata"]
    uid = metadata.get("uid")
    if uid and uid != known.get("uid"):
        key = (
            f"{resource.storage_prefix}/{known['namespace']}/"
            if "namespace" in known
            else f"{resource.storage_prefix}/"
        )
        why = (
            f"StorageError: invalid object, Code: 4, Key: {key}{known['name']}, ResourceVersion: 0, AdditionalErrorMsg: "
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: {known.get('uid')}"
        )
        raise conflict(resource.group, resource.plural, known["name"], why)
    version = metadata.get("resourceVersion")
    if version and version != known["resourceVersion"]:
        raise conflict(resource.group, resource.plural, known["name"])


def restore(obj: Object, old: Object) -> None:
    """Gives back to an update what only the server may change."""
    metadata, known = obj["metadata"], old["metadata"]
    for field in _NEVER_STORED:
        metadata.pop(field, None)
    for field in _KEPT:
        if field in known:
            metadata[field] = known[field]
        else:
            metadata.pop(field, None)
    metadata["name"] = known["name"]
    if "namespace" in known:
        metadata["namespace"] = known["namespace"]
    metadata["resourceVersion"] = known["resourceVersion"]
