"""PrioritySort: higher spec.priority first, then who came first."""

from __future__ import annotations

from apiserver.scheduler.pod_info import PodInfo


class PrioritySort:
    name = "PrioritySort"
    events = ()

    def sort_key(self, pod: PodInfo, added_s: float) -> tuple[int, float]:
        return (-pod.priority, added_s)
