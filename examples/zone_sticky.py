"""A third-party scheduler plugin: prefer the nodes of one zone.

One class, no base class, no registration. Run it from this folder's parent:

    apiserver up --scheduler-plugin examples.zone_sticky:ZoneSticky=10

or name it in a scheduler configuration (see docs/scheduler.md). The methods it may have are listed in
apiserver/scheduler/framework.py; this one only scores.
"""

from __future__ import annotations

from apiserver.scheduler import MAX_NODE_SCORE, NodeInfo, PodInfo


class ZoneSticky:
    """Scores nodes of `zone` highest; the weight decides how much that counts beside the other plugins."""

    name = "ZoneSticky"
    events = ("Node/Add", "Node/Update")

    def __init__(self, zone: str = "zone-a") -> None:
        self.zone = zone

    def score(self, state: dict, pod: PodInfo, node: NodeInfo) -> int:
        return MAX_NODE_SCORE if node.labels.get("topology.kubernetes.io/zone") == self.zone else 0
