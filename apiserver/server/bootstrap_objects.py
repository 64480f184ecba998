"""What a server finds or makes when it starts, as plain objects: tables and the forms that Kubernetes 1.36 gives them.

namespaces, their default accounts       a server without controllers can run pods in its own namespaces
priority classes, levels, flow schemas
ServiceCIDR kubernetes                   the addresses of services
endpoints and slice default/kubernetes   where the server itself is (the service is made by the registry: it has an address)
ConfigMap extension-apiserver-authentication, APIServices of what is served
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any, NamedTuple

from apiserver.server.flow_objects import GROUP as FLOW_GROUP
from apiserver.server.flow_objects import flow_schemas, priority_levels

Object = dict[str, Any]

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
PRIORITIES = (
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
)


class Place(NamedTuple):
    """Where the server is reached, and what it gives to others."""

    host: str
    port: int
    is_secure: bool
    service_networks: tuple[str, ...]

    @property
    def port_name(self) -> str:
        return "https" if self.is_secure else "http"

    @property
    def service_port(self) -> int:
        return 443 if self.is_secure else 80

    @property
    def service_address(self) -> str:
        """The first address of the range is the API server's, in every cluster."""
        return str(ipaddress.ip_network(self.service_networks[0])[1])


class Wanted(NamedTuple):
    """group, plural and the object. is_exact: what is there is brought to this form."""

    group: str
    plural: str
    obj: Object
    is_exact: bool = False


def wanted_objects(place: Place, now: str) -> Iterator[Wanted]:
    for name in NAMESPACES:
        yield Wanted("", "namespaces", {"metadata": {"name": name}})
    for name in NAMESPACES:
        yield Wanted("", "serviceaccounts", {"metadata": {"name": "default", "namespace": name}})
    for name, value, text in PRIORITIES:
        yield Wanted(
            "scheduling.k8s.io", "priorityclasses", {"metadata": {"name": name}, "value": value, "description": text}
        )
    for level in priority_levels():
        yield Wanted(FLOW_GROUP, "prioritylevelconfigurations", level)
    for schema in flow_schemas(now):
        yield Wanted(FLOW_GROUP, "flowschemas", schema)
    yield Wanted("networking.k8s.io", "servicecidrs", _service_cidr(place, now))
    yield Wanted("", "endpoints", _endpoints(place), is_exact=True)
    yield Wanted("discovery.k8s.io", "endpointslices", _endpoint_slice(place), is_exact=True)
    yield Wanted("", "configmaps", _authentication())


def _service_cidr(place: Place, now: str) -> Object:
    ready = {
        "type": "Ready", "status": "True", "lastTransitionTime": now, "reason": "",
        "message": "Kubernetes default Service CIDR is ready",
    }  # fmt: skip
    spec = {"cidrs": list(place.service_networks)}
    return {"metadata": {"name": "kubernetes"}, "spec": spec, "status": {"conditions": [ready]}}


def kubernetes_service(place: Place) -> Object:
    labels = {"component": "apiserver", "provider": "kubernetes"}
    port = {
        "name": place.port_name, "port": place.service_port, "protocol": "TCP", "targetPort": place.port,
    }  # fmt: skip
    spec = {"clusterIP": place.service_address, "ports": [port], "type": "ClusterIP", "sessionAffinity": "None"}
    return {"metadata": {"name": "kubernetes", "namespace": "default", "labels": labels}, "spec": spec}


def _endpoints(place: Place) -> Object:
    labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    port = {"name": place.port_name, "port": place.port, "protocol": "TCP"}
    subset = {"addresses": [{"ip": place.host}], "ports": [port]}
    metadata = {"name": "kubernetes", "namespace": "default", "labels": labels}
    return {"metadata": metadata, "subsets": [subset]}


def _endpoint_slice(place: Place) -> Object:
    labels = {"kubernetes.io/service-name": "kubernetes"}
    return {
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
        "addressType": "IPv6" if ":" in place.host else "IPv4",
        "endpoints": [{"addresses": [place.host], "conditions": {"ready": True}}],
        "ports": [{"name": place.port_name, "port": place.port, "protocol": "TCP"}],
    }


def _authentication() -> Object:
    """What other servers of the cluster need to know to believe the same clients: authentication_trust fills it."""
    return {"metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"}}
