"""Finalizers of claims and volumes: a claim stays while a pod uses it, a volume while a claim is bound to it.

The finalizer is added where it is missing (admission adds it on creation) and taken away from what is being deleted
once nobody uses it any more. That nobody does is asked of the server before a claim goes, for a cache may be behind.
Source of the rules: Kubernetes pkg/controller/volume/pvcprotection and pvprotection.
"""

from __future__ import annotations

from apiserver.client import Client, Object, ResourceName, WorkQueue, key_of, resource_name, split_key
from apiserver.controllers.context import Context
from apiserver.errors import StatusError

CLAIMS = resource_name("persistentvolumeclaims")
VOLUMES = resource_name("persistentvolumes")
PODS = resource_name("pods")
CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"
_CLAIM_INDEX = "claim"


class ClaimProtectionController:
    """Keys are PersistentVolumeClaims."""

    workers = 2

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._claims = context.informers.informer(CLAIMS)
        self._pods = context.informers.informer(PODS)
        self._pods.store.add_index(_CLAIM_INDEX, claims_of)
        self._claims.add_handler(on_add=self._claim_seen, on_update=lambda old, claim: self._claim_seen(claim))
        self._pods.add_handler(on_update=lambda old, pod: self._pod_seen(pod), on_delete=self._pod_gone)

    def _claim_seen(self, claim: Object) -> None:
        has = CLAIM_FINALIZER in (claim["metadata"].get("finalizers") or ())
        if has == bool(claim["metadata"].get("deletionTimestamp")):
            self.queue.add(key_of(claim))

    def _pod_seen(self, pod: Object) -> None:
        if _is_over(pod):
            self._pod_gone(pod)

    def _pod_gone(self, pod: Object) -> None:
        for key in claims_of(pod):
            claim = self._claims.store.find(key)
            if claim is not None and claim["metadata"].get("deletionTimestamp"):
                self.queue.add(key)

    async def reconcile(self, key: str) -> None:
        claim = self._claims.store.find(key)
        if claim is None:
            return
        if not claim["metadata"].get("deletionTimestamp"):
            await _set_finalizer(self._client, CLAIMS, claim, CLAIM_FINALIZER, present=True)
        elif not any(_uses(pod) for pod in self._pods.store.by_index(_CLAIM_INDEX, key)) and not await self._is_used(
            key
        ):
            await _set_finalizer(self._client, CLAIMS, claim, CLAIM_FINALIZER, present=False)

    async def _is_used(self, key: str) -> bool:
        pods, _ = await self._client.list_all(PODS, split_key(key)[0])
        return any(key in claims_of(pod) and _uses(pod) for pod in pods)


class VolumeProtectionController:
    """Keys are PersistentVolumes."""

    workers = 1

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._volumes = context.informers.informer(VOLUMES)
        self._volumes.add_handler(on_add=self._volume_seen, on_update=lambda old, volume: self._volume_seen(volume))

    def _volume_seen(self, volume: Object) -> None:
        has = VOLUME_FINALIZER in (volume["metadata"].get("finalizers") or ())
        if has == bool(volume["metadata"].get("deletionTimestamp")):
            self.queue.add(key_of(volume))

    async def reconcile(self, key: str) -> None:
        volume = self._volumes.get(key)
        if volume is None:
            return
        deleting = bool(volume["metadata"].get("deletionTimestamp"))
        if deleting and (volume.get("status") or {}).get("phase") == "Bound":
            return
        await _set_finalizer(self._client, VOLUMES, volume, VOLUME_FINALIZER, present=not deleting)


def claims_of(pod: Object) -> list[str]:
    """The keys of the claims that a pod mounts, those of its ephemeral volumes too."""
    metadata, names = pod["metadata"], []
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        if volume.get("persistentVolumeClaim"):
            names.append(volume["persistentVolumeClaim"].get("claimName", ""))
        elif volume.get("ephemeral"):
            names.append(f"{metadata['name']}-{volume['name']}")
    return [f"{metadata.get('namespace', '')}/{name}" for name in names if name]


def _is_over(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _uses(pod: Object) -> bool:
    """A finished pod uses its volumes no more; one that no node has taken may be forgotten when it is deleted."""
    return not _is_over(pod) and not (
        pod["metadata"].get("deletionTimestamp") and not (pod.get("spec") or {}).get("nodeName")
    )


async def _set_finalizer(client: Client, resource: ResourceName, obj: Object, finalizer: str, *, present: bool) -> None:
    """A compare-and-swap; a Conflict is the caller's to try again."""
    metadata = obj["metadata"]
    before = metadata.get("finalizers") or []
    if (finalizer in before) == present:
        return
    kept = [name for name in before if name != finalizer]
    patch = {
        "metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "finalizers": [*kept, finalizer] if present else kept,
        }
    }
    try:
        await client.patch(resource, metadata["name"], patch, metadata.get("namespace"))
    except StatusError as error:
        if error.reason != "NotFound":
            raise
