"""NodeUnschedulable: a cordoned node (spec.unschedulable) takes only pods that tolerate the cordon's taint."""

from __future__ import annotations

from apiserver.kinds import tolerates
from apiserver.scheduler.framework import SUCCESS, CycleState, Status, unresolvable
from apiserver.scheduler.node_info import NodeInfo
from apiserver.scheduler.pod_info import PodInfo

CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class NodeUnschedulable:
    name = "NodeUnschedulable"
    events = ("Node/Add", "Node/Update")

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status:
        if not node.unschedulable or tolerates(pod.tolerations, CORDON):
            return SUCCESS
        return unresolvable("node(s) were unschedulable")
