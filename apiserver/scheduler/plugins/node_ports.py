"""NodePorts: two pods on one node cannot hold the same host port; 0.0.0.0 stands for every address."""

from __future__ import annotations

from apiserver.scheduler.framework import SKIP, SUCCESS, CycleState, Status, unschedulable
from apiserver.scheduler.node_info import NodeInfo
from apiserver.scheduler.pod_info import PodInfo

ANY_ADDRESS = "0.0.0.0"


def _clash(one: tuple[str, str, int], other: tuple[str, str, int]) -> bool:
    if one[1:] != other[1:]:
        return False
    return one[0] == other[0] or ANY_ADDRESS in (one[0], other[0])


class NodePorts:
    name = "NodePorts"
    events = ("Node/Add", "Pod/Delete")

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: list[NodeInfo]) -> Status:
        return SUCCESS if pod.host_ports else SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status:
        for other in node.pods.values():
            for held in other.host_ports:
                if any(_clash(wanted, held) for wanted in pod.host_ports):
                    return unschedulable("node(s) didn't have free ports for the requested pod ports")
        return SUCCESS
