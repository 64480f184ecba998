"""The plugins that come with the scheduler, one file each, and the default profile's order and weights (kube-scheduler's)."""

from __future__ import annotations

from apiserver.client import Client
from apiserver.scheduler.plugins.balanced_allocation import NodeResourcesBalancedAllocation
from apiserver.scheduler.plugins.default_binder import DefaultBinder
from apiserver.scheduler.plugins.node_affinity import NodeAffinity
from apiserver.scheduler.plugins.node_name import NodeName
from apiserver.scheduler.plugins.node_ports import NodePorts
from apiserver.scheduler.plugins.node_resources_fit import NodeResourcesFit
from apiserver.scheduler.plugins.node_unschedulable import NodeUnschedulable
from apiserver.scheduler.plugins.pod_topology_spread import PodTopologySpread
from apiserver.scheduler.plugins.priority_sort import PrioritySort
from apiserver.scheduler.plugins.scheduling_gates import SchedulingGates
from apiserver.scheduler.plugins.taint_toleration import TaintToleration
from apiserver.scheduler.profile import WeightedPlugin


def default_plugins(client: Client | None) -> list[WeightedPlugin]:
    """Fresh plugins of the default profile, in order."""
    return [
        WeightedPlugin(SchedulingGates()),
        WeightedPlugin(PrioritySort()),
        WeightedPlugin(NodeUnschedulable()),
        WeightedPlugin(NodeName()),
        WeightedPlugin(TaintToleration(), 3),
        WeightedPlugin(NodeAffinity(), 2),
        WeightedPlugin(NodePorts()),
        WeightedPlugin(NodeResourcesFit()),
        WeightedPlugin(PodTopologySpread(), 2),
        WeightedPlugin(NodeResourcesBalancedAllocation()),
        WeightedPlugin(DefaultBinder(client)),
    ]


__all__ = [
    "DefaultBinder",
    "NodeAffinity",
    "NodeName",
    "NodePorts",
    "NodeResourcesBalancedAllocation",
    "NodeResourcesFit",
    "NodeUnschedulable",
    "PodTopologySpread",
    "PrioritySort",
    "SchedulingGates",
    "TaintToleration",
    "default_plugins",
]
