"""NodeResourcesFit: the node has room for what the pod requests; the emptier node scores higher (LeastAllocated).

A pod that asks for nothing still counts as 100 millicores and 200 MiB in the score, as in Kubernetes, so that such pods
spread as well.
"""

from __future__ import annotations

from apiserver.scheduler.framework import MAX_NODE_SCORE, SUCCESS, CycleState, Status, unschedulable
from apiserver.scheduler.node_info import NodeInfo
from apiserver.scheduler.pod_info import PodInfo

ASSUMED_WHEN_UNSET = {"cpu": 100, "memory": 200 * 1024 * 1024}


def scored_request(pod: PodInfo, resource: str) -> int:
    """What the pod counts for in scores: its request, or the assumed one if it states none."""
    return pod.requests.get(resource, 0) or ASSUMED_WHEN_UNSET[resource]


def scored_usage(state: CycleState, node: NodeInfo, resource: str) -> int:
    """The scored requests of the pods on the node. Sums once per node and cycle."""
    sums = state.setdefault("scored_usage", {})
    key = (node.name, resource)
    if key not in sums:
        sums[key] = sum(scored_request(pod, resource) for pod in node.pods.values())
    usage: int = sums[key]
    return usage


class NodeResourcesFit:
    name = "NodeResourcesFit"
    events = ("Node/Add", "Node/Update", "Pod/Delete")

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status:
        short = []
        allowed = node.allocatable.get("pods", 0)
        if len(node.pods) + 1 > allowed:
            short.append("Too many pods")
        for name, amount in pod.requests.items():
            if amount and amount > node.allocatable.get(name, 0) - node.requested.get(name, 0):
                short.append(f"Insufficient {name}")
        return unschedulable("\n".join(short)) if short else SUCCESS

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        total = 0
        for resource in ASSUMED_WHEN_UNSET:
            capacity = node.allocatable.get(resource, 0)
            asked = scored_usage(state, node, resource) + scored_request(pod, resource)
            if capacity and asked <= capacity:
                total += (capacity - asked) * MAX_NODE_SCORE // capacity
        return total // len(ASSUMED_WHEN_UNSET)
