"""One decision: which node, or which words for people; and what profiles and configurations refuse."""

from __future__ import annotations

import pytest

from apiserver.scheduler import (
    Cache,
    PluginError,
    PodInfo,
    Profile,
    SchedulerConfig,
    WeightedPlugin,
    load_plugin,
    parse_config,
    schedule,
    unschedulable,
    with_plugins,
)
from apiserver.scheduler.config import build_profile
from apiserver.scheduler.cycle import feasible_wanted
from apiserver.scheduler.plugins import default_plugins


def make_cache(*names: str, **specs: dict) -> Cache:
    cache = Cache()
    for name in names:
        status = {"allocatable": {"cpu": "1", "memory": "1Gi", "pods": "10"}}
        cache.set_node({"metadata": {"name": name, "labels": {}}, "spec": specs.get(name, {}), "status": status})
    return cache


def make_pod(cpu: str = "100m") -> PodInfo:
    spec = {"containers": [{"resources": {"requests": {"cpu": cpu}}}]}
    return PodInfo({"metadata": {"namespace": "d", "name": "p", "uid": "u"}, "spec": spec})


def default_profile() -> Profile:
    return Profile(default_plugins(None))


def first(count: int) -> int:
    return 0


def test_the_reasons_are_counted_as_people_know_them():
    cache = make_cache("a", "b", "c", a={"unschedulable": True}, b={"taints": [{"key": "k", "effect": "NoSchedule"}]})
    decision = schedule(default_profile(), make_pod("2"), cache.snapshot(), 0, first)
    assert decision.node_name is None
    assert decision.reason == (
        "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable."
    )
    assert decision.refused_by == ("NodeUnschedulable", "TaintToleration", "NodeResourcesFit")


def test_no_nodes_at_all():
    decision = schedule(default_profile(), make_pod(), {}, 0, first)
    assert decision.reason == "no nodes available to schedule pods"


def test_ties_are_broken_by_the_dice():
    cache = make_cache("a", "b", "c")
    chosen = {
        schedule(default_profile(), make_pod(), cache.snapshot(), 0, lambda n, i=i: i % n).node_name for i in range(3)
    }
    assert chosen == {"a", "b", "c"}


def test_enough_feasible_nodes_are_enough():
    assert [feasible_wanted(n) for n in (3, 99, 100, 1000, 5000)] == [3, 99, 100, 420, 500]


class Broken:
    name = "Broken"

    def filter(self, state, pod, node):
        raise RuntimeError("boom")


class Picky:
    name = "Picky"
    events = ("Node/Update",)

    def filter(self, state, pod, node):
        return unschedulable("node(s) not to my taste")


class Loud:
    name = "Loud"

    def score(self, state, pod, node):
        return 1000


def _with(plugin: object) -> Profile:
    return Profile([*default_plugins(None), WeightedPlugin(plugin)])


def test_a_broken_plugin_fails_the_attempt_not_the_scheduler():
    decision = schedule(_with(Broken()), make_pod(), make_cache("a").snapshot(), 0, first)
    assert decision.failed
    assert decision.reason == "plugin Broken: RuntimeError: boom"


def test_a_score_out_of_bounds_is_an_error():
    decision = schedule(_with(Loud()), make_pod(), make_cache("a", "b").snapshot(), 0, first)
    assert decision.failed
    assert "score 1000" in decision.reason


def test_a_plugin_says_which_events_can_help():
    profile = _with(Picky())
    decision = schedule(profile, make_pod(), make_cache("a").snapshot(), 0, first)
    assert decision.reason == "0/1 nodes are available: 1 node(s) not to my taste."
    assert profile.events_of(decision.refused_by) == ["Node/Update"]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("NoColon", "expected"),
        ("no.such.module:Thing", "No module named"),
        ("json:Nothing", "has no Nothing"),
        ("json:JSONDecoder", "has no name"),
        ("json:JSONDecoder=x", "not a whole number"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_named(spec: str, said: str):
    with pytest.raises(PluginError, match=said):
        plugin = load_plugin(spec)
        Profile([*default_plugins(None), plugin])


def test_a_configuration_changes_the_profile():
    config = parse_config(
        {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "profiles": [
                {
                    "schedulerName": "mine",
                    "plugins": {
                        "multiPoint": {
                            "enabled": [{"name": "TaintToleration", "weight": 7}],
                            "disabled": [{"name": "NodeResourcesBalancedAllocation"}],
                        }
                    },
                }
            ],
        }
    )
    profile = build_profile(config.profiles[0], None)
    assert profile.name == "mine"
    assert profile.weights["TaintToleration"] == 7
    assert "NodeResourcesBalancedAllocation" not in profile.weights


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "expected a mapping"),
        ({"kind": "Pod"}, "kind must be"),
        ({"kind": "KubeSchedulerConfiguration", "extenders": []}, "unknown field 'extenders'"),
        ({"kind": "KubeSchedulerConfiguration", "podMaxBackoffSeconds": "soon"}, "number of seconds"),
        ({"kind": "KubeSchedulerConfiguration", "profiles": [{}, {}]}, "same schedulerName"),
        ({"kind": "KubeSchedulerConfiguration", "profiles": [{"plugins": {"score": {}}}]}, "unknown field 'score'"),
    ],
)
def test_a_bad_configuration_is_refused_by_name(document: object, said: str):
    with pytest.raises(PluginError, match=said):
        parse_config(document)


def test_an_unknown_plugin_is_refused():
    config = with_plugins(SchedulerConfig(), ["Nonsense=3"])
    with pytest.raises(PluginError, match="plugin Nonsense is not known"):
        build_profile(config.profiles[0], None)


def test_a_pod_whose_affinity_names_a_node_is_tried_there_alone():
    cache = make_cache("a", "b", "c", c={"unschedulable": True})

    def pod_for(name: str) -> PodInfo:
        term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
        spec = {"containers": [], "affinity": {"nodeAffinity": required}}
        return PodInfo({"metadata": {"namespace": "d", "name": "p", "uid": "u"}, "spec": spec})

    decision = schedule(default_profile(), pod_for("b"), cache.snapshot(), 0, first)
    assert (decision.node_name, decision.looked_at) == ("b", 1)
    decision = schedule(default_profile(), pod_for("c"), cache.snapshot(), 0, first)
    assert decision.reason == (
        "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]."
    )
    decision = schedule(default_profile(), pod_for("gone"), cache.snapshot(), 0, first)
    assert decision.reason == "0/3 nodes are available: 3 node(s) didn't satisfy plugin(s) [NodeAffinity]."
