"""What is there before anybody asks: namespaces, priority classes, and the service of the API server itself.

Everything is created if it is missing and left alone if it is there, so a second server on the same store changes nothing.
"""

from __future__ import annotations

from typing import Any

from apiserver.errors import StatusError
from apiserver.kinds import Catalog, decode_object
from apiserver.registry import Registry

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
PRIORITIES = (("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000))
KUBERNETES_ADDRESS = "10.96.0.1"

Object = dict[str, Any]


def _objects(host: str, port: int) -> list[tuple[str, str, Object]]:
    """(group, plural, object)"""
    found: list[tuple[str, str, Object]] = [("", "namespaces", {"metadata": {"name": name}}) for name in NAMESPACES]
    for name, value in PRIORITIES:
        found.append(("scheduling.k8s.io", "priorityclasses", {"metadata": {"name": name}, "value": value}))
    labels = {"component": "apiserver", "provider": "kubernetes"}
    where = {"name": "kubernetes", "namespace": "default"}
    port_spec = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": port}
    spec = {"clusterIP": KUBERNETES_ADDRESS, "ports": [port_spec], "type": "ClusterIP"}
    found.append(("", "services", {"metadata": {**where, "labels": labels}, "spec": spec}))
    endpoint_slice = {
        "metadata": {**where, "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
    }
    found.append(("discovery.k8s.io", "endpointslices", endpoint_slice))
    return found


async def bootstrap(catalog: Catalog, registry: Registry, host: str, port: int) -> None:
    """Raises StatusError for anything but "it exists"."""
    for group, plural, obj in _objects(host, port):
        resource = catalog.find(group, "v1", plural)
        if resource is None:
            continue
        obj = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
        decode_object(obj, resource.schema, resource.version, resource.kind)
        namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
        if await registry.store(resource).find(namespace, name) is not None:
            continue
        try:
            await registry.create(resource, namespace, obj)
        except StatusError as error:
            if error.reason != "AlreadyExists":  # another server was quicker
                raise
