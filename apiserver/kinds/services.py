"""Services: the defaults of each type, what survives an update, and the rules of ports.

Families, cluster addresses and node ports are given by the registry, not here; here they are kept over updates and mirrored
between the singular and the plural field.

Source: Kubernetes pkg/apis/core/v1/defaults.go, pkg/registry/core/service, pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiserver.kinds.resource import read_text
from apiserver.kinds.strategy import keep_status, set_missing

Object = dict[str, Any]

CLUSTER_IP = "ClusterIP"
NODE_PORT = "NodePort"
LOAD_BALANCER = "LoadBalancer"
EXTERNAL_NAME = "ExternalName"
HEADLESS = "None"

_AFFINITY_SECONDS = 10800

FIELD_LABELS: Mapping[str, Callable[[Object], str]] = {
    "spec.clusterIP": read_text("spec", "clusterIP"),
    "spec.type": read_text("spec", "type"),
}


def defaults(service: Object) -> None:
    spec = service.setdefault("spec", {})
    set_missing(spec, "sessionAffinity", "None")
    set_missing(spec, "type", CLUSTER_IP)
    if spec["sessionAffinity"] == "ClientIP":
        client = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        client.setdefault("timeoutSeconds", _AFFINITY_SECONDS)
    else:
        spec.pop("sessionAffinityConfig", None)
    for port in spec.get("ports") or ():
        set_missing(port, "protocol", "TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    if spec["type"] in (NODE_PORT, LOAD_BALANCER) or (spec["type"] == CLUSTER_IP and spec.get("externalIPs")):
        set_missing(spec, "externalTrafficPolicy", "Cluster")
    if spec["type"] == LOAD_BALANCER:
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        for ingress in ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")
    if spec["type"] != EXTERNAL_NAME:
        set_missing(spec, "internalTrafficPolicy", "Cluster")


def prepare_create(service: Object) -> None:
    service["status"] = {"loadBalancer": {}}
    _mirror_address(service["spec"])


def prepare_update(service: Object, old: Object) -> None:
    """A client may leave out what was allocated for it (kubectl apply does): it stays."""
    keep_status(service, old)
    spec, before = service["spec"], old.get("spec") or {}
    _drop_of_old_type(spec, before)
    if spec["type"] != EXTERNAL_NAME and before.get("type") != EXTERNAL_NAME:
        if not spec.get("clusterIP") and not spec.get("clusterIPs"):
            _copy(spec, before, "clusterIP", "clusterIPs")
        for field in ("ipFamilies", "ipFamilyPolicy"):
            if not spec.get(field):
                _copy(spec, before, field)
        _keep_node_ports(spec, before)
    if spec.get("healthCheckNodePort", 0) == 0 and _needs_health_port(spec) and _needs_health_port(before):
        _copy(spec, before, "healthCheckNodePort")
    _follow_address(spec, before)
    _mirror_address(spec)


def _follow_address(spec: Object, before: Object) -> None:
    """Where only the singular field was changed, or only the plural one taken away, the other follows."""
    address, addresses = spec.get("clusterIP", ""), spec.get("clusterIPs") or []
    was, all_before = before.get("clusterIP", ""), before.get("clusterIPs") or []
    if spec["type"] == EXTERNAL_NAME or not was:
        return
    if address != was and addresses == all_before:
        spec["clusterIPs"] = [address] if address else []
    elif not addresses and all_before and address == was:
        spec.pop("clusterIP", None)


def _drop_of_old_type(spec: Object, before: Object) -> None:
    """Changing only the type of a service lets go of what the old type had: nobody meant to keep it."""
    now, was = spec["type"], before.get("type")
    if now == EXTERNAL_NAME and was != EXTERNAL_NAME:
        _drop_unchanged(spec, before, "clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
    if now not in (NODE_PORT, LOAD_BALANCER) and was in (NODE_PORT, LOAD_BALANCER):
        numbers = [port.get("nodePort") for port in spec.get("ports") or ()]
        if numbers == [port.get("nodePort") for port in before.get("ports") or ()]:
            for port in spec.get("ports") or ():
                port.pop("nodePort", None)
    if _is_reached_from_outside(before) and not _is_reached_from_outside(spec):
        _drop_unchanged(spec, before, "externalTrafficPolicy")
    if _needs_health_port(before) and not _needs_health_port(spec):
        _drop_unchanged(spec, before, "healthCheckNodePort")
    if now != LOAD_BALANCER and was == LOAD_BALANCER:
        _drop_unchanged(spec, before, "allocateLoadBalancerNodePorts", "loadBalancerClass")


def _is_reached_from_outside(spec: Object) -> bool:
    kind = spec.get("type")
    return kind in (NODE_PORT, LOAD_BALANCER) or (kind == CLUSTER_IP and bool(spec.get("externalIPs")))


def _drop_unchanged(spec: Object, before: Object, *fields: str) -> None:
    for field in fields:
        if field in spec and spec[field] == before.get(field):
            del spec[field]


def _copy(spec: Object, before: Object, *fields: str) -> None:
    for field in fields:
        if field in before:
            spec[field] = before[field]


def _keep_node_ports(spec: Object, before: Object) -> None:
    if spec["type"] not in (NODE_PORT, LOAD_BALANCER) or before.get("type") not in (NODE_PORT, LOAD_BALANCER):
        return
    allocated = {(port.get("protocol"), port.get("port")): port.get("nodePort") for port in before.get("ports") or ()}
    taken = {port.get("nodePort") for port in spec.get("ports") or ()}
    for port in spec.get("ports") or ():
        number = allocated.get((port.get("protocol"), port.get("port")))
        if not port.get("nodePort") and number and number not in taken:
            port["nodePort"] = number


def _needs_health_port(spec: Object) -> bool:
    return spec.get("type") == LOAD_BALANCER and spec.get("externalTrafficPolicy") == "Local"


def _mirror_address(spec: Object) -> None:
    """The first address stands in both of its fields."""
    if spec["type"] == EXTERNAL_NAME:
        return
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    elif spec.get("clusterIPs") and not spec.get("clusterIP"):
        spec["clusterIP"] = spec["clusterIPs"][0]
