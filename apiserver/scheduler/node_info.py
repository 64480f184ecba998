"""A node with the pods that run, or are assumed to run, on it, and the sums that plugins ask for.

A NodeInfo in a snapshot is never changed: the cache copies one before the first change after a snapshot was taken
(`generation` tells). So a scheduling cycle sees one consistent world at the price of one copy per changed node.
"""

from __future__ import annotations

from typing import Any

from apiserver.scheduler.pod_info import PodInfo, Resources, count_resources


class NodeInfo:
    """`allocatable` and `requested`: millicores for cpu, whole units otherwise; `pods` by (namespace, name)."""

    __slots__ = ("node", "name", "labels", "taints", "unschedulable", "allocatable", "requested", "pods", "generation")

    def __init__(self, node: dict[str, Any]) -> None:
        self.pods: dict[tuple[str, str], PodInfo] = {}
        self.requested: Resources = {}
        self.generation = 0
        self.set_node(node)

    def set_node(self, node: dict[str, Any]) -> None:
        metadata, spec = node["metadata"], node.get("spec") or {}
        self.node = node
        self.name: str = metadata["name"]
        self.labels: dict[str, str] = metadata.get("labels") or {}
        self.taints: list[dict[str, Any]] = spec.get("taints") or []
        self.unschedulable = bool(spec.get("unschedulable"))
        status = node.get("status") or {}
        self.allocatable = count_resources(status.get("allocatable") or status.get("capacity"))

    def add_pod(self, pod: PodInfo) -> None:
        self.remove_pod(pod.key)
        self.pods[pod.key] = pod
        for name, amount in pod.requests.items():
            self.requested[name] = self.requested.get(name, 0) + amount

    def remove_pod(self, key: tuple[str, str]) -> None:
        pod = self.pods.pop(key, None)
        if pod is not None:
            for name, amount in pod.requests.items():
                self.requested[name] -= amount

    def copy(self) -> NodeInfo:
        twin = NodeInfo.__new__(NodeInfo)
        twin.node, twin.name, twin.labels, twin.taints = self.node, self.name, self.labels, self.taints
        twin.unschedulable, twin.allocatable = self.unschedulable, self.allocatable
        twin.requested, twin.pods, twin.generation = dict(self.requested), dict(self.pods), self.generation
        return twin

    def _check(self) -> None:
        """The sums are the sums of the pods. For tests."""
        total: Resources = {}
        for pod in self.pods.values():
            for name, amount in pod.requests.items():
                total[name] = total.get(name, 0) + amount
        assert {k: v for k, v in self.requested.items() if v} == {k: v for k, v in total.items() if v}, self.name
