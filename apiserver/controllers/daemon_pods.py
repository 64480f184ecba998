"""What a DaemonSet's pods are like, which nodes they are for, and which may be replaced now.

Pure functions. Source of the rules: Kubernetes pkg/controller/daemon (daemon_controller.go, update.go) and daemon/util.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from apiserver.client import Object, Objects
from apiserver.controllers.pod_control import pod_from_template
from apiserver.controllers.revisions import REVISION_LABEL
from apiserver.controllers.rollout import scaled
from apiserver.kinds import HARD_EFFECTS, node_matches, tolerates

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
POD_GENERATION = "pod-template-generation"

_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_TOLERATED_ON_HOST_NETWORK = ("node.kubernetes.io/network-unavailable", "NoSchedule")


def build_pod(owner: Object, node: str, hash_value: str) -> Object:
    """The pod for one node. It is bound by the scheduler: its affinity names the node and nothing else."""
    pod = pod_from_template(owner["spec"]["template"], owner)
    metadata, spec = pod["metadata"], pod["spec"]
    labels = metadata.setdefault("labels", {})
    generation = (owner["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION)
    if generation:
        labels[POD_GENERATION] = generation
    labels[REVISION_LABEL] = hash_value
    affinity = spec.setdefault("affinity", {})
    where = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity.setdefault("nodeAffinity", {})["requiredDuringSchedulingIgnoredDuringExecution"] = {
        "nodeSelectorTerms": [where]
    }
    spec["tolerations"] = _tolerations(spec)
    return pod


def _tolerations(spec: Object) -> Objects:
    tolerations = list(spec.get("tolerations") or ())
    wanted = [*_TOLERATED, *([_TOLERATED_ON_HOST_NETWORK] if spec.get("hostNetwork") else [])]
    for key, effect in wanted:
        added = {"key": key, "operator": "Exists", "effect": effect}
        if added not in tolerations:
            tolerations.append(added)
    return tolerations


def node_of(pod: Object) -> str:
    """Where the pod is, or is meant to be."""
    spec = pod.get("spec") or {}
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field.get("key") == "metadata.name" and field.get("operator") == "In" and len(field["values"]) == 1:
                return str(field["values"][0])
    return ""


class Verdict(NamedTuple):
    """run: a pod is wanted there. stay: one that is there may stay."""

    run: bool
    stay: bool


def judge(owner: Object, node: Object) -> Verdict:
    """A node that does not match has no pod; one that only gained a NoSchedule taint keeps the pod it has."""
    spec = owner["spec"]["template"].get("spec") or {}
    name = node["metadata"]["name"]
    if spec.get("nodeName") and spec["nodeName"] != name:
        return Verdict(False, False)
    if not node_matches(spec, name, node["metadata"].get("labels") or {}):
        return Verdict(False, False)
    hard = [t for t in (node.get("spec") or {}).get("taints") or () if t.get("effect") in HARD_EFFECTS]
    if not hard:
        return Verdict(True, True)
    tolerations = _tolerations(spec)
    taints = [taint for taint in hard if not tolerates(tolerations, taint)]
    if not taints:
        return Verdict(True, True)
    return Verdict(False, all(taint["effect"] != "NoExecute" for taint in taints))


def is_updated(owner: Object, pod: Object, hash_value: str) -> bool:
    labels = pod["metadata"].get("labels") or {}
    generation = (owner["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION)
    if generation and labels.get(POD_GENERATION) == generation:
        return True
    return bool(hash_value) and labels.get(REVISION_LABEL) == hash_value


def limits(owner: Object, desired: int) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods, both rounded up; never both 0."""
    rolling = (owner["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    surge = scaled(rolling.get("maxSurge", 0), desired, math.ceil)
    unavailable = scaled(rolling.get("maxUnavailable", 1), desired, math.ceil)
    return surge, unavailable if surge or unavailable else 1


def allows_surge(owner: Object) -> bool:
    strategy = owner["spec"].get("updateStrategy") or {}
    return strategy.get("type") != "OnDelete" and limits(owner, 100)[0] > 0


class Pair(NamedTuple):
    """The pods of one node that are not on their way out. None where there are more of a kind than one."""

    new: Object | None
    old: Object | None


def find_pair(owner: Object, pods: Objects, hash_value: str) -> Pair | None:
    alive = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    new = [pod for pod in alive if is_updated(owner, pod, hash_value)]
    old = [pod for pod in alive if not is_updated(owner, pod, hash_value)]
    if len(new) > 1 or len(old) > 1:
        return None
    return Pair(new[0] if new else None, old[0] if old else None)


def plan_update(
    owner: Object,
    by_node: Mapping[str, Objects],
    hash_value: str,
    desired: int,
    is_available: Callable[[Object], bool],
) -> tuple[Objects, list[str]]:
    """(old pods to delete now, nodes to surge onto now).

    Without surge: old pods that are not available anyway, and available ones as far as maxUnavailable lets.
    With surge: a second pod on as many nodes as maxSurge lets; the old one goes when the new one is available.
    """
    max_surge, max_unavailable = limits(owner, desired)
    pairs = {node: find_pair(owner, pods, hash_value) for node, pods in by_node.items()}
    if max_surge:
        return _plan_surge(pairs, max_surge, is_available)
    unavailable, free, candidates = 0, [], []
    for pair in pairs.values():
        if pair is None or (pair.new is None) == (pair.old is None):
            unavailable += 1  # manage will bring this node in order
        elif pair.new is not None:
            unavailable += not is_available(pair.new)
        elif pair.old is not None and not is_available(pair.old):
            unavailable += 1
            free.append(pair.old)
        elif pair.old is not None:
            candidates.append(pair.old)
    return free + candidates[: max(max_unavailable - unavailable, 0)], []


def _plan_surge(
    pairs: Mapping[str, Pair | None], max_surge: int, is_available: Callable[[Object], bool]
) -> tuple[Objects, list[str]]:
    surging = 0
    free: list[str] = []
    candidates: list[str] = []
    doomed: Objects = []
    for node, pair in pairs.items():
        if pair is None:
            surging += 1
        elif pair.old is None:
            continue
        elif pair.new is None:
            (candidates if is_available(pair.old) else free).append(node)
        elif is_available(pair.new):
            doomed.append(pair.old)
        else:
            surging += 1
    return doomed, free + candidates[: max(max_surge - surging, 0)]
