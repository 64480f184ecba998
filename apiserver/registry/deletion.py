"""What deleting means, decided without doing it.

    KEEP         a deletion is under way, and this one asks for nothing sooner
    MARK         finalizers, a grace period or a namespace's content hold the object: deletionTimestamp is set, somebody else
                 finishes
    REMOVE       nothing to wait for
    MARK_FIRST   a pod that no node has to stop: marked, so that who watches sees it, and removed at once

A second delete may shorten a grace period, never lengthen it. Rules: kubernetes.md 1.8; apiserver registry/generic store.go and
rest/delete.go.
"""

from __future__ import annotations

from typing import Any

from apiserver.errors import conflict
from apiserver.kinds import Resource
from apiserver.meta import format_time, parse_time
from apiserver.registry.options import DeleteOptions

Object = dict[str, Any]

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
KEEP, MARK, REMOVE, MARK_FIRST = "keep", "mark", "remove", "mark-first"

# Whose dependents stay unless the request says otherwise, as they did before there was a garbage collector.
_ORPHANS_BY_DEFAULT = {("", "replicationcontrollers"), ("batch", "jobs")}
_NOT_COLLECTED = {("", "events"), ("events.k8s.io", "events")}
ORPHANS_WARNING = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)

# What a delete answers with the object itself; all others answer with a Status.
_RETURNED = {
    ("", "persistentvolumeclaims"),
    ("", "persistentvolumes"),
    ("", "pods"),
    ("", "podtemplates"),
    ("", "resourcequotas"),
    ("", "serviceaccounts"),
    ("", "services"),
    ("storage.k8s.io", "csidrivers"),
    ("storage.k8s.io", "csinodes"),
    ("storage.k8s.io", "storageclasses"),
    ("storage.k8s.io", "volumeattachments"),
    ("storage.k8s.io", "volumeattributesclasses"),
}


def returns_deleted(resource: Resource) -> bool:
    return (resource.group, resource.plural) in _RETURNED


def delete_warnings(resource: Resource, options: DeleteOptions) -> list[str]:
    is_job = (resource.group, resource.plural) == ("batch", "jobs")
    return [ORPHANS_WARNING] if is_job and not options.propagation else []


def check_preconditions(resource: Resource, obj: Object, options: DeleteOptions) -> None:
    """Raises Conflict where the object is not the one that was meant."""
    metadata = obj["metadata"]
    for said, known, what, perhaps in (
        (options.uid, metadata.get("uid", ""), "UID", "deleted and then recreated"),
        (options.resource_version, metadata["resourceVersion"], "ResourceVersion", "modified"),
    ):
        if not said or said == known:
            continue
        if _is_namespace(resource):
            why = f"Precondition failed: {what} in precondition: {said}, {what} in object meta: {known}"
            raise conflict("", "namespaces", metadata["name"], why)
        why = (
            f"the {what} in the precondition ({said}) does not match the {what} in record ({known}). "
            f"The object might have been {perhaps}"
        )
        raise conflict(resource.group, resource.kind, metadata["name"], why)


def is_gone(resource: Resource, obj: Object) -> bool:
    """Whether nothing holds a deleted object any more, so that the update that let it go removes it."""
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if metadata.get("deletionGracePeriodSeconds"):
        return False
    return not _holds_content(resource, obj)


def _is_namespace(resource: Resource) -> bool:
    return resource.plural == "namespaces" and not resource.group


def _holds_content(resource: Resource, obj: Object) -> bool:
    return _is_namespace(resource) and bool((obj.get("spec") or {}).get("finalizers"))


def plan(resource: Resource, obj: Object, options: DeleteOptions, now_s: float) -> str:
    """Sets the deletion's fields on a private copy. -> what is to be done with it."""
    metadata = obj["metadata"]
    if _is_namespace(resource):
        if not metadata.get("deletionTimestamp"):
            metadata["deletionTimestamp"] = format_time(now_s)
            obj.setdefault("status", {})["phase"] = "Terminating"
            _set_finalizers(resource, metadata, options)
            return MARK
        if _holds_content(resource, obj):
            return KEEP
    grace_s: int | None = None
    if resource.graceful:
        wait = _mark_graceful(obj, options, now_s)
        if wait == KEEP:
            return KEEP
        if wait == MARK:
            grace_s = metadata["deletionGracePeriodSeconds"]
    _set_finalizers(resource, metadata, options)
    if not metadata.get("deletionTimestamp"):
        resource.prepare_delete(obj, format_time(now_s))  # may bring a finalizer
    if grace_s is not None:
        return MARK if grace_s > 0 or metadata.get("finalizers") else MARK_FIRST
    if not metadata.get("finalizers"):
        return REMOVE
    _mark_waiting(resource, obj, now_s)
    return MARK


def _mark_graceful(obj: Object, options: DeleteOptions, now_s: float) -> str:
    """MARK: a grace period was set or shortened. KEEP: there is a shorter one. REMOVE: there is nothing to wait for."""
    metadata = obj["metadata"]
    asked = options.grace_period_s
    if asked is not None and asked < 0:
        asked = 1
    if metadata.get("deletionTimestamp"):
        current = metadata.get("deletionGracePeriodSeconds") or 0
        if not current:
            return REMOVE
        if asked is None or asked >= current:
            return KEEP
        ends_s = parse_time(metadata["deletionTimestamp"]) - current + asked
        metadata["deletionTimestamp"] = format_time(ends_s)
        metadata["deletionGracePeriodSeconds"] = asked
        return MARK
    grace = _grace_period_s(obj, asked)
    metadata["deletionTimestamp"] = format_time(now_s + grace)
    metadata["deletionGracePeriodSeconds"] = grace
    if metadata.get("generation"):
        metadata["generation"] += 1
    return MARK


def _grace_period_s(obj: Object, asked: int | None) -> int:
    """Seconds that a pod is given; 0 for one that no node has to stop."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    grace = int(spec.get("terminationGracePeriodSeconds", 0)) if asked is None else asked
    return 1 if grace < 0 else grace


def _mark_waiting(resource: Resource, obj: Object, now_s: float) -> None:
    """Marks what only its finalizers hold."""
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp"):
        if metadata.get("generation"):
            metadata["generation"] += 1
        metadata["deletionTimestamp"] = format_time(now_s)
    metadata["deletionGracePeriodSeconds"] = 0


def _set_finalizers(resource: Resource, metadata: Object, options: DeleteOptions) -> None:
    """Whether the garbage collector has to delete the dependents first, or to let them go, is a finalizer."""
    key = (resource.group, resource.plural)
    if key in _NOT_COLLECTED:
        return
    known = metadata.get("finalizers") or []
    policy = options.propagation
    if policy:
        orphans, foreground = policy == "Orphan", policy == "Foreground"
    else:
        mine = [name for name in known if name in (ORPHAN, FOREGROUND)]
        foreground = mine[:1] == [FOREGROUND]
        orphans = mine[:1] == [ORPHAN] or (not mine and key in _ORPHANS_BY_DEFAULT)
    finalizers = [name for name in known if name not in (FOREGROUND, ORPHAN)]
    if orphans:
        finalizers.append(ORPHAN)
    if foreground:
        finalizers.append(FOREGROUND)
    if set(finalizers) == set(known):
        return
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)
