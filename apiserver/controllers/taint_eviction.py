"""Deletes pods from nodes with NoExecute taints that they do not tolerate, or tolerate no longer.

    taint comes ─► pod does not tolerate it ─► deleted now
               └─► tolerates it for tolerationSeconds ─► deleted then, unless the taint goes before
               └─► tolerates it for ever ─► stays

The time runs from when this controller saw the taint, and does not start anew when the node or the pod changes otherwise.
A pod that is deleted first gets the condition DisruptionTarget.
Source of the rules: Kubernetes pkg/controller/tainteviction.
"""

from __future__ import annotations

from apiserver.client import Object, Objects, WorkQueue, key_of, resource_name, split_key
from apiserver.controllers.context import Context
from apiserver.controllers.pods import disruption_target
from apiserver.errors import StatusError
from apiserver.kinds import toleration_matches

PODS = resource_name("pods")
NODES = resource_name("nodes")
_NODE_INDEX = "node"
MESSAGE = "Taint manager: deleting due to NoExecute taint"


class TaintEvictionController:
    """Keys are pods."""

    workers = 8

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._clock = context.clock
        self._nodes = context.informers.informer(NODES)
        self._pods = context.informers.informer(PODS)
        self._recorder = context.recorder("taint-eviction-controller")
        self._since_s: dict[str, tuple[str, float]] = {}
        self._pods.store.add_index(_NODE_INDEX, lambda pod: ((pod.get("spec") or {}).get("nodeName") or "",))
        self._nodes.add_handler(on_add=self._node_seen, on_update=self._node_updated)
        self._pods.add_handler(on_add=self._pod_seen, on_update=self._pod_updated, on_delete=self._pod_gone)

    def _node_seen(self, node: Object) -> None:
        if no_execute(node):
            self._wake(node)

    def _node_updated(self, old: Object, node: Object) -> None:
        if no_execute(old) != no_execute(node):
            self._wake(node)

    def _wake(self, node: Object) -> None:
        for pod in self._pods.store.by_index(_NODE_INDEX, node["metadata"]["name"]):
            self.queue.add(key_of(pod))

    def _pod_seen(self, pod: Object) -> None:
        node = self._nodes.get((pod.get("spec") or {}).get("nodeName") or "")
        if node is not None and no_execute(node):
            self.queue.add(key_of(pod))

    def _pod_updated(self, old: Object, pod: Object) -> None:
        before, now = old.get("spec") or {}, pod.get("spec") or {}
        if (before.get("nodeName"), before.get("tolerations")) != (now.get("nodeName"), now.get("tolerations")):
            self._pod_seen(pod)

    def _pod_gone(self, pod: Object) -> None:
        self._since_s.pop(key_of(pod), None)

    async def reconcile(self, key: str) -> None:
        namespace, name = split_key(key)
        pod = self._pods.get(name, namespace)
        if pod is None or pod["metadata"].get("deletionTimestamp"):
            return
        node = self._nodes.get((pod.get("spec") or {}).get("nodeName") or "")
        stay_s = None if node is None else _may_stay_s(pod, no_execute(node))
        if stay_s is None:
            if self._since_s.pop(key, None) is not None:
                self._recorder.event(
                    pod, "Normal", "TaintManagerEviction", f"Cancelling deletion of Pod {namespace}/{name}"
                )
            return
        now_s, uid = self._clock.monotonic_s(), pod["metadata"]["uid"]
        if self._since_s.get(key, ("", 0.0))[0] != uid:
            self._since_s[key] = (uid, now_s)
        left_s = self._since_s[key][1] + stay_s - now_s
        if left_s > 0:
            self.queue.add_after(key, left_s)
            return
        await self._delete(pod)

    async def _delete(self, pod: Object) -> None:
        metadata = pod["metadata"]
        self._recorder.event(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key_of(pod)}")
        condition = disruption_target(pod, "DeletionByTaintManager", MESSAGE, self._clock.now_s())
        try:
            patch = {"metadata": {"uid": metadata["uid"]}, "status": {"conditions": [condition]}}
            await self._client.patch_status(PODS, metadata["name"], patch, metadata["namespace"])
            await self._client.delete(PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise


def no_execute(node: Object) -> Objects:
    taints = (node.get("spec") or {}).get("taints") or ()
    return [taint for taint in taints if taint.get("effect") == "NoExecute"]


def _may_stay_s(pod: Object, taints: Objects) -> float | None:
    """Seconds that the pod may stay: 0 where a taint is not tolerated at all, None for ever.

    Of several tolerations that match, the shortest time counts; those without a time count for ever only if none has one.
    """
    tolerations = (pod.get("spec") or {}).get("tolerations") or []
    times: list[float] = []
    for taint in taints:
        matching = [toleration for toleration in tolerations if toleration_matches(toleration, taint)]
        if not matching:
            return 0.0
        times += [max(float(t["tolerationSeconds"]), 0.0) for t in matching if t.get("tolerationSeconds") is not None]
    return min(times) if times else None
