"""What deleting means, decided without doing it: remove now, or mark and wait.

    finalizers, a grace period, or a namespace with content ──▶ mark: deletionTimestamp is set, somebody else finishes
    nothing to wait for                                     ──▶ remove

A second delete may shorten a grace period, never lengthen it; with grace 0 a pod is removed at once. Rules: kubernetes.md 1.8.
"""

from __future__ import annotations

from typing import Any

from apiserver.errors import conflict
from apiserver.kinds import Resource
from apiserver.meta import format_time
from apiserver.registry.options import DeleteOptions

Object = dict[str, Any]

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


def check_preconditions(resource: Resource, obj: Object, options: DeleteOptions) -> None:
    """Raises Conflict where the object is not the one that was meant."""
    metadata = obj["metadata"]
    for said, known, what in (
        (options.uid, metadata.get("uid", ""), "UID"),
        (options.resource_version, metadata["resourceVersion"], "ResourceVersion"),
    ):
        if said and said != known:
            why = (
                f"the {what} in the precondition ({said}) does not match the {what} in record ({known}). "
                "The object might have been deleted and then recreated"
            )
            raise conflict(resource.group, resource.kind, metadata["name"], why)


def grace_period_s(resource: Resource, obj: Object, asked: int | None) -> int:
    """Seconds that the object is given; 0 for what nobody has to stop."""
    if not resource.graceful:
        return 0
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    grace = spec.get("terminationGracePeriodSeconds", 30) if asked is None else asked
    return 1 if grace < 0 else int(grace)


def is_gone(resource: Resource, obj: Object) -> bool:
    """Whether nothing holds a deleted object any more, so that it is removed."""
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if metadata.get("deletionGracePeriodSeconds"):
        return False
    return not _holds_content(resource, obj)


def _holds_content(resource: Resource, obj: Object) -> bool:
    is_namespace = resource.plural == "namespaces" and not resource.group
    return is_namespace and bool((obj.get("spec") or {}).get("finalizers"))


def mark(resource: Resource, obj: Object, options: DeleteOptions, now_s: float) -> None:
    """Sets the deletion's fields on a private copy; afterwards `is_gone` says whether it is to be removed."""
    metadata = obj["metadata"]
    grace = grace_period_s(resource, obj, options.grace_period_s)
    finalizers = [name for name in metadata.get("finalizers") or [] if name not in (FOREGROUND, ORPHAN)]
    if options.propagation == "Foreground":
        finalizers.append(FOREGROUND)
    elif options.propagation == "Orphan":
        finalizers.append(ORPHAN)
    elif not options.propagation:
        finalizers = list(metadata.get("finalizers") or [])
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)
    if metadata.get("deletionTimestamp"):
        if grace < metadata.get("deletionGracePeriodSeconds", 0):
            metadata["deletionGracePeriodSeconds"] = grace
            metadata["deletionTimestamp"] = format_time(now_s + grace)
        return
    metadata["deletionTimestamp"] = format_time(now_s + grace)
    metadata["deletionGracePeriodSeconds"] = grace
    resource.prepare_delete(obj, format_time(now_s))
    if metadata.get("generation"):
        metadata["generation"] += 1
    if _holds_content(resource, obj):
        obj.setdefault("status", {})["phase"] = "Terminating"
