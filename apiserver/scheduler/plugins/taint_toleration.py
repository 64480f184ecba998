"""TaintToleration: NoSchedule and NoExecute taints keep pods away; PreferNoSchedule ones cost score.

A toleration matches a taint if key, effect and value agree; an empty key with operator Exists matches every taint, an
empty effect every effect (Kubernetes, "Taints and Tolerations").
"""

from __future__ import annotations

from typing import Any

from apiserver.scheduler.framework import SUCCESS, CycleState, Status, normalize_to_max, unresolvable
from apiserver.scheduler.node_info import NodeInfo
from apiserver.scheduler.pod_info import PodInfo


def _matches(toleration: dict[str, Any], taint: dict[str, Any]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    key = toleration.get("key") or ""
    exists = toleration.get("operator") == "Exists"
    if not key:
        return exists
    if key != taint.get("key"):
        return False
    return exists or (toleration.get("value") or "") == (taint.get("value") or "")


def tolerates(tolerations: list[dict[str, Any]], taint: dict[str, Any]) -> bool:
    return any(_matches(toleration, taint) for toleration in tolerations)


class TaintToleration:
    name = "TaintToleration"
    events = ("Node/Add", "Node/Update")

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status:
        for taint in node.taints:
            if taint.get("effect") in ("NoSchedule", "NoExecute") and not tolerates(pod.tolerations, taint):
                return unresolvable("node(s) had untolerated taint(s)")
        return SUCCESS

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        soft = [taint for taint in node.taints if taint.get("effect") == "PreferNoSchedule"]
        return sum(not tolerates(pod.tolerations, taint) for taint in soft)

    def normalize_scores(self, state: CycleState, pod: PodInfo, scores: dict[str, int]) -> None:
        normalize_to_max(scores, reverse=True)
