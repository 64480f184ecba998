"""Whole clusters: members in this process (`Cluster`), or as processes of this machine (`ProcessCluster`)."""

from kvcluster.cluster.compactor import Compactor, build_compactor, run_compactor
from kvcluster.cluster.local import Cluster
from kvcluster.cluster.processes import BASE_PORT, MemberStatus, ProcessCluster, cluster_status, end_cluster
from kvcluster.cluster.state import ClusterError, MemberProcess, StateFolder, default_state_dir, is_alive

__all__ = [
    "BASE_PORT",
    "Cluster",
    "ClusterError",
    "Compactor",
    "MemberProcess",
    "MemberStatus",
    "ProcessCluster",
    "StateFolder",
    "build_compactor",
    "cluster_status",
    "default_state_dir",
    "end_cluster",
    "is_alive",
    "run_compactor",
]
