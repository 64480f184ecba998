"""NodeName: a pod that already names its node fits there only."""

from __future__ import annotations

from apiserver.scheduler.framework import SUCCESS, CycleState, Status, unresolvable
from apiserver.scheduler.node_info import NodeInfo
from apiserver.scheduler.pod_info import PodInfo


class NodeName:
    name = "NodeName"
    events = ("Node/Add",)

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status:
        if not pod.node_name or pod.node_name == node.name:
            return SUCCESS
        return unresolvable("node(s) didn't match the requested node name")
