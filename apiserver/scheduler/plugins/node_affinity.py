"""NodeAffinity: spec.nodeSelector and spec.affinity.nodeAffinity, required as a filter, preferred as a score.

Terms are ORed, the requirements within a term are ANDed; matchFields knows metadata.name. Operators: In, NotIn, Exists,
DoesNotExist, Gt, Lt (integers).
"""

from __future__ import annotations

from typing import Any

from apiserver.scheduler.framework import SKIP, SUCCESS, CycleState, Status, normalize_to_max, unresolvable
from apiserver.scheduler.node_info import NodeInfo
from apiserver.scheduler.pod_info import PodInfo


def _compare(found: str, wanted: str, greater: bool) -> bool:
    try:
        return int(found) > int(wanted) if greater else int(found) < int(wanted)
    except ValueError:
        return False


def _holds(requirement: dict[str, Any], labels: dict[str, str]) -> bool:
    key, operator, values = requirement["key"], requirement["operator"], requirement.get("values") or []
    found = labels.get(key)
    match operator:
        case "In":
            return found in values
        case "NotIn":
            return found not in values
        case "Exists":
            return found is not None
        case "DoesNotExist":
            return found is None
        case "Gt" | "Lt":
            return found is not None and len(values) == 1 and _compare(found, values[0], operator == "Gt")
    return False


def term_matches(term: dict[str, Any], node: NodeInfo) -> bool:
    """An empty term matches nothing (Kubernetes: "a null or empty node selector term matches no objects")."""
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not expressions and not fields:
        return False
    return all(_holds(e, node.labels) for e in expressions) and all(
        _holds(f, {"metadata.name": node.name}) for f in fields
    )


def _node_affinity(pod: PodInfo) -> dict[str, Any]:
    return (pod.spec.get("affinity") or {}).get("nodeAffinity") or {}


class NodeAffinity:
    name = "NodeAffinity"
    events = ("Node/Add", "Node/Update")

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: list[NodeInfo]) -> Status:
        required = _node_affinity(pod).get("requiredDuringSchedulingIgnoredDuringExecution")
        return SUCCESS if required or pod.spec.get("nodeSelector") else SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status:
        refusal = unresolvable("node(s) didn't match Pod's node affinity/selector")
        for key, value in (pod.spec.get("nodeSelector") or {}).items():
            if node.labels.get(key) != value:
                return refusal
        required = _node_affinity(pod).get("requiredDuringSchedulingIgnoredDuringExecution")
        if required and not any(term_matches(t, node) for t in required.get("nodeSelectorTerms") or ()):
            return refusal
        return SUCCESS

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: list[NodeInfo]) -> Status:
        return SUCCESS if _node_affinity(pod).get("preferredDuringSchedulingIgnoredDuringExecution") else SKIP

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        preferred = _node_affinity(pod)["preferredDuringSchedulingIgnoredDuringExecution"]
        return sum(int(p.get("weight", 0)) for p in preferred if term_matches(p.get("preference") or {}, node))

    def normalize_scores(self, state: CycleState, pod: PodInfo, scores: dict[str, int]) -> None:
        normalize_to_max(scores)
