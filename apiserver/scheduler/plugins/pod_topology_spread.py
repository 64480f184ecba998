"""PodTopologySpread, the simple form: pods that match a constraint's selector are spread over a topology key's domains.

DoNotSchedule filters: after placing, no domain may have more than maxSkew pods above the emptiest one. ScheduleAnyway
scores: the domain with fewer matching pods is better. A pod without constraints of its own that has a controller is
spread softly over hostnames and zones among its siblings (the pods of the same controller), which stands in for
Kubernetes' default constraints. Not in this form: minDomains, nodeAffinityPolicy, nodeTaintsPolicy, matchLabelKeys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from apiserver.meta import label_selector_of
from apiserver.scheduler.framework import (
    MAX_NODE_SCORE,
    SKIP,
    SUCCESS,
    CycleState,
    Status,
    unresolvable,
    unschedulable,
)  # fmt: skip
from apiserver.scheduler.node_info import NodeInfo
from apiserver.scheduler.pod_info import PodInfo

HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"


class Constraint(NamedTuple):
    key: str
    max_skew: int
    matches: Callable[[PodInfo], bool]
    matches_self: bool


def _own(pod: PodInfo, when: str) -> list[Constraint]:
    constraints = []
    for spec in pod.spec.get("topologySpreadConstraints") or ():
        if spec.get("whenUnsatisfiable") == when:
            selector = label_selector_of(spec.get("labelSelector") or {})
            namespace = pod.key[0]

            def matches(other: PodInfo, selector: Any = selector, namespace: str = namespace) -> bool:
                return other.key[0] == namespace and not other.is_terminating and selector.matches(other.labels)

            constraints.append(
                Constraint(spec["topologyKey"], int(spec.get("maxSkew") or 1), matches, selector.matches(pod.labels))
            )
    return constraints


def _siblings(pod: PodInfo) -> list[Constraint]:
    if not pod.owner or pod.spec.get("topologySpreadConstraints"):
        return []

    def matches(other: PodInfo) -> bool:
        return other.owner == pod.owner and not other.is_terminating

    return [Constraint(HOSTNAME, 3, matches, True), Constraint(ZONE, 5, matches, True)]


def _count(constraint: Constraint, nodes: list[NodeInfo]) -> dict[str, int]:
    """Matching pods per domain, empty domains included."""
    counts: dict[str, int] = {}
    for node in nodes:
        domain = node.labels.get(constraint.key)
        if domain is not None:
            found = sum(constraint.matches(other) for other in node.pods.values())
            counts[domain] = counts.get(domain, 0) + found
    return counts


class PodTopologySpread:
    name = "PodTopologySpread"
    events = ("Node/Add", "Node/Update", "Pod/Add", "Pod/Update", "Pod/Delete")

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: list[NodeInfo]) -> Status:
        hard = [(constraint, _count(constraint, nodes)) for constraint in _own(pod, "DoNotSchedule")]
        state["PodTopologySpread/hard"] = hard
        return SUCCESS if hard else SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status:
        for constraint, counts in state["PodTopologySpread/hard"]:
            domain = node.labels.get(constraint.key)
            if domain is None:
                return unresolvable("node(s) didn't match pod topology spread constraints (missing required label)")
            if counts[domain] + constraint.matches_self - min(counts.values()) > constraint.max_skew:
                return unschedulable("node(s) didn't match pod topology spread constraints")
        return SUCCESS

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: list[NodeInfo]) -> Status:
        soft = [(c, _count(c, nodes)) for c in _own(pod, "ScheduleAnyway") + _siblings(pod)]
        state["PodTopologySpread/soft"] = soft
        return SUCCESS if soft else SKIP

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        total = 0.0
        for constraint, counts in state["PodTopologySpread/soft"]:
            domain = node.labels.get(constraint.key)
            if domain is not None:
                # A domain among many weighs more: skew there is easier to mend.
                total += counts[domain] * len(counts)
        return round(total)

    def normalize_scores(self, state: CycleState, pod: PodInfo, scores: dict[str, int]) -> None:
        top, low = max(scores.values()), min(scores.values())
        for name, value in scores.items():
            scores[name] = (top + low - value) * MAX_NODE_SCORE // top if top else MAX_NODE_SCORE
