"""Nodes that fall silent: Ready becomes Unknown, and taints say so to the scheduler.

    lease renewed ──► healthy ──no renewal for 50 s, as seen here──► Ready=Unknown, taint unreachable
                         ▲                                                  │
                         └────────────── lease renewed again, node says Ready=True

Time is this process's own since it last saw the lease change; the times written in the lease are another machine's.
Taints follow the Ready condition: False = node.kubernetes.io/not-ready, Unknown = node.kubernetes.io/unreachable, each with
NoSchedule and NoExecute; True = neither. The other conditions, and being cordoned, are NoSchedule taints (_PRESSURES).
Pods of a silent node are marked not ready, so that Services leave them out.
Not here: the eviction of pods that do not tolerate NoExecute (taint_eviction), zones, rate limits.
Source of the rules: Kubernetes pkg/controller/nodelifecycle.
"""

from __future__ import annotations

from apiserver.client import Object, Objects, WorkQueue, key_of, resource_name
from apiserver.controllers.context import Context
from apiserver.controllers.pods import find_condition, is_ready
from apiserver.errors import StatusError
from apiserver.meta import format_time

NODES = resource_name("nodes")
LEASES = resource_name("coordination.k8s.io/v1/leases")
PODS = resource_name("pods")
LEASE_NAMESPACE = "kube-node-lease"

GRACE_S = 50.0
STARTUP_GRACE_S = 60.0
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_PRESSURES = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
_OURS = (NOT_READY, UNREACHABLE, UNSCHEDULABLE, *_PRESSURES.values())
_NODE_INDEX = "node"


