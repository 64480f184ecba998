"""Pods that nobody will ever finish: bound to a node that is gone, or to be deleted before they had one.

A node's absence must last QUARANTINE_S and be confirmed by the server, because a node may be registered again in a moment.
Not here: the limit on finished pods, pods of nodes that are out of service.
Source of the rules: Kubernetes pkg/controller/podgc.
"""

from __future__ import annotations

from apiserver.client import Object, WorkQueue, key_of, resource_name, split_key
from apiserver.controllers.context import Context
from apiserver.errors import StatusError

PODS = resource_name("pods")
NODES = resource_name("nodes")
QUARANTINE_S = 40.0
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
            on_add=lambda node: self._missing_since_s.pop(node["metadata"]["name"], None), on_delete=self._node_deleted
        )

    def _pod_seen(self, pod: Object) -> None:
        node = (pod.get("spec") or {}).get("nodeName")
        if (node and self._nodes.get(node) is None) or (not node and pod["metadata"].get("deletionTimestamp")):
            self.queue.add(key_of(pod))

    def _node_deleted(self, node: Object) -> None:
        for pod in self._pods.store.by_index(_NODE_INDEX, node["metadata"]["name"]):
            self.queue.add(key_of(pod))

    async def reconcile(self, key: str) -> None:
        namespace, name = split_key(key)
        pod = self._pods.get(name, namespace)
        if pod is None:
            return
        node = (pod.get("spec") or {}).get("nodeName")
        if not node:
            if pod["metadata"].get("deletionTimestamp"):
                await self._delete(pod)
            return
        if self._nodes.get(node) is not None:
            return
        now_s = self._clock.monotonic_s()
        quiet_s = now_s - self._missing_since_s.setdefault(node, now_s)
        if quiet_s < QUARANTINE_S:
            self.queue.add_after(key, QUARANTINE_S - quiet_s)
        elif not await self._exists(node):
            await self._delete(pod)

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
