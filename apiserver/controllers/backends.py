"""Which pods stand behind a Service, on which ports: what EndpointSlices and Endpoints both say, each in its form.

Pure functions. Source of the rules: Kubernetes endpointslice/utils.go (podToEndpoint, getEndpointPorts) and
pkg/controller/endpoint.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from apiserver.client import Informer, Object, Objects
from apiserver.controllers.pods import is_ready
from apiserver.meta import label_selector_of

BackendPort = tuple[str, int, str, str | None]
"""(name, port, protocol, appProtocol)"""


class Backend(NamedTuple):
    """One pod with an address. ready: serving and not on its way out."""

    pod: Object
    address: str
    ready: bool
    serving: bool
    terminating: bool
    ports: tuple[BackendPort, ...]

    @property
    def node_name(self) -> str:
        return str(self.pod["spec"].get("nodeName") or "")

    def hostname(self, service: Object) -> str:
        """The pod's name within the Service's domain, where its subdomain says that it is the Service's."""
        spec = self.pod["spec"]
        return str(spec.get("hostname") or "") if spec.get("subdomain") == service["metadata"]["name"] else ""

    def target_reference(self) -> dict[str, Any]:
        metadata = self.pod["metadata"]
        return {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}


def has_selector(service: Object) -> bool:
    """Without a selector, or as ExternalName, the endpoints are somebody else's business."""
    spec = service.get("spec") or {}
    return bool(spec.get("selector")) and spec.get("type") != "ExternalName"


def is_headless(service: Object) -> bool:
    return (service.get("spec") or {}).get("clusterIP") == "None"


def find_backends(service: Object, pods: Informer) -> list[Backend]:
    """The Service's pods that have an address, by name. Finished pods are nobody's backend."""
    spec = service["spec"]
    selector = label_selector_of({"matchLabels": spec["selector"]})
    publish_all = bool(spec.get("publishNotReadyAddresses"))
    backends = []
    for pod in pods.list(service["metadata"]["namespace"]):
        status = pod.get("status") or {}
        address = status.get("podIP")
        if not address or status.get("phase") in ("Succeeded", "Failed"):
            continue
        if not selector.matches(pod["metadata"].get("labels") or {}):
            continue
        serving = is_ready(pod)
        terminating = bool(pod["metadata"].get("deletionTimestamp"))
        ready = publish_all or (serving and not terminating)
        backends.append(Backend(pod, address, ready, serving, terminating, _ports(service, pod)))
    return sorted(backends, key=lambda backend: backend.pod["metadata"]["name"])


def _ports(service: Object, pod: Object) -> tuple[BackendPort, ...]:
    """The Service's ports on this pod. A named target port that the pod does not have is left out."""
    found: list[BackendPort] = []
    for port in service["spec"].get("ports") or ():
        protocol = port.get("protocol") or "TCP"
        number = _target(port, protocol, pod)
        if number is not None:
            found.append((port.get("name") or "", number, protocol, port.get("appProtocol")))
    return tuple(found)


def _target(port: Object, protocol: str, pod: Object) -> int | None:
    target = port.get("targetPort")
    if target is None or target == 0 or target == "":
        return int(port["port"])
    if isinstance(target, int):
        return target
    for container in _port_holders(pod):
        for declared in container.get("ports") or ():
            if declared.get("name") == target and (declared.get("protocol") or "TCP") == protocol:
                return int(declared["containerPort"])
    return None


def _port_holders(pod: Object) -> Objects:
    sidecars = [c for c in pod["spec"].get("initContainers") or () if c.get("restartPolicy") == "Always"]
    return [*(pod["spec"].get("containers") or ()), *sidecars]


def services_of(pod: Object, services: Informer) -> list[Object]:
    """The Services whose selector the pod matches."""
    labels = pod["metadata"].get("labels") or {}
    return [
        service
        for service in services.list(pod["metadata"]["namespace"])
        if has_selector(service) and service["spec"]["selector"].items() <= labels.items()
    ]
