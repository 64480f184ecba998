"""Whole clusters: members in this process (`Cluster`), or as processes of this machine (`ProcessCluster`)."""

from kvcluster.cluster.compactor import Compactor, build_compactor, parse_duration, run_compactor
from kvcluster.cluster.local import Cluster
from kvcluster.cluster.processes import (
    BASE_PORT,
    ClusterError,
    MemberStatus,
    ProcessCluster,
    StateFolder,
    cluster_status,
    default_state_dir,
    end_cluster,
)

__all__ = [
    "BASE_PORT",
    "Cluster",
    "ClusterError",
    "Compactor",
    "MemberStatus",
    "ProcessCluster",
    "StateFolder",
    "build_compactor",
    "cluster_status",
    "default_state_dir",
    "end_cluster",
    "parse_duration",
    "run_compactor",
]