class NodeLifecycleController:
    """Keys are nodes."""

    workers = 8

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._clock = context.clock
        self._nodes = context.informers.informer(NODES)
        self._leases = context.informers.informer(LEASES)
        self._pods = context.informers.informer(PODS)
        self._recorder = context.recorder("node-controller")
        self._heard_s: dict[str, float] = {}
        self._grace_s: dict[str, float] = {}
        self._pods.store.add_index(_NODE_INDEX, lambda pod: ((pod.get("spec") or {}).get("nodeName") or "",))
        self._nodes.add_handler(on_add=self._node_added, on_update=self._node_updated, on_delete=self._node_deleted)
        self._leases.add_handler(on_add=self._renewed, on_update=lambda old, lease: self._renewed(lease))

    def _node_added(self, node: Object) -> None:
        name = node["metadata"]["name"]
        if name not in self._heard_s:
            self._heard_s[name] = self._clock.monotonic_s()
            self._grace_s[name] = STARTUP_GRACE_S
            message = f"Node {name} event: Registered Node {name} in Controller"
            self._recorder.event(node, "Normal", "RegisteredNode", message)
        self.queue.add(name)

    def _node_updated(self, old: Object, node: Object) -> None:
        if (old.get("status") or {}).get("conditions") != (node.get("status") or {}).get("conditions"):
            # The node itself spoke (or we did, about it).
            self.queue.add(node["metadata"]["name"])
        elif any(
            (old.get("spec") or {}).get(f) != (node.get("spec") or {}).get(f) for f in ("taints", "unschedulable")
        ):
            self.queue.add(node["metadata"]["name"])

    def _node_deleted(self, node: Object) -> None:
        name = node["metadata"]["name"]
        message = f"Node {name} event: Removing Node {name} from Controller"
        self._recorder.event(node, "Normal", "RemovingNode", message)
        self._heard_s.pop(node["metadata"]["name"], None)
        self._grace_s.pop(node["metadata"]["name"], None)

    def _renewed(self, lease: Object) -> None:
        if lease["metadata"]["namespace"] != LEASE_NAMESPACE:
            return
        name = lease["metadata"]["name"]
        self._heard_s[name] = self._clock.monotonic_s()
        self._grace_s[name] = GRACE_S
        node = self._nodes.get(name)
        if node is not None and (find_condition(node, "Ready") or {}).get("status") == "Unknown":
            self.queue.add(name)

    async def reconcile(self, key: str) -> None:
        node = self._nodes.get(key)
        if node is None or node["metadata"].get("deletionTimestamp"):
            return
        now_s = self._clock.monotonic_s()
        quiet_s = now_s - self._heard_s.setdefault(key, now_s)
        grace_s = self._grace_s.get(key, STARTUP_GRACE_S)
        if quiet_s >= grace_s:
            await self._mark_unknown(node)
            for pod in self._pods.store.by_index(_NODE_INDEX, key):
                await self._mark_not_ready(pod)
            ready = "Unknown"
        else:
            self.queue.add_after(key, grace_s - quiet_s)
            ready = (find_condition(node, "Ready") or {}).get("status", "Unknown")
        await self._set_taints(node, ready)

    async def _mark_unknown(self, node: Object) -> None:
        """Every condition that the node itself reports, as in Kubernetes."""
        now = format_time(self._clock.now_s())
        conditions = []
        for type in ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure"):
            old = find_condition(node, type)
            if old is not None and old.get("status") == "Unknown":
                continue
            never = old is None
            conditions.append(
                {
                    "type": type,
                    "status": "Unknown",
                    "reason": "NodeStatusNeverUpdated" if never else "NodeStatusUnknown",
                    "message": "Kubelet never posted node status." if never else "Kubelet stopped posting node status.",
                    "lastHeartbeatTime": (old or {}).get("lastHeartbeatTime")
                    or node["metadata"].get("creationTimestamp"),
                    "lastTransitionTime": now,
                }
            )
        if conditions:
            name = node["metadata"]["name"]
            message = f"Node {name} status is now: NodeNotReady"
            self._recorder.event(node, "Normal", "NodeNotReady", message)
            await self._client.patch_status(NODES, node["metadata"]["name"], {"status": {"conditions": conditions}})

    async def _mark_not_ready(self, pod: Object) -> None:
        if not is_ready(pod):
            return
        condition = {"type": "Ready", "status": "False", "lastTransitionTime": format_time(self._clock.now_s())}
        try:
            await self._client.patch_status(
                PODS, pod["metadata"]["name"], {"status": {"conditions": [condition]}}, pod["metadata"]["namespace"]
            )
        except StatusError as error:
            if error.reason != "NotFound":
                raise

    async def _set_taints(self, node: Object, ready: str) -> None:
        """Replaces the taints that are ours and leaves the others as they are. A compare-and-swap."""
        current: Objects = (node.get("spec") or {}).get("taints") or []
        kept = [taint for taint in current if taint["key"] not in _OURS]
        wanted = [(key, "NoSchedule") for key in _pressures(node)]
        told = {"False": NOT_READY, "Unknown": UNREACHABLE}.get(ready)
        if told is not None:
            wanted += [(told, "NoSchedule"), (told, "NoExecute")]
        ours: Objects = []
        for key, effect in wanted:
            old = [taint for taint in current if (taint["key"], taint["effect"]) == (key, effect)]
            fresh: Object = {"key": key, "effect": effect, "timeAdded": format_time(self._clock.now_s())}
            ours.append(old[0] if old else fresh)
        taints = kept + ours
        if sorted(map(_identity, taints)) == sorted(map(_identity, current)):
            return
        patch = {
            "metadata": {"resourceVersion": node["metadata"]["resourceVersion"]},
            "spec": {"taints": taints or None},
        }
        try:
            await self._client.patch(NODES, key_of(node), patch, patch_type="merge")
        except StatusError as error:
            if error.reason != "NotFound":
                raise


def _pressures(node: Object) -> list[str]:
    """The keys of the taints that the conditions and the cordon call for."""
    held = [key for type, key in _PRESSURES.items() if (find_condition(node, type) or {}).get("status") == "True"]
    return [*held, UNSCHEDULABLE] if (node.get("spec") or {}).get("unschedulable") else held


def _identity(taint: Object) -> tuple[str, str]:
    return taint["key"], taint["effect"]
