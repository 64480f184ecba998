"""A pod as the scheduler reads it: parsed once when it is seen, never mutated.

Resource requests follow Kubernetes: a pod asks for the sum of its containers and of its restartable init containers,
or for its largest ordinary init container if that is more, plus spec.overhead. CPU counts in millicores, all else in
whole units (bytes, pieces).
"""

from __future__ import annotations

from typing import Any

from apiserver.meta import int_value, milli_value

Resources = dict[str, int]


def count_resources(quantities: dict[str, Any] | None) -> Resources:
    """{"cpu": "500m", "memory": "1Gi"} as integers: millicores for cpu, whole units otherwise."""
    return {name: milli_value(text) if name == "cpu" else int_value(text) for name, text in (quantities or {}).items()}


def _add(total: Resources, more: Resources) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _requests(spec: dict[str, Any]) -> Resources:
    total: Resources = {}
    for container in spec.get("containers") or ():
        _add(total, count_resources((container.get("resources") or {}).get("requests")))
    sidecars: Resources = {}
    for container in spec.get("initContainers") or ():
        asked = count_resources((container.get("resources") or {}).get("requests"))
        if container.get("restartPolicy") == "Always":
            _add(sidecars, asked)
            _add(total, asked)
            continue
        for name, amount in asked.items():
            total[name] = max(total.get(name, 0), amount + sidecars.get(name, 0))
    _add(total, count_resources(spec.get("overhead")))
    return total


def _host_ports(spec: dict[str, Any]) -> tuple[tuple[str, str, int], ...]:
    ports = []
    for container in spec.get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                ports.append((port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", int(port["hostPort"])))
    return tuple(ports)


class PodInfo:
    """The parsed pod. `key` is (namespace, name); `owner` the uid of its controller, or ""."""

    __slots__ = (
        "pod", "key", "uid", "labels", "spec", "priority", "scheduler_name", "node_name", "requests", "tolerations",
        "host_ports", "owner", "gates", "is_terminating",
    )  # fmt: skip

    def __init__(self, pod: dict[str, Any]) -> None:
        metadata, spec = pod["metadata"], pod.get("spec") or {}
        self.pod = pod
        self.spec = spec
        self.key = (metadata.get("namespace", ""), metadata["name"])
        self.uid: str = metadata.get("uid", "")
        self.labels: dict[str, str] = metadata.get("labels") or {}
        self.priority: int = spec.get("priority") or 0
        self.scheduler_name: str = spec.get("schedulerName") or "default-scheduler"
        self.node_name: str = spec.get("nodeName") or ""
        self.requests = _requests(spec)
        self.tolerations: list[dict[str, Any]] = spec.get("tolerations") or []
        self.host_ports = _host_ports(spec)
        self.gates: list[dict[str, Any]] = spec.get("schedulingGates") or []
        self.is_terminating = bool(metadata.get("deletionTimestamp"))
        owners = [o for o in metadata.get("ownerReferences") or () if o.get("controller")]
        self.owner: str = owners[0]["uid"] if owners else ""

    @property
    def name(self) -> str:
        """namespace/name, as messages show it."""
        return f"{self.key[0]}/{self.key[1]}"

    @property
    def is_finished(self) -> bool:
        return (self.pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
