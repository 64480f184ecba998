"""The history of a workload's template, as ControllerRevisions: what `kubectl rollout history` and `undo` read.

A revision's data is a patch of the workload that puts its template back. A template that was there before gets its old
revision again, with the highest number; a new one gets a new revision. What no pod has any more goes when there are more
than revisionHistoryLimit.

StatefulSets and DaemonSets share this. Source of the rules: Kubernetes pkg/controller/history.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import NamedTuple

from apiserver.client import Client, Object, Objects, ResourceName, resource_name
from apiserver.controllers.ownership import controller_reference
from apiserver.controllers.rollout import template_hash
from apiserver.errors import StatusError

REVISIONS = resource_name("apps/v1/controllerrevisions")
REVISION_LABEL = "controller-revision-hash"
"""On pods: which template they have. On the revisions of DaemonSets too."""
HASH_LABEL = "controller.kubernetes.io/hash"
MAX_COLLISIONS = 16


class History(NamedTuple):
    """current: the revision of the template as it is now. collisions: how often a name was taken by another template."""

    current: Object
    revisions: Objects
    collisions: int


def in_order(revisions: Iterable[Object]) -> Objects:
    """Oldest first."""
    return sorted(
        revisions,
        key=lambda r: (r.get("revision") or 0, r["metadata"].get("creationTimestamp") or "", r["metadata"]["name"]),
    )


def patch_of(owner: Object) -> Object:
    return {"spec": {"template": {**copy.deepcopy(owner["spec"]["template"]), "$patch": "replace"}}}


def template_of(revision: Object) -> Object:
    """The template that a revision holds, a copy."""
    template = copy.deepcopy(revision["data"]["spec"]["template"])
    template.pop("$patch", None)
    found: Object = template
    return found


def hash_of(revision: Object) -> str:
    labels = revision["metadata"].get("labels") or {}
    return str(labels.get(HASH_LABEL) or labels.get(REVISION_LABEL) or "")


async def record(client: Client, owner: Object, revisions: Objects, collisions: int, label: str) -> History:
    """Finds or makes the revision of the owner's template. label: the one that carries the hash.

    revisions: the owner's own, in any order. Writes at most one.
    """
    revisions = in_order(revisions)
    data = patch_of(owner)
    number = (revisions[-1].get("revision") or 0) + 1 if revisions else 1
    equal = [revision for revision in revisions if revision.get("data") == data]
    if equal and equal[-1] is revisions[-1]:
        return History(equal[-1], revisions, collisions)
    if equal:
        # An old template is the newest again: kubectl rollout undo.
        renumbered = await client.update(REVISIONS, {**equal[-1], "revision": number})
        return History(renumbered, [r for r in revisions if r is not equal[-1]] + [renumbered], collisions)
    for collision in range(collisions, collisions + MAX_COLLISIONS):
        built = _build(owner, data, number, collision, label)
        made = await _create(client, built)
        if made is not None:
            return History(made, [*revisions, made], collision)
    raise StatusError(409, "Conflict", f"no free name for a revision of {owner['metadata']['name']}")


def _build(owner: Object, data: Object, number: int, collision: int, label: str) -> Object:
    metadata, template = owner["metadata"], owner["spec"]["template"]
    value = template_hash(template, collision)
    labels = {**((template.get("metadata") or {}).get("labels") or {}), label: value}
    made: Object = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{metadata['name'][:223]}-{value}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [controller_reference(owner)],
        },
        "data": data,
        "revision": number,
    }
    if metadata.get("annotations"):
        made["metadata"]["annotations"] = dict(metadata["annotations"])
    return made


async def _create(client: Client, built: Object) -> Object | None:
    """None where the name is another template's."""
    metadata = built["metadata"]
    try:
        return await client.create(REVISIONS, built)
    except StatusError as error:
        if error.reason != "AlreadyExists":
            raise
    known = await client.get(REVISIONS, metadata["name"], metadata["namespace"])
    owners = [reference["uid"] for reference in known["metadata"].get("ownerReferences") or ()]
    return known if known.get("data") == built["data"] and metadata["ownerReferences"][0]["uid"] in owners else None


async def truncate(client: Client, revisions: Objects, live: Iterable[str], limit: int) -> None:
    """Deletes the oldest revisions that are not live (by name), down to `limit` of them."""
    kept = set(live)
    idle = [revision for revision in in_order(revisions) if revision["metadata"]["name"] not in kept]
    for revision in idle[: max(len(idle) - limit, 0)]:
        await delete_quietly(client, REVISIONS, revision)


async def delete_quietly(client: Client, resource: ResourceName, obj: Object) -> None:
    """Deletes this very object; that it is gone already is as good."""
    metadata = obj["metadata"]
    try:
        await client.delete(resource, metadata["name"], metadata.get("namespace"), uid=metadata["uid"])
    except StatusError as error:
        if error.reason not in ("NotFound", "Conflict"):
            raise
