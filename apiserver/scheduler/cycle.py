"""One scheduling cycle: a pod, a snapshot of the nodes and a profile in; a decision out. Pure and synchronous.

pre_filter → filter → (post_filter) → pre_score → score → pick. Nothing is assumed or bound here; scheduler.py does that with
the decision. Of nodes with equal scores one is picked by the given dice, as Kubernetes does.

With 100 nodes or more not all are looked at: enough feasible ones are found first, starting each cycle where the last one
stopped, so that all nodes get their turn (kube-scheduler: percentageOfNodesToScore 0 = 50 % − 1 % per 125 nodes, at least
5 %, at least 100 nodes).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from apiserver.kinds import named_nodes
from apiserver.scheduler.cache import Snapshot
from apiserver.scheduler.framework import MAX_NODE_SCORE, Code, CycleState, Status, unresolvable
from apiserver.scheduler.node_info import NodeInfo
from apiserver.scheduler.pod_info import PodInfo
from apiserver.scheduler.profile import Profile

MIN_FEASIBLE_NODES = 100


class Decision(NamedTuple):
    """node_name: where the pod goes, or None with `reason` for people and `refused_by` = plugins that said no.

    `failed`: a plugin broke (ERROR), so the pod is retried by time, not by events.
    """

    node_name: str | None
    state: CycleState
    reason: str = ""
    refused_by: tuple[str, ...] = ()
    failed: bool = False
    nominated: str | None = None
    looked_at: int = 0


class PluginFailure(Exception):
    """A plugin answered ERROR or raised; ends the cycle."""


def _call(name: str, method: Callable[..., Any], *args: Any) -> Any:
    try:
        answer = method(*args)
    except Exception as cause:
        raise PluginFailure(f"plugin {name}: {type(cause).__name__}: {cause}") from cause
    if isinstance(answer, Status) and answer.code is Code.ERROR:
        raise PluginFailure(f"plugin {name}: {answer.reason}")
    return answer


def feasible_wanted(nodes: int) -> int:
    """How many feasible nodes are enough."""
    if nodes < MIN_FEASIBLE_NODES:
        return nodes
    percent = max(50 - nodes // 125, 5)
    return max(nodes * percent // 100, MIN_FEASIBLE_NODES)


def fit_message(total: int, statuses: dict[str, Status]) -> str:
    """ "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable." """
    reasons = Counter(reason for status in statuses.values() for reason in status.reason.split("\n") if reason)
    if not reasons:
        return f"0/{total} nodes are available."
    said = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    return f"0/{total} nodes are available: {said}."


def _find_feasible(
    profile: Profile, state: CycleState, pod: PodInfo, nodes: list[NodeInfo], start: int, skipped: dict[str, bool]
) -> tuple[list[NodeInfo], dict[str, Status], int]:
    filters = [(name, method) for name, method in profile.points["filter"] if name not in skipped]
    wanted = feasible_wanted(len(nodes))
    feasible: list[NodeInfo] = []
    statuses: dict[str, Status] = {}
    looked_at = 0
    for offset in range(len(nodes)):
        node = nodes[(start + offset) % len(nodes)]
        looked_at += 1
        for name, method in filters:
            status = _call(name, method, state, pod, node)
            if not status.ok:
                statuses[node.name] = status._replace(plugin=name)
                break
        else:
            feasible.append(node)
            if len(feasible) >= wanted:
                break
    return feasible, statuses, looked_at


def score_nodes(profile: Profile, state: CycleState, pod: PodInfo, nodes: list[NodeInfo]) -> dict[str, int]:
    """The weighted sum of every plugin's normalized score, by node name."""
    skipped = {}
    for name, method in profile.points["pre_score"]:
        if _call(name, method, state, pod, nodes).code is Code.SKIP:
            skipped[name] = True
    totals = dict.fromkeys((node.name for node in nodes), 0)
    for name, method in profile.points["score"]:
        if name in skipped:
            continue
        scores = {node.name: _call(name, method, state, pod, node) for node in nodes}
        normalize = profile.normalizers.get(name)
        if normalize is not None:
            _call(name, normalize, state, pod, scores)
        weight = profile.weights[name]
        for node_name, score in scores.items():
            if not 0 <= score <= MAX_NODE_SCORE:
                raise PluginFailure(f"plugin {name}: score {score} of node {node_name} is not between 0 and 100")
            totals[node_name] += score * weight
    return totals


def _refuse(profile: Profile, state: CycleState, pod: PodInfo, total: int, statuses: dict[str, Status]) -> Decision:
    nominated = None
    for name, method in profile.points["post_filter"]:
        nominated = _call(name, method, state, pod, statuses)
        if nominated:
            break
    plugins = tuple(dict.fromkeys(status.plugin for status in statuses.values()))
    return Decision(None, state, fit_message(total, statuses), plugins, nominated=nominated)


def _narrow(profile: Profile, pod: PodInfo, snapshot: Snapshot, nodes: list[NodeInfo]) -> list[NodeInfo]:
    """Only the nodes that the pod's affinity names, where it names some: a DaemonSet's pod is not tried on all the others."""
    names = named_nodes(pod.spec)
    if names is None or all(name != "NodeAffinity" for name, _ in profile.points["filter"]):
        return nodes
    return [snapshot[name] for name in names if name in snapshot]


def _decide(profile: Profile, pod: PodInfo, snapshot: Snapshot, start: int, pick: Callable[[int], int]) -> Decision:
    state: CycleState = {}
    nodes = list(snapshot.values())
    if not nodes:
        every = tuple(profile.weights)
        return Decision(None, state, "no nodes available to schedule pods", every)
    skipped: dict[str, bool] = {}
    for name, method in profile.points["pre_filter"]:
        status = _call(name, method, state, pod, nodes)
        if status.code is Code.SKIP:
            skipped[name] = True
        elif status.refused:
            everywhere = {node.name: status._replace(plugin=name) for node in nodes}
            return _refuse(profile, state, pod, len(nodes), everywhere)
    candidates = _narrow(profile, pod, snapshot, nodes)
    feasible, statuses, looked_at = _find_feasible(profile, state, pod, candidates, start % len(nodes), skipped)
    if not feasible:
        if candidates is not nodes:
            elsewhere = unresolvable("node(s) didn't satisfy plugin(s) [NodeAffinity]")._replace(plugin="NodeAffinity")
            statuses = {**dict.fromkeys((node.name for node in nodes), elsewhere), **statuses}
        return _refuse(profile, state, pod, len(nodes), statuses)
    if len(feasible) == 1:
        return Decision(feasible[0].name, state, looked_at=looked_at)
    totals = score_nodes(profile, state, pod, feasible)
    best = max(totals.values())
    winners = [name for name, total in totals.items() if total == best]
    return Decision(winners[pick(len(winners))], state, looked_at=looked_at)


def schedule(profile: Profile, pod: PodInfo, snapshot: Snapshot, start: int, pick: Callable[[int], int]) -> Decision:
    """Where should this pod run? `start`: node to begin with; `pick(n)`: a number below n, for ties. Never raises."""
    try:
        return _decide(profile, pod, snapshot, start, pick)
    except PluginFailure as failure:
        return Decision(None, {}, str(failure), failed=True)
