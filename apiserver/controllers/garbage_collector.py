"""Deletes what its owners have left behind, and carries out what a deletion's propagation policy asked for.

    Background   the owner is gone; a dependent none of whose owners exist is deleted
    Foreground   the owner stays, with the finalizer foregroundDeletion, until no dependent blocks it (blockOwnerDeletion)
    Orphan       the owner stays, with the finalizer orphan, until its dependents no longer refer to it

The graph is not kept: informers of every resource that discovery lists with list, watch and delete (of metadata alone,
where nobody else watches the whole) index their objects by owner uid, and one table here maps uid to object. That an owner
is absent is never believed of a cache, which may be behind: it is read from the server first. What is deleted is named by
uid and resourceVersion, so that nothing is deleted that changed meanwhile.

Keys: the uid of an object whose owners or dependents are to be looked at; or REDISCOVER, which comes round every 30 s and
soon after a CustomResourceDefinition changed: resources that are new are watched, those that are gone are no longer.
Source of the rules: Kubernetes pkg/controller/garbagecollector.
"""

from __future__ import annotations

import asyncio
import logging
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

log = logging.getLogger(__name__)

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"

REDISCOVER = "*"
REDISCOVER_S = 30.0
REDISCOVER_SOON_S = 0.3
SYNC_S = 30.0
"""New resources are waited for so long before dependents are looked for; one that cannot be listed must not stop all."""
DEFINITIONS = ("apiextensions.k8s.io", "customresourcedefinitions")
IGNORED = {("", "events"), ("events.k8s.io", "events")}
"""Many, short-lived and owned by nobody. Kubernetes ignores the same."""


