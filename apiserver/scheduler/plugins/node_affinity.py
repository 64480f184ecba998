"""NodeAffinity: spec.nodeSelector and spec.affinity.nodeAffinity, required as a filter, preferred as a score.

What matches is kinds.placement's to say.
"""

from __future__ import annotations

from typing import Any

from apiserver.kinds import node_matches, term_matches
from apiserver.scheduler.framework import SKIP, SUCCESS, CycleState, Status, normalize_to_max, unresolvable
from apiserver.scheduler.node_info import NodeInfo
from apiserver.scheduler.pod_info import PodInfo


def _node_affinity(pod: PodInfo) -> dict[str, Any]:
    return (pod.spec.get("affinity") or {}).get("nodeAffinity") or {}


class NodeAffinity:
    name = "NodeAffinity"
    events = ("Node/Add", "Node/Update")

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: list[NodeInfo]) -> Status:
        required = _node_affinity(pod).get("requiredDuringSchedulingIgnoredDuringExecution")
        return SUCCESS if required or pod.spec.get("nodeSelector") else SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status:
        if not node_matches(pod.spec, node.name, node.labels):
            return unresolvable("node(s) didn't match Pod's node affinity/selector")
        return SUCCESS

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: list[NodeInfo]) -> Status:
        return SUCCESS if _node_affinity(pod).get("preferredDuringSchedulingIgnoredDuringExecution") else SKIP

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        preferred = _node_affinity(pod)["preferredDuringSchedulingIgnoredDuringExecution"]
        return sum(
            int(p.get("weight", 0))
            for p in preferred
            if term_matches(p.get("preference") or {}, node.name, node.labels)
        )

    def normalize_scores(self, state: CycleState, pod: PodInfo, scores: dict[str, int]) -> None:
        normalize_to_max(scores)
