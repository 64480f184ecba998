"""A cluster put together: in one process (LocalCluster) or as supervised processes (SupervisedCluster)."""

from __future__ import annotations

from apiserver.cluster.kubeconfig import build_kubeconfig, write_kubeconfig
from apiserver.cluster.local import MEMBER_PORTS, LocalCluster
from apiserver.cluster.manifests import ManifestError, apply_manifests, load_manifests
from apiserver.cluster.processes import GRACE_S, ProcessFailed, SupervisedCluster
from apiserver.cluster.waiting import is_node_ready, is_pod_running, wait_for

__all__ = [
    "GRACE_S",
    "MEMBER_PORTS",
    "LocalCluster",
    "ManifestError",
    "ProcessFailed",
    "SupervisedCluster",
    "apply_manifests",
    "build_kubeconfig",
    "is_node_ready",
    "is_pod_running",
    "load_manifests",
    "wait_for",
    "write_kubeconfig",
]
