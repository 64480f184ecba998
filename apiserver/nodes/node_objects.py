"""What a simulated node tells the API server of itself: its Node object and its Lease.

Pure functions. Source of the shape: the kubelet's registration and status (Kubernetes pkg/kubelet/kubelet_node_status.go) and
node leases (pkg/kubelet/nodelease).
"""

from __future__ import annotations

from typing import NamedTuple

from apiserver.client import Object, resource_name
from apiserver.meta import format_micro_time, format_time

NODES = resource_name("nodes")
LEASES = resource_name("coordination.k8s.io/v1/leases")
LEASE_NAMESPACE = "kube-node-lease"
LEASE_DURATION_S = 40
RENEW_INTERVAL_S = 10.0
KUBELET_VERSION = "v1.36.2"

_HEALTHY = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


class NodeShape(NamedTuple):
    """What each node of a fleet is like. Quantities are Kubernetes' texts."""

    cpu: str = "8"
    memory: str = "32Gi"
    pods: int = 110
    ephemeral_storage: str = "100Gi"
    zones: tuple[str, ...] = ("zone-a", "zone-b", "zone-c")
    region: str = "region-1"
    instance_type: str = "simulated"
    arch: str = "amd64"


def build_node(name: str, index: int, shape: NodeShape, address: str, pod_cidr: str, now_s: float) -> Object:
    """The Node as it is registered, status and all."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "beta.kubernetes.io/arch": shape.arch,
                "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": shape.arch,
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "node.kubernetes.io/instance-type": shape.instance_type,
                "topology.kubernetes.io/region": shape.region,
                "topology.kubernetes.io/zone": shape.zones[index % len(shape.zones)],
            },
        },
        "spec": {"podCIDR": pod_cidr, "podCIDRs": [pod_cidr]},
        "status": build_status(name, index, shape, address, now_s),
    }


def build_status(name: str, index: int, shape: NodeShape, address: str, now_s: float) -> Object:
    resources = {
        "cpu": shape.cpu,
        "memory": shape.memory,
        "pods": str(shape.pods),
        "ephemeral-storage": shape.ephemeral_storage,
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
    }
    handler = {"features": {"recursiveReadOnlyMounts": True, "userNamespaces": True}}
    # Identities of a machine, made from the node's place in the fleet so that a run can be repeated.
    identity = f"{index:032x}"
    return {
        "capacity": dict(resources),
        "allocatable": dict(resources),
        "conditions": build_conditions(now_s),
        "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "machineID": identity,
            "systemUUID": f"{identity[:8]}-{identity[8:12]}-{identity[12:16]}-{identity[16:20]}-{identity[20:]}",
            "bootID": identity,
            "kernelVersion": "6.12.0-simulated",
            "osImage": "Simulated Linux",
            "containerRuntimeVersion": "simulated://1.0.0",
            "kubeletVersion": KUBELET_VERSION,
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": shape.arch,
        },
        "images": [{"names": ["registry.k8s.io/pause:3.10.1"], "sizeBytes": 318731}],
        "runtimeHandlers": [{"name": "", **handler}, {"name": "runc", **handler}],
        "features": {"supplementalGroupsPolicy": True},
    }


def build_conditions(now_s: float) -> list[Object]:
    now = format_time(now_s)
    return [
        {
            "type": type,
            "status": status,
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
            "reason": reason,
            "message": message,
        }
        for type, status, reason, message in _HEALTHY
    ]


def build_lease(node: Object, now_s: float) -> Object:
    """The Lease by which the node says that it lives; it goes with the node by owner reference."""
    metadata = node["metadata"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": metadata["name"], "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]},
        "spec": {
            "holderIdentity": metadata["name"],
            "leaseDurationSeconds": LEASE_DURATION_S,
            "renewTime": format_micro_time(now_s),
        },
    }
