"""SchedulingGates: a pod with spec.schedulingGates does not even enter the queue."""

from __future__ import annotations

from apiserver.scheduler.framework import SUCCESS, Status, unresolvable
from apiserver.scheduler.pod_info import PodInfo


class SchedulingGates:
    name = "SchedulingGates"
    events = ("Pod/Update",)

    def pre_enqueue(self, pod: PodInfo) -> Status:
        if not pod.gates:
            return SUCCESS
        names = ", ".join(gate.get("name", "") for gate in pod.gates)
        return unresolvable(f"waiting for scheduling gates: [{names}]")
