"""A member's numbers in Prometheus' format, under etcd's names; only those that are true here.

Read when they are asked for; the hot path counts bytes and changes of leader once a turn, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from kvcluster.peer import TcpPeerTransport
from kvcluster.rpc import CLUSTER_VERSION, SERVER_VERSION
from kvcluster.server.connections import ClientPort
from kvcluster.server.driver import Driver
from kvcluster.watch import State


class MemberMetrics:
    """A collector of one member, in a registry of its own."""

    def __init__(self, driver: Driver, port: ClientPort) -> None:
        self._driver = driver
        self._port = port
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def expose(self) -> tuple[bytes, str]:
        """(text, content type)"""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def collect(self) -> Iterable[Metric]:
        member, store = self._driver.member, self._driver.member.store
        gauges = (
            ("etcd_server_has_leader", "Whether this member knows a leader.", int(member.leader != 0)),
            ("etcd_server_is_leader", "Whether this member is the leader.", int(member.is_leader)),
            ("etcd_server_is_learner", "Whether this member is a learner.", 0),
            ("etcd_server_proposals_pending", "Requests that have no answer yet.", member.pending_count),
            ("etcd_mvcc_db_total_size_in_bytes", "Bytes of all stored versions.", store.size_bytes),
            ("etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes of all stored versions.", store.size_bytes),
            ("etcd_debugging_mvcc_current_revision", "The store's revision.", store.revision),
            ("etcd_debugging_mvcc_compact_revision", "The revision compacted last.", store.compacted_revision),
            ("etcd_debugging_mvcc_watcher_total", "Watchers.", len(member.hub)),
            (
                "etcd_debugging_mvcc_slow_watcher_total",
                "Watchers that are behind.",
                member.hub.count(State.UNSYNCED),
            ),
            ("etcd_debugging_lease_total", "Leases.", len(member.lessor)),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(name, text, value=value)
        port, peers = self._port, self._driver.peers
        counters = [
            ("etcd_server_proposals_committed", "Committed entries.", member.commit_index),
            ("etcd_server_proposals_applied", "Applied entries.", member.applied_index),
            ("etcd_server_leader_changes_seen", "Leaders seen.", self._driver.leader_changes),
            ("etcd_network_client_grpc_received_bytes", "Bytes of gRPC connections.", port.received_bytes),
            ("etcd_network_client_grpc_sent_bytes", "Bytes of gRPC connections.", port.sent_bytes),
        ]
        if isinstance(peers, TcpPeerTransport):
            counters += [
                ("etcd_network_peer_received_bytes", "Bytes of all members.", peers.received_bytes),
                ("etcd_network_peer_sent_bytes", "Bytes to all members.", peers.sent_bytes),
                ("etcd_network_peer_sent_failures", "Sends that were dropped.", peers.dropped_sends),
            ]
        for name, text, value in counters:
            yield CounterMetricFamily(name, text, value=value)
        for name, text, label, said in (
            ("etcd_server_version", "Which version is running.", "server_version", SERVER_VERSION),
            ("etcd_cluster_version", "The cluster's version.", "cluster_version", CLUSTER_VERSION),
            ("etcd_server_id", "This member's id in hexadecimal.", "server_id", f"{member.id:x}"),
        ):
            family = GaugeMetricFamily(name, text, labels=[label])
            family.add_metric([said], 1)
            yield family