class _MisplacedOwnerError(Exception):
    """A reference that no owner can ever satisfy; trying again is no use."""


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
        self._recorder = context.recorder("garbage-collector-controller")
        self._monitors: dict[tuple[str, str], tuple[ServedResource, Informer]] = {}
        self._synced = asyncio.Event()
        self._places: dict[str, _Place] = {}
        self.queue.add(REDISCOVER)

    # ------------------------------------------------------------------------------------------------ events

    def _seen(self, resource: ServedResource, obj: Object) -> None:
        metadata = obj["metadata"]
        uid = metadata["uid"]
        self._places[uid] = _Place(resource, key_of(obj))
        owners = metadata.get("ownerReferences")
        # Most objects have no owner, or one that is well: only the rest is worth a reconcile.
        if owners and not all(self._is_well(owner["uid"], metadata.get("namespace")) for owner in owners):
            self.queue.add(uid)
        if metadata.get("deletionTimestamp") and metadata.get("finalizers"):
            self.queue.add(uid)

    def _updated(self, resource: ServedResource, old: Object, obj: Object) -> None:
        self._seen(resource, obj)
        before, now = old["metadata"].get("ownerReferences"), obj["metadata"].get("ownerReferences")
        if before and before != now:
            blocked = {owner["uid"] for owner in now or () if owner.get("blockOwnerDeletion")}
            for owner in before:
                if owner.get("blockOwnerDeletion") and owner["uid"] not in blocked:
                    self.queue.add(owner["uid"])  # it may have been waiting for this one

    def _gone(self, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        self._places.pop(uid, None)
        for _, dependent in self._dependents(uid):
            self.queue.add(dependent["metadata"]["uid"])
        for owner in obj["metadata"].get("ownerReferences") or ():
            waiting = self._find(owner["uid"])
            if waiting is not None and _waits_for_dependents(waiting):
                self.queue.add(owner["uid"])

    def _is_well(self, uid: str, namespace: str | None) -> bool:
        """Whether an object of this namespace has a living owner of this uid."""
        owner = self._find(uid)
        if owner is None or _waits_for_dependents(owner):
            return False
        return owner["metadata"].get("namespace") in (None, namespace)

    def _find(self, uid: str) -> Object | None:
        place = self._places.get(uid)
        if place is None:
            return None
        monitor = self._monitors.get((place.resource.name.group, place.resource.name.plural))
        obj = None if monitor is None else monitor[1].store.find(place.key)
        return obj if obj is not None and obj["metadata"]["uid"] == uid else None

    def _dependents(self, uid: str) -> list[tuple[ServedResource, Object]]:
        found = []
        for _, monitor in self._monitors.values():
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
        await self._synced.wait()
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
        discovery = await discover(self._client)
        self._discovery = discovery
        served = {
            (resource.name.group, resource.name.plural): resource
            for resource in discovery.resources
            if {"list", "watch", "delete"} <= resource.verbs
        }
        for key, (resource, monitor) in list(self._monitors.items()):
            known = served.get(key)
            # A group that could not be read may be there all the same.
            if known is None and any(text.startswith(f"{key[0]}/") for text in discovery.failed):
                continue
            if known is None or known.name != resource.name:
                self._forget(key, monitor)
        fresh = [self._watch(key, served[key]) for key in served if key not in self._monitors and key not in IGNORED]
        if fresh:
            self._synced.clear()
        try:
            async with asyncio.timeout(SYNC_S):
                await asyncio.gather(*(monitor.synced() for monitor in fresh))
        except TimeoutError:
            log.warning("some resources cannot be listed; their objects are not seen as dependents")
        self._synced.set()

    def _watch(self, key: tuple[str, str], resource: ServedResource) -> Informer:
        monitor = self._informers.informer(resource.name, metadata_only=True)
        self._monitors[key] = (resource, monitor)
        monitor.add_handler(
            on_add=partial(self._seen, resource), on_update=partial(self._updated, resource), on_delete=self._gone
        )
        if key == DEFINITIONS:
            monitor.add_handler(on_add=self._defined, on_update=self._redefined, on_delete=self._defined)
        return monitor

    def _forget(self, key: tuple[str, str], monitor: Informer) -> None:
        """The resource is no longer served, and so its objects are gone."""
        del self._monitors[key]
        self._informers.drop(monitor)
        for obj in monitor.store.objects():
            self._gone(obj)

    def _defined(self, definition: Object) -> None:
        self.queue.add_after(REDISCOVER, REDISCOVER_SOON_S)

    def _redefined(self, old: Object, definition: Object) -> None:
        self.queue.add_after(REDISCOVER, REDISCOVER_SOON_S)

    async def _look_at_owners(self, place: _Place, obj: Object) -> None:
        """Deletes the object when no owner is left, or the last one waits for it; drops references to the dead."""
        solid, waiting, dangling = [], [], []
        for reference in obj["metadata"].get("ownerReferences") or ():
            try:
                owner = await self._owner(reference, obj)
            except _MisplacedOwnerError:
                self._complain(place, obj, reference)
                return
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
        dependents = self._dependents(_uid(obj)) if waiting else []
        if dependents:
            if any(_waits_for_dependents(dependent) for _, dependent in dependents):
                await self._unblock(place, obj)  # a circle: each would wait for the other
            await self._delete(place, obj, "Foreground")
        elif waiting or dangling:
            finalizers = obj["metadata"].get("finalizers") or ()
            policy = "Orphan" if ORPHAN in finalizers else "Foreground" if FOREGROUND in finalizers else "Background"
            await self._delete(place, obj, policy)

    async def _unblock(self, place: _Place, obj: Object) -> None:
        references = [
            {**r, "blockOwnerDeletion": False} if r.get("blockOwnerDeletion") else r
            for r in obj["metadata"]["ownerReferences"]
        ]
        await self._keep_references(place, obj, references)

    async def _owner(self, reference: Object, obj: Object) -> Object | None:
        """The owner as the cache has it, else as the server has it; None when it does not exist.

        Raises _MisplacedOwnerError where an object without a namespace says that it is owned by one that has one.
        """
        group = str(reference["apiVersion"]).rpartition("/")[0]
        namespace = obj["metadata"].get("namespace")
        cached = self._find(reference["uid"])
        if cached is not None:
            place, where = self._places[reference["uid"]], cached["metadata"].get("namespace")
            if where and not namespace:
                raise _MisplacedOwnerError
            named = (place.resource.kind, cached["metadata"]["name"]) == (reference["kind"], reference["name"])
            if named and (not where or where == namespace) and place.resource.name.group == group:
                return cached
            if where and where != namespace:
                self._complain(self._places.get(_uid(obj), place), obj, reference)
        resource = self._discovery.find_kind(group, reference["kind"])
        if resource is None:
            # Whoever owned it may be of a kind that is served again tomorrow: nothing is deleted on a guess.
            raise StatusError(404, "NotFound", f"{reference['apiVersion']} {reference['kind']} is not served")
        if resource.namespaced and not namespace:
            raise _MisplacedOwnerError
        try:
            owner = await self._client.get(resource.name, reference["name"], namespace if resource.namespaced else None)
        except StatusError as error:
            if error.reason == "NotFound":
                return None
            raise
        return owner if owner["metadata"]["uid"] == reference["uid"] else None

    def _complain(self, place: _Place, obj: Object, reference: Object) -> None:
        """An owner is looked for in the object's own namespace; one elsewhere is as good as none."""
        namespace = obj["metadata"].get("namespace") or ""
        who = f"{reference['apiVersion']}/{reference['kind']}, namespace: {namespace}, name: {reference['name']}"
        message = f'ownerRef [{who}, uid: {reference["uid"]}] does not exist in namespace "{namespace}"'
        about = {
            "apiVersion": place.resource.api_version,
            "kind": place.resource.kind,
            "metadata": obj["metadata"],
        }
        self._recorder.event(about, "Warning", "OwnerRefInvalidNamespace", message)

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
                place.resource.name,
                name,
                namespace or None,
                uid=_uid(obj),
                resource_version=obj["metadata"]["resourceVersion"],
                propagation_policy=policy,
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
