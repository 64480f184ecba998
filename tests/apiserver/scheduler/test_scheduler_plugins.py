"""Each plugin alone: a pod, a few nodes, what it says."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.scheduler import NodeInfo, PodInfo
from apiserver.scheduler.plugins import (
    NodeAffinity,
    NodeName,
    NodePorts,
    NodeResourcesBalancedAllocation,
    NodeResourcesFit,
    NodeUnschedulable,
    PodTopologySpread,
    SchedulingGates,
    TaintToleration,
)


def make_node(name: str, labels: dict[str, str] | None = None, **spec: Any) -> NodeInfo:
    allocatable = {"cpu": "4", "memory": "8Gi", "pods": "10"} | spec.pop("allocatable", {})
    labels = {"kubernetes.io/hostname": name} | (labels or {})
    return NodeInfo(
        {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": {"allocatable": allocatable}}
    )


def make_pod(name: str = "p", requests: dict[str, str] | None = None, owner: str = "", **spec: Any) -> PodInfo:
    metadata: dict[str, Any] = {
        "namespace": "default",
        "name": name,
        "uid": f"uid-{name}",
        "labels": spec.pop("labels", {}),
    }
    if owner:
        metadata["ownerReferences"] = [{"uid": owner, "controller": True}]
    containers = spec.pop("containers", [{"name": "c", "resources": {"requests": requests or {}}}])
    return PodInfo({"metadata": metadata, "spec": {"containers": containers, **spec}})


def test_requests_are_the_larger_of_containers_and_init_containers():
    pod = make_pod(
        containers=[
            {"resources": {"requests": {"cpu": "100m", "memory": "1Gi"}}},
            {"resources": {"requests": {"cpu": "1"}}},
        ],
        initContainers=[
            {"restartPolicy": "Always", "resources": {"requests": {"cpu": "50m"}}},
            {"resources": {"requests": {"cpu": "2", "memory": "512Mi"}}},
        ],
        overhead={"cpu": "10m"},
    )
    assert pod.requests == {"cpu": 2060, "memory": 1 << 30}


def test_fit_names_everything_that_is_short():
    node = make_node("n", allocatable={"cpu": "1", "memory": "1Gi", "pods": "1"})
    node.add_pod(make_pod("other", {"cpu": "800m"}))
    status = NodeResourcesFit().filter(
        {}, make_pod(requests={"cpu": "300m", "memory": "2Gi", "nvidia.com/gpu": "1"}), node
    )
    assert status.refused
    assert status.reason.split("\n") == [
        "Too many pods",
        "Insufficient cpu",
        "Insufficient memory",
        "Insufficient nvidia.com/gpu",
    ]
    node.remove_pod(("default", "other"))
    assert NodeResourcesFit().filter({}, make_pod(requests={"cpu": "1"}), node).ok


def test_the_emptier_node_scores_higher():
    empty, busy = make_node("empty"), make_node("busy")
    busy.add_pod(make_pod("other", {"cpu": "2", "memory": "4Gi"}))
    pod = make_pod(requests={"cpu": "1", "memory": "2Gi"})
    assert NodeResourcesFit().score({}, pod, empty) == 75
    assert NodeResourcesFit().score({}, pod, busy) == 25


def test_balanced_allocation_prefers_equal_shares():
    pod = make_pod(requests={"cpu": "2", "memory": "4Gi"})
    even = make_node("even")
    uneven = make_node("uneven", allocatable={"memory": "64Gi"})
    plugin = NodeResourcesBalancedAllocation()
    assert plugin.score({}, pod, even) == 100
    assert plugin.score({}, pod, uneven) < 100


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        ({"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "k", "value": "other"}, False),
        ({"key": "k", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "", "value": "v"}, False),
    ],
)
def test_tolerations(toleration: dict[str, str], fits: bool):
    node = make_node("n", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}])
    status = TaintToleration().filter({}, make_pod(tolerations=[toleration]), node)
    assert status.ok is fits


def test_soft_taints_cost_score():
    clean, soft = make_node("clean"), make_node("soft", taints=[{"key": "k", "effect": "PreferNoSchedule"}])
    plugin, pod = TaintToleration(), make_pod()
    assert plugin.filter({}, pod, soft).ok
    scores = {node.name: plugin.score({}, pod, node) for node in (clean, soft)}
    plugin.normalize_scores({}, pod, scores)
    assert scores == {"clean": 100, "soft": 0}


def test_a_cordoned_node_takes_only_who_tolerates_it():
    node = make_node("n", unschedulable=True)
    assert NodeUnschedulable().filter({}, make_pod(), node).reason == "node(s) were unschedulable"
    tolerant = make_pod(tolerations=[{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}])
    assert NodeUnschedulable().filter({}, tolerant, node).ok


def test_node_name():
    assert NodeName().filter({}, make_pod(nodeName="a"), make_node("a")).ok
    assert NodeName().filter({}, make_pod(nodeName="a"), make_node("b")).refused


def _required(*requirements: dict[str, Any]) -> dict[str, Any]:
    terms = {"nodeSelectorTerms": [{"matchExpressions": list(requirements)}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


@pytest.mark.parametrize(
    ("requirement", "fits"),
    [
        ({"key": "zone", "operator": "In", "values": ["a", "b"]}, True),
        ({"key": "zone", "operator": "NotIn", "values": ["a"]}, False),
        ({"key": "zone", "operator": "Exists"}, True),
        ({"key": "gpu", "operator": "DoesNotExist"}, True),
        ({"key": "cores", "operator": "Gt", "values": ["7"]}, True),
        ({"key": "cores", "operator": "Lt", "values": ["8"]}, False),
        ({"key": "zone", "operator": "Gt", "values": ["1"]}, False),
    ],
)
def test_required_node_affinity(requirement: dict[str, Any], fits: bool):
    node = make_node("n", {"zone": "a", "cores": "8"})
    assert NodeAffinity().filter({}, make_pod(affinity=_required(requirement)), node).ok is fits


def test_node_selector_and_preferred_affinity():
    near, far = make_node("near", {"zone": "a"}), make_node("far", {"zone": "b"})
    assert NodeAffinity().filter({}, make_pod(nodeSelector={"zone": "a"}), far).refused
    preferred = [
        {"weight": 10, "preference": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}}
    ]
    pod = make_pod(affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}})
    plugin = NodeAffinity()
    scores = {node.name: plugin.score({}, pod, node) for node in (near, far)}
    plugin.normalize_scores({}, pod, scores)
    assert scores == {"near": 100, "far": 0}


def _with_port(name: str, port: int, ip: str | None = None) -> PodInfo:
    ports = [{"containerPort": 80, "hostPort": port, **({"hostIP": ip} if ip else {})}]
    return make_pod(name, containers=[{"name": "c", "ports": ports}])


def test_host_ports_clash_on_the_same_address_only():
    node = make_node("n")
    node.add_pod(_with_port("held", 8080, "10.0.0.1"))
    plugin = NodePorts()
    assert plugin.filter({}, _with_port("p", 8081), node).ok
    assert plugin.filter({}, _with_port("p", 8080, "10.0.0.2"), node).ok
    assert plugin.filter({}, _with_port("p", 8080), node).refused


def _spread(when: str) -> dict[str, Any]:
    return {
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "zone",
                "whenUnsatisfiable": when,
                "labelSelector": {"matchLabels": {"app": "web"}},
            }
        ],
        "labels": {"app": "web"},
    }


def test_do_not_schedule_keeps_the_skew():
    full, empty = make_node("full", {"zone": "a"}), make_node("empty", {"zone": "b"})
    nowhere = make_node("nowhere")
    full.add_pod(make_pod("other", labels={"app": "web"}))
    pod, state, plugin = make_pod(**_spread("DoNotSchedule")), {}, PodTopologySpread()
    plugin.pre_filter(state, pod, [full, empty, nowhere])
    assert plugin.filter(state, pod, full).refused
    assert plugin.filter(state, pod, empty).ok
    assert plugin.filter(state, pod, nowhere).refused


def test_siblings_spread_without_being_told():
    full, empty = make_node("full"), make_node("empty")
    full.add_pod(make_pod("sibling", owner="rs"))
    pod, state, plugin = make_pod(owner="rs"), {}, PodTopologySpread()
    assert plugin.pre_score(state, pod, [full, empty]).ok
    scores = {node.name: plugin.score(state, pod, node) for node in (full, empty)}
    plugin.normalize_scores(state, pod, scores)
    assert scores["empty"] == 100 > scores["full"]


def test_gated_pods_say_what_they_wait_for():
    status = SchedulingGates().pre_enqueue(make_pod(schedulingGates=[{"name": "example.com/later"}]))
    assert status.reason == "waiting for scheduling gates: [example.com/later]"
    assert SchedulingGates().pre_enqueue(make_pod()).ok
