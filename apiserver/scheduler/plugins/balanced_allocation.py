"""NodeResourcesBalancedAllocation: prefers the node whose cpu and memory would be used to about the same share."""

from __future__ import annotations

from apiserver.scheduler.framework import MAX_NODE_SCORE, CycleState
from apiserver.scheduler.node_info import NodeInfo
from apiserver.scheduler.plugins.node_resources_fit import ASSUMED_WHEN_UNSET, scored_request, scored_usage
from apiserver.scheduler.pod_info import PodInfo


class NodeResourcesBalancedAllocation:
    name = "NodeResourcesBalancedAllocation"
    events = ()

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        shares = []
        for resource in ASSUMED_WHEN_UNSET:
            capacity = node.allocatable.get(resource, 0)
            if capacity:
                asked = scored_usage(state, node, resource) + scored_request(pod, resource)
                shares.append(min(asked / capacity, 1.0))
        if len(shares) < 2:
            return 0
        # The standard deviation of two numbers is half their distance.
        return int((1 - abs(shares[0] - shares[1]) / 2) * MAX_NODE_SCORE)
