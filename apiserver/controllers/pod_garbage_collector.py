"""Pods that nobody will ever finish: bound to a node that is gone, or to be deleted before they had one.

A node's absence must last QUARANTINE_S and be confirmed by the server, because a node may be registered again in a moment.
A pod of a node that is gone has Failed before it is deleted, with the condition DisruptionTarget, so that its Job counts it.
Pods of a node with the taint out-of-service that are to be deleted go at once. Finished pods beyond THRESHOLD go too, the
oldest first.
Source of the rules: Kubernetes pkg/controller/podgc.
"""

from __future__ import annotations

from apiserver.client import Object, WorkQueue, key_of, resource_name, split_key
from apiserver.controllers.context import Context
from apiserver.controllers.pods import disruption_target
from apiserver.errors import StatusError

PODS = resource_name("pods")
NODES = resource_name("nodes")
QUARANTINE_S = 40.0
THRESHOLD = 12_500
"""kube-controller-manager's --terminated-pod-gc-threshold."""
CHECK_S = 20.0
FINISHED = "*"
"""The key that counts finished pods, every CHECK_S."""
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
_NODE_INDEX = "node"


class PodGarbageCollector:
    """Keys are pods."""

    workers = 4

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._clock = context.clock
        self._pods = context.informers.informer(PODS)
        self._nodes = context.informers.informer(NODES)
        self._missing_since_s: dict[str, float] = {}
        self._pods.store.add_index(_NODE_INDEX, lambda pod: ((pod.get("spec") or {}).get("nodeName") or "",))
        self._pods.add_handler(on_add=self._pod_seen, on_update=lambda old, pod: self._pod_seen(pod))
        self._nodes.add_handler(
            on_add=lambda node: self._missing_since_s.pop(node["metadata"]["name"], None),
            on_update=self._node_updated,
            on_delete=self._node_deleted,
        )
        self.queue.add_after(FINISHED, CHECK_S)

    def _pod_seen(self, pod: Object) -> None:
        name = (pod.get("spec") or {}).get("nodeName")
        node = self._nodes.get(name) if name else None
        deleting = pod["metadata"].get("deletionTimestamp")
        if (name and node is None) or (deleting and (node is None or _is_out_of_service(node))):
            self.queue.add(key_of(pod))

    def _node_updated(self, old: Object, node: Object) -> None:
        if _is_out_of_service(node) and not _is_out_of_service(old):
            self._node_deleted(node)

    def _node_deleted(self, node: Object) -> None:
        for pod in self._pods.store.by_index(_NODE_INDEX, node["metadata"]["name"]):
            self.queue.add(key_of(pod))

    async def reconcile(self, key: str) -> None:
        if key == FINISHED:
            await self._clear_finished()
            return
        namespace, name = split_key(key)
        pod = self._pods.get(name, namespace)
        if pod is None:
            return
        node_name = (pod.get("spec") or {}).get("nodeName")
        if not node_name:
            if pod["metadata"].get("deletionTimestamp"):
                await self._delete(pod)
            return
        node = self._nodes.get(node_name)
        if node is not None:
            if pod["metadata"].get("deletionTimestamp") and _is_out_of_service(node):
                await self._fail(pod, "PodGC: node is out of service")
                await self._delete(pod)
            return
        now_s = self._clock.monotonic_s()
        quiet_s = now_s - self._missing_since_s.setdefault(node_name, now_s)
        if quiet_s < QUARANTINE_S:
            self.queue.add_after(key, QUARANTINE_S - quiet_s)
        elif not await self._exists(node_name):
            await self._fail(pod, "PodGC: node no longer exists")
            await self._delete(pod)

    async def _clear_finished(self) -> None:
        self.queue.add_after(FINISHED, CHECK_S)
        if len(self._pods.store) <= THRESHOLD:
            return
        finished = [pod for pod in self._pods.list() if _is_finished(pod)]
        finished.sort(key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]))
        for pod in finished[: max(len(finished) - THRESHOLD, 0)]:
            await self._delete(pod)

    async def _fail(self, pod: Object, message: str) -> None:
        if _is_finished(pod):
            return
        metadata = pod["metadata"]
        condition = disruption_target(pod, "DeletionByPodGC", message, self._clock.now_s())
        status = {"phase": "Failed", "conditions": [condition]}
        try:
            patch = {"metadata": {"uid": metadata["uid"]}, "status": status}
            await self._client.patch_status(PODS, metadata["name"], patch, metadata["namespace"])
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise

    async def _exists(self, node: str) -> bool:
        try:
            await self._client.get(NODES, node)
        except StatusError as error:
            if error.reason == "NotFound":
                return False
            raise
        return True

    async def _delete(self, pod: Object) -> None:
        metadata = pod["metadata"]
        try:
            await self._client.delete(
                PODS, metadata["name"], metadata["namespace"], grace_period_s=0, uid=metadata["uid"]
            )
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise


def _is_finished(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _is_out_of_service(node: Object) -> bool:
    return any(taint.get("key") == OUT_OF_SERVICE for taint in (node.get("spec") or {}).get("taints") or ())
