"""Deletes what its owners have left behind, and carries out what a deletion's propagation policy asked for.

    Background   the owner is gone; a dependent none of whose owners exist is deleted
    Foreground   the owner stays, with the finalizer foregroundDeletion, until no dependent blocks it (blockOwnerDeletion)
    Orphan       the owner stays, with the finalizer orphan, until its dependents no longer refer to it

The graph is not kept: informers of every resource that discovery lists with list, watch and delete index their objects
by owner uid, and one table here maps uid to object. That an owner is absent is never believed of a cache, which may be
behind: it is read from the server first.

Keys: the uid of an object whose owners or dependents are to be looked at; or REDISCOVER, which comes round every 30 s
and begins to watch resources that are new (a CRD).
Source of the rules: Kubernetes pkg/controller/garbagecollector.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from apiserver.client import (
    Discovery,
    Informer,
    Object,
    Objects,
    ServedResource,
    WorkQueue,
    discover,
    key_of,
    split_key,
)
from apiserver.controllers.context import Context
from apiserver.errors import StatusError

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"

REDISCOVER = "*"
REDISCOVER_S = 30.0
IGNORED = {("", "events"), ("events.k8s.io", "events")}
"""Many, short-lived and owned by nobody. Kubernetes ignores the same."""


class _Place(NamedTuple):
    """Where an object is: which resource, and its key there."""

    resource: ServedResource
    key: str


class GarbageCollector:
    workers = 10

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._informers = context.informers
        self._discovery = Discovery([], [])
        self._monitors: dict[tuple[str, str], Informer] = {}
        self._places: dict[str, _Place] = {}
        self.queue.add(REDISCOVER)

    # ------------------------------------------------------------------------------------------------ events

    def _seen(self, resource: ServedResource, obj: Object) -> None:
        metadata = obj["metadata"]
        uid = metadata["uid"]
        self._places[uid] = _Place(resource, key_of(obj))
        owners = metadata.get("ownerReferences")
        # Most objects have no owner, or one that is well: only the rest is worth a reconcile.
        if owners and not all(self._is_well(owner["uid"]) for owner in owners):
            self.queue.add(uid)
        if metadata.get("deletionTimestamp") and metadata.get("finalizers"):
            self.queue.add(uid)

    def _updated(self, resource: ServedResource, old: Object, obj: Object) -> None:
        self._seen(resource, obj)

    def _gone(self, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        self._places.pop(uid, None)
        for _, dependent in self._dependents(uid):
            self.queue.add(dependent["metadata"]["uid"])
        for owner in obj["metadata"].get("ownerReferences") or ():
            if owner["uid"] in self._places and not self._is_well(owner["uid"]):
                self.queue.add(owner["uid"])  # it may have been waiting for this one

    def _is_well(self, uid: str) -> bool:
        owner = self._find(uid)
        return owner is not None and not _waits_for_dependents(owner)

    def _find(self, uid: str) -> Object | None:
        place = self._places.get(uid)
        if place is None:
            return None
        obj = self._monitors[place.resource.name.group, place.resource.name.plural].store.find(place.key)
        return obj if obj is not None and obj["metadata"]["uid"] == uid else None

    def _dependents(self, uid: str) -> list[tuple[ServedResource, Object]]:
        found = []
        for monitor in self._monitors.values():
            for dependent in monitor.owned_by(uid):
                place = self._places.get(dependent["metadata"]["uid"])
                if place is not None:
                    found.append((place.resource, dependent))
        return found

    # ------------------------------------------------------------------------------------------------ reconcile

    async def reconcile(self, key: str) -> None:
        if key == REDISCOVER:
            await self._rediscover()
            return
        obj = self._find(key)
        if obj is None:
            return
        place = self._places[key]
        finalizers = obj["metadata"].get("finalizers") or ()
        if obj["metadata"].get("deletionTimestamp"):
            if ORPHAN in finalizers:
                await self._orphan(place, obj)
            elif FOREGROUND in finalizers:
                await self._go_first(place, obj)
            return
        await self._look_at_owners(place, obj)

    async def _rediscover(self) -> None:
        self.queue.add_after(REDISCOVER, REDISCOVER_S)
        self._discovery = await discover(self._client)
        for resource in self._discovery.resources:
            key = (resource.name.group, resource.name.plural)
            if key in self._monitors or key in IGNORED or not {"list", "watch", "delete"} <= resource.verbs:
                continue
            monitor = self._monitors[key] = self._informers.informer(resource.name)
            monitor.add_handler(
                on_add=partial(self._seen, resource), on_update=partial(self._updated, resource), on_delete=self._gone
            )

    async def _look_at_owners(self, place: _Place, obj: Object) -> None:
        """Deletes the object when no owner is left, or the last one waits for it; drops references to the dead."""
        solid, waiting, dangling = [], [], []
        for reference in obj["metadata"].get("ownerReferences") or ():
            owner = await self._owner(reference, obj)
            if owner is None:
                dangling.append(reference)
            elif _waits_for_dependents(owner):
                waiting.append(reference)
            else:
                solid.append(reference)
        if solid:
            if dangling or waiting:
                await self._keep_references(place, obj, solid)
            return
        if waiting:
            blocked = any(
                self._blocks(dependent, obj["metadata"]["uid"]) for _, dependent in self._dependents(_uid(obj))
            )
            await self._delete(place, obj, "Foreground" if blocked else "Background")
        elif dangling:
            finalizers = obj["metadata"].get("finalizers") or ()
            policy = "Orphan" if ORPHAN in finalizers else "Foreground" if FOREGROUND in finalizers else "Background"
            await self._delete(place, obj, policy)

    async def _owner(self, reference: Object, obj: Object) -> Object | None:
        """The owner as the cache has it, else as the server has it; None when it does not exist."""
        cached = self._find(reference["uid"])
        if cached is not None:
            return cached
        group = reference["apiVersion"].rpartition("/")[0]
        resource = self._discovery.find_kind(group, reference["kind"])
        if resource is None:
            # Whoever owned it may be of a kind that is served again tomorrow: nothing is deleted on a guess.
            raise StatusError(404, "NotFound", f"{reference['apiVersion']} {reference['kind']} is not served")
        namespace = obj["metadata"].get("namespace") if resource.namespaced else None
        if resource.namespaced and namespace is None:
            return None  # a cluster-scoped object cannot be owned by one that lives in a namespace
        try:
            owner = await self._client.get(resource.name, reference["name"], namespace)
        except StatusError as error:
            if error.reason == "NotFound":
                return None
            raise
        return owner if owner["metadata"]["uid"] == reference["uid"] else None

    # ------------------------------------------------------------------------------------------------ the policies

    async def _go_first(self, place: _Place, obj: Object) -> None:
        """Foreground: the dependents go first, and the finalizer when none blocks any more."""
        dependents = [dependent for _, dependent in self._dependents(_uid(obj))]
        blocking = [dependent for dependent in dependents if self._blocks(dependent, _uid(obj))]
        for dependent in dependents:
            if not dependent["metadata"].get("deletionTimestamp"):
                self.queue.add(_uid(dependent))
        if not blocking:
            await self._remove_finalizer(place, obj, FOREGROUND)

    async def _orphan(self, place: _Place, obj: Object) -> None:
        for resource, dependent in self._dependents(_uid(obj)):
            kept = [r for r in dependent["metadata"]["ownerReferences"] if r["uid"] != _uid(obj)]
            await self._keep_references(_Place(resource, key_of(dependent)), dependent, kept)
        await self._remove_finalizer(place, obj, ORPHAN)

    def _blocks(self, dependent: Object, uid: str) -> bool:
        references = dependent["metadata"].get("ownerReferences") or ()
        return any(reference["uid"] == uid and reference.get("blockOwnerDeletion") for reference in references)

    # ------------------------------------------------------------------------------------------------ writes

    async def _delete(self, place: _Place, obj: Object, policy: str) -> None:
        namespace, name = split_key(place.key)
        try:
            await self._client.delete(
                place.resource.name, name, namespace or None, uid=_uid(obj), propagation_policy=policy
            )
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise

    async def _keep_references(self, place: _Place, obj: Object, references: Objects) -> None:
        await self._patch_metadata(place, obj, {"ownerReferences": references})

    async def _remove_finalizer(self, place: _Place, obj: Object, finalizer: str) -> None:
        kept = [name for name in obj["metadata"].get("finalizers") or () if name != finalizer]
        await self._patch_metadata(place, obj, {"finalizers": kept})

    async def _patch_metadata(self, place: _Place, obj: Object, changes: Object) -> None:
        """A compare-and-swap of uid and resourceVersion; a Conflict is tried again on what the informer shows then."""
        namespace, name = split_key(place.key)
        metadata = obj["metadata"]
        patch = {"metadata": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"], **changes}}
        try:
            await self._client.patch(place.resource.name, name, patch, namespace or None)
        except StatusError as error:
            if error.reason != "NotFound":
                raise


def _uid(obj: Object) -> str:
    return str(obj["metadata"]["uid"])


def _waits_for_dependents(obj: Object) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp")) and FOREGROUND in (obj["metadata"].get("finalizers") or ())
