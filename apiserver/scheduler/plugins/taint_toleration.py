"""TaintToleration: NoSchedule and NoExecute taints keep pods away; PreferNoSchedule ones cost score.

What tolerates what is kinds.placement's to say.
"""

from __future__ import annotations

from apiserver.kinds import HARD_EFFECTS, tolerates
from apiserver.scheduler.framework import SUCCESS, CycleState, Status, normalize_to_max, unresolvable
from apiserver.scheduler.node_info import NodeInfo
from apiserver.scheduler.pod_info import PodInfo


class TaintToleration:
    name = "TaintToleration"
    events = ("Node/Add", "Node/Update")

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status:
        for taint in node.taints:
            if taint.get("effect") in HARD_EFFECTS and not tolerates(pod.tolerations, taint):
                return unresolvable("node(s) had untolerated taint(s)")
        return SUCCESS

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        soft = [taint for taint in node.taints if taint.get("effect") == "PreferNoSchedule"]
        return sum(not tolerates(pod.tolerations, taint) for taint in soft)

    def normalize_scores(self, state: CycleState, pod: PodInfo, scores: dict[str, int]) -> None:
        normalize_to_max(scores, reverse=True)
