"""Namespaces: what `kubectl delete namespace` waits for.

A namespace with a deletionTimestamp is emptied: every namespaced resource that discovery lists with delete and list,
pods first (other things, such as NetworkPolicies, protect them while they run). When nothing is left, the finalizer
"kubernetes" is taken out through /finalize, and the API server removes the object. Until then the conditions say
what is in the way.
Source of the rules: Kubernetes pkg/controller/namespace/deletion (OrderedNamespaceDeletion).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import NamedTuple

from apiserver.client import Object, ServedResource, WorkQueue, discover, key_of, resource_name
from apiserver.controllers.context import Context
from apiserver.errors import StatusError
from apiserver.meta import format_time

NAMESPACES = resource_name("namespaces")
FINALIZER = "kubernetes"

RETRY_S = 0.2
MAX_RETRY_S = 5.0


class _Found(NamedTuple):
    """What is in the way of one namespace's end."""

    undiscovered: list[str]
    refused: list[str]
    remaining: dict[str, int]
    finalizers: dict[str, int]


class NamespaceController:
    workers = 10

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock, base_delay_s=RETRY_S, max_delay_s=MAX_RETRY_S)
        self._client = context.client
        self._clock = context.clock
        self._namespaces = context.informers.informer(NAMESPACES)
        self._attempts: dict[str, int] = {}
        self._namespaces.add_handler(
            on_add=self._changed,
            on_update=lambda old, obj: self._changed(obj),
            on_delete=lambda obj: self._attempts.pop(key_of(obj), None),
        )

    def _changed(self, namespace: Object) -> None:
        if namespace["metadata"].get("deletionTimestamp"):
            self.queue.add(key_of(namespace))

    async def reconcile(self, key: str) -> None:
        cached = self._namespaces.get(key)
        if cached is None or not cached["metadata"].get("deletionTimestamp"):
            return
        if FINALIZER not in ((cached.get("spec") or {}).get("finalizers") or ()):
            return
        # Asked anew each time: a CRD may have come since, and what it brings must not outlive the namespace.
        discovery = await discover(self._client)
        found = _Found(list(discovery.failed), [], {}, {})
        for batch in _in_order(discovery.resources):
            for resource in batch:
                try:
                    await self._empty(key, resource, found)
                except StatusError as error:
                    found.refused.append(error.message)
            if found.remaining or found.refused:
                break
        if any(found):
            await self._report(cached, found)
            attempts = self._attempts[key] = self._attempts.get(key, 0) + 1
            self.queue.add_after(key, min(RETRY_S * 2.0 ** min(attempts - 1, 10), MAX_RETRY_S))
            return
        await self._finalize(key)

    async def _empty(self, namespace: str, resource: ServedResource, found: _Found) -> None:
        """Asks for the deletion of all there is of one resource, and counts what is still there afterwards."""
        try:
            if not (await self._client.list(resource.name, namespace, limit=1, metadata_only=True)).get("items"):
                return
            await self._delete_all(namespace, resource)
            items, _ = await self._client.list_all(resource.name, namespace, metadata_only=True)
        except StatusError as error:
            if error.code in (404, 405):
                return  # no longer served
            raise
        if items:
            found.remaining[f"{resource.name.plural}.{resource.name.group}"] = len(items)
        for item in items:
            for finalizer in item["metadata"].get("finalizers") or ():
                found.finalizers[finalizer] = found.finalizers.get(finalizer, 0) + 1

    async def _delete_all(self, namespace: str, resource: ServedResource) -> None:
        if "deletecollection" in resource.verbs:
            await self._client.delete_collection(resource.name, namespace, propagation_policy="Background")
            return
        items, _ = await self._client.list_all(resource.name, namespace, metadata_only=True)
        for item in items:
            try:
                await self._client.delete(resource.name, item["metadata"]["name"], namespace)
            except StatusError as error:
                if error.reason != "NotFound":
                    raise

    async def _finalize(self, key: str) -> None:
        # Read again: /finalize is a compare-and-swap, and the status may have been written a moment ago.
        try:
            namespace = copy.deepcopy(await self._client.get(NAMESPACES, key))
            if not namespace["metadata"].get("deletionTimestamp"):
                return
            namespace["spec"]["finalizers"] = [name for name in namespace["spec"]["finalizers"] if name != FINALIZER]
            await self._client.finalize(namespace)
        except StatusError as error:
            if error.reason != "NotFound":
                raise

    async def _report(self, cached: Object, found: _Found) -> None:
        status = {**(cached.get("status") or {}), "phase": "Terminating"}
        old = {condition["type"]: condition for condition in status.get("conditions") or ()}
        now = format_time(self._clock.now_s())
        conditions = []
        for type, value, reason, message in _conditions(found):
            before = old.get(type) or {}
            since = before.get("lastTransitionTime", now) if before.get("status") == value else now
            conditions.append(
                {"type": type, "status": value, "lastTransitionTime": since, "reason": reason, "message": message}
            )
        if conditions == status.get("conditions") and (cached.get("status") or {}).get("phase") == "Terminating":
            return
        status["conditions"] = conditions
        try:
            await self._client.update_status(NAMESPACES, {**cached, "status": status})
        except StatusError as error:
            if error.reason not in ("Conflict", "NotFound"):
                raise


def _in_order(resources: Iterable[ServedResource]) -> tuple[list[ServedResource], list[ServedResource]]:
    """(pods, everything else that lives in a namespace and can be listed and deleted)."""
    deletable = [r for r in resources if r.namespaced and {"list", "delete"} <= r.verbs]
    pods = [r for r in deletable if r.name.plural == "pods" and not r.name.group]
    return pods, [r for r in deletable if r not in pods]


def _conditions(found: _Found) -> list[tuple[str, str, str, str]]:
    """(type, status, reason, message), with Kubernetes' texts and in its order."""
    left = ", ".join(f"{name} has {count} resource instances" for name, count in found.remaining.items())
    held = ", ".join(f"{name} in {count} resource instances" for name, count in found.finalizers.items())
    failed, refused = "; ".join(found.undiscovered), ", ".join(found.refused)
    table = (
        (
            "NamespaceDeletionDiscoveryFailure",
            failed
            and ("DiscoveryFailed", f"Discovery failed for some groups, {len(found.undiscovered)} failing: {failed}"),
            ("ResourcesDiscovered", "All resources successfully discovered"),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "",
            ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        (
            "NamespaceDeletionContentFailure",
            refused
            and (
                "ContentDeletionFailed",
                f"Failed to delete all resource types, {len(found.refused)} remaining: {refused}",
            ),
            ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
        ),
        (
            "NamespaceContentRemaining",
            left and ("SomeResourcesRemain", f"Some resources are remaining: {left}"),
            ("ContentRemoved", "All content successfully removed"),
        ),
        (
            "NamespaceFinalizersRemaining",
            held and ("SomeFinalizersRemain", f"Some content in the namespace has finalizers remaining: {held}"),
            ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
        ),
    )
    return [(type, "True" if wrong else "False", *(wrong or well)) for type, wrong, well in table]
