"""What the scheduler believes of the cluster: nodes, the pods on them, and the pods it has just placed.

A pod is assumed on its node the moment it is chosen, before the API server knows; the next cycle counts it already. The
watch confirms it, or a failed binding forgets it:

              assume                       watch: pod with nodeName
    (absent) ────────▶ assumed ─────────────────────────────────────▶ added
        ▲                 │ forget (binding failed)                      │ watch: deleted, finished
        └─────────────────┴──────────────────────────────────────────────┘

Invariants: a pod stands on at most one node. The watch wins over an assumption. A pod on a node that is not known (yet)
is kept and joins the node when it appears. Driven by scheduler.py from one task; not thread-safe; reads no clock.
"""

from __future__ import annotations

from typing import Any

from apiserver.scheduler.node_info import NodeInfo
from apiserver.scheduler.pod_info import PodInfo

Snapshot = dict[str, NodeInfo]


class Cache:
    """See the module. `snapshot()` is cheap when nothing changed."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeInfo] = {}
        self._pods: dict[tuple[str, str], PodInfo] = {}
        self._homeless: dict[str, dict[tuple[str, str], PodInfo]] = {}
        self._assumed: dict[tuple[str, str], str] = {}
        self._generation = 0
        self._snapshot: Snapshot = {}
        self._snapshot_generation = -1

    def _writable(self, name: str) -> NodeInfo | None:
        info = self._nodes.get(name)
        if info is None:
            return None
        self._generation += 1
        if info.generation <= self._snapshot_generation:
            info = self._nodes[name] = info.copy()
        info.generation = self._generation
        return info

    def set_node(self, node: dict[str, Any]) -> None:
        """A node was added or updated."""
        name = node["metadata"]["name"]
        info = self._writable(name)
        if info is not None:
            info.set_node(node)
            return
        self._generation += 1
        info = self._nodes[name] = NodeInfo(node)
        info.generation = self._generation
        for pod in self._homeless.pop(name, {}).values():
            info.add_pod(pod)

    def remove_node(self, name: str) -> None:
        info = self._nodes.pop(name, None)
        if info is not None:
            self._generation += 1
            if info.pods:
                self._homeless[name] = dict(info.pods)

    def _place(self, pod: PodInfo, node_name: str) -> None:
        self._pods[pod.key] = pod
        info = self._writable(node_name)
        if info is not None:
            info.add_pod(pod)
        else:
            self._homeless.setdefault(node_name, {})[pod.key] = pod

    def _displace(self, key: tuple[str, str], node_name: str) -> None:
        self._pods.pop(key, None)
        info = self._writable(node_name)
        if info is not None:
            info.remove_pod(key)
        else:
            self._homeless.get(node_name, {}).pop(key, None)

    def assume(self, pod: PodInfo, node_name: str) -> None:
        """Counts the pod on its node before the API server knows. Raises ValueError if it already stands somewhere."""
        if pod.key in self._pods:
            raise ValueError(f"pod {pod.name} already stands on {self.node_of(pod.key)}")
        placed = PodInfo({**pod.pod, "spec": {**pod.spec, "nodeName": node_name}})
        self._assumed[pod.key] = node_name
        self._place(placed, node_name)

    def forget(self, key: tuple[str, str]) -> None:
        """The binding failed: takes the assumption back, unless the watch has confirmed the pod meanwhile."""
        node_name = self._assumed.pop(key, None)
        if node_name is not None:
            self._displace(key, node_name)

    def set_pod(self, pod: PodInfo) -> None:
        """The watch shows a pod with a node name."""
        self.remove_pod(pod.key)
        if not pod.is_finished:
            self._place(pod, pod.node_name)

    def remove_pod(self, key: tuple[str, str]) -> None:
        """The pod is gone from its node: deleted, or finished."""
        self._assumed.pop(key, None)
        known = self._pods.get(key)
        if known is not None:
            self._displace(key, known.node_name)

    def node_of(self, key: tuple[str, str]) -> str | None:
        pod = self._pods.get(key)
        return pod.node_name if pod else None

    def is_assumed(self, key: tuple[str, str]) -> bool:
        return key in self._assumed

    def snapshot(self) -> Snapshot:
        """Every node by name, unchanged for as long as the caller keeps it."""
        if self._snapshot_generation != self._generation:
            self._snapshot = dict(self._nodes)
            self._snapshot_generation = self._generation
        return self._snapshot

    def _check(self) -> None:
        """Every pod stands once, where its name says. For tests."""
        seen: dict[tuple[str, str], str] = {}
        for name, info in self._nodes.items():
            info._check()
            for key in info.pods:
                assert key not in seen, f"{key} stands on {seen[key]} and {name}"
                seen[key] = name
        for name, pods in self._homeless.items():
            for key in pods:
                assert key not in seen, key
                seen[key] = name
        assert seen == {key: pod.node_name for key, pod in self._pods.items()}
        assert all(seen.get(key) == name for key, name in self._assumed.items())
