"""Who controls what: adopting what matches a selector, releasing what no longer does.

A controller controls an object by an owner reference with `controller: true`; there is at most one. An object that
matches the selector and has no controller is adopted, an owned one that no longer matches is released. Both are patches
that carry the uid, so that they cannot hit another object of the same name.
Source of the rules: Kubernetes pkg/controller/controller_ref_manager.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from apiserver.client import Client, Informer, Object, Objects, ResourceName, controller_of
from apiserver.errors import StatusError

ORPHANS = "orphans"


def index_orphans(informer: Informer) -> None:
    """Indexes the objects without a controller by namespace, so that adoption need not look at all the others."""
    informer.store.add_index(
        ORPHANS, lambda obj: () if controller_of(obj) else (obj["metadata"].get("namespace") or "",)
    )


def controller_reference(owner: Object) -> Object:
    """The owner reference that makes `owner` the controller, and holds back its foreground deletion."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def owner_of(obj: Object, kind: str, owners: Informer) -> Object | None:
    """The object's controller, where it is of this kind and still the one that is referred to."""
    reference = controller_of(obj)
    if reference is None or reference.get("kind") != kind:
        return None
    owner = owners.get(reference["name"], obj["metadata"].get("namespace") or "")
    return owner if owner is not None and owner["metadata"]["uid"] == reference["uid"] else None


async def claim(
    client: Client,
    resource: ResourceName,
    owner: Object,
    children: Informer,
    matches: Callable[[Object], bool],
) -> Objects:
    """The owner's children after adopting and releasing. An owner that is being deleted adopts nothing."""
    uid = owner["metadata"]["uid"]
    namespace = owner["metadata"]["namespace"]
    claimed: Objects = []
    for child in children.owned_by(uid):
        reference = controller_of(child)
        if reference is None or reference["uid"] != uid:
            continue
        if matches(child):
            claimed.append(child)
        elif not owner["metadata"].get("deletionTimestamp"):
            await _patch_references(client, resource, child, _without(child, uid))
    if owner["metadata"].get("deletionTimestamp"):
        return claimed
    for orphan in children.store.by_index(ORPHANS, namespace):
        if orphan["metadata"].get("deletionTimestamp") or not matches(orphan):
            continue
        references = [*(orphan["metadata"].get("ownerReferences") or ()), controller_reference(owner)]
        adopted = await _patch_references(client, resource, orphan, references)
        if adopted is not None:
            claimed.append(adopted)
    return claimed


def _without(child: Object, uid: str) -> Objects:
    return [reference for reference in child["metadata"]["ownerReferences"] if reference["uid"] != uid]


async def _patch_references(
    client: Client, resource: ResourceName, child: Object, references: Iterable[Object]
) -> Object | None:
    """The patched child, or None where it is gone. The resourceVersion makes it a compare-and-swap."""
    metadata = child["metadata"]
    patch = {
        "metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "ownerReferences": list(references),
        }
    }
    try:
        return await client.patch(resource, metadata["name"], patch, metadata.get("namespace"), patch_type="merge")
    except StatusError as error:
        if error.reason == "NotFound":
            return None
        raise
