"""Rows of the core group, but for pods and storage."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.rows.cells import (
    NONE,
    UNKNOWN,
    WORKLOAD_COLUMNS,
    Table,
    container_cells,
    labels_text,
    name_of,
    part,
    shortened,
    wide,
)
from apiserver.kinds.strategy import AGE, NAME, object_age
from apiserver.meta import Column, age

Object = dict[str, Any]

_NAMESPACE_COLUMNS = (NAME, Column("Status", description="The status of the namespace"), AGE)


def _namespace_row(namespace: Object, now: float) -> list[Any]:
    return [name_of(namespace), (namespace.get("status") or {}).get("phase", ""), object_age(namespace, now)]


_NODE_COLUMNS = (
    NAME,
    Column("Status", description="The status of the node"),
    Column("Roles", description="The roles of the node"),
    AGE,
    Column("Version", description="Kubelet Version reported by the node."),
    wide("Internal-IP"),
    wide("External-IP"),
    wide("OS-Image"),
    wide("Kernel-Version"),
    wide("Container-Runtime"),
)

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE_LABEL = "kubernetes.io/role"


def _node_row(node: Object, now: float) -> list[Any]:
    status = node.get("status") or {}
    info = status.get("nodeInfo") or {}
    ready = [c for c in status.get("conditions") or () if c.get("type") == "Ready"]
    words = [("Ready" if c.get("status") == "True" else "NotReady") for c in ready] or ["Unknown"]
    if (node.get("spec") or {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    labels = node["metadata"].get("labels") or {}
    roles = {key[len(_ROLE_PREFIX) :] for key in labels if key.startswith(_ROLE_PREFIX) and key != _ROLE_PREFIX}
    roles |= {labels[_ROLE_LABEL]} if labels.get(_ROLE_LABEL) else set()
    return [
        name_of(node),
        ",".join(words),
        ",".join(sorted(roles)) or NONE,
        object_age(node, now),
        info.get("kubeletVersion", ""),
        _address(status, "InternalIP"),
        _address(status, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


def _address(status: Object, kind: str) -> str:
    return next((str(a.get("address")) for a in status.get("addresses") or () if a.get("type") == kind), NONE)


_SERVICE_COLUMNS = (
    NAME,
    Column("Type"),
    Column("Cluster-IP"),
    Column("External-IP"),
    Column("Port(s)"),
    AGE,
    wide("Selector"),
)


def _service_row(service: Object, now: float) -> list[Any]:
    spec = service.get("spec") or {}
    return [
        name_of(service),
        spec.get("type", ""),
        (spec.get("clusterIPs") or [spec.get("clusterIP")])[0] or NONE,
        _external_ip(service, spec),
        ",".join(_service_port(port) for port in spec.get("ports") or ()) or NONE,
        object_age(service, now),
        labels_text(spec.get("selector")),
    ]


def _service_port(port: Object) -> str:
    node_port = port.get("nodePort")
    number = f"{port.get('port')}:{node_port}" if node_port else f"{port.get('port')}"
    return f"{number}/{port.get('protocol', 'TCP')}"


def _external_ip(service: Object, spec: Object) -> str:
    kind, given = spec.get("type"), spec.get("externalIPs") or []
    if kind == "ExternalName":
        return str(spec.get("externalName", ""))
    if kind == "LoadBalancer":
        return ",".join(load_balancer_addresses(part(service, "status")) + given) or "<pending>"
    return ",".join(given) or NONE


def load_balancer_addresses(status: Object) -> list[str]:
    ingress = part(status, "loadBalancer").get("ingress") or ()
    return sorted({entry.get("ip") or entry.get("hostname") or "" for entry in ingress} - {""})


_ENDPOINTS_COLUMNS = (NAME, Column("Endpoints"), AGE)


def _endpoints_row(endpoints: Object, now: float) -> list[Any]:
    found: list[str] = []
    for subset in endpoints.get("subsets") or ():
        addresses = [_host(address.get("ip", "")) for address in subset.get("addresses") or ()]
        ports = subset.get("ports")
        if ports:
            found += [f"{address}:{port.get('port')}" for port in ports for address in addresses]
        else:
            found += [address.strip("[]") for address in addresses]
    return [name_of(endpoints), shortened(found), object_age(endpoints, now)]


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


_DATA_TEXT = (
    "Data contains the configuration data. Each key must consist of alphanumeric characters, '-', '_' or '.'. Values "
    "with non-UTF-8 byte sequences must use the BinaryData field. The keys stored in Data must not overlap with the "
    "keys in the BinaryData field, this is enforced during validation process."
)
_CONFIG_MAP_COLUMNS = (NAME, Column("Data", description=_DATA_TEXT), AGE)
_SECRET_COLUMNS = (NAME, Column("Type"), Column("Data"), AGE)


_QUOTA_COLUMNS = (
    NAME,
    Column("Request", description="Request represents a minimum amount of cpu/memory that a container may consume."),
    Column(
        "Limit",
        description="Limits control the maximum amount of cpu/memory that a container may use independent of contention "
        "on the node.",
    ),
    AGE,
)


def _quota_row(quota: Object, now: float) -> list[Any]:
    status = part(quota, "status")
    used = status.get("used") or {}
    requests: list[str] = []
    limits: list[str] = []
    for name, hard in sorted((status.get("hard") or {}).items()):
        column = limits if name.startswith("limits.") else requests
        column.append(f"{name}: {used.get(name, '0')}/{hard}")
    return [name_of(quota), ", ".join(requests), ", ".join(limits), object_age(quota, now)]


_COMPONENT_COLUMNS = (
    NAME,
    Column("Status", description="Status of the component conditions"),
    Column("Message", description="Message of the component conditions"),
    Column("Error", description="Error of the component conditions"),
)


def _component_row(component: Object, now: float) -> list[Any]:
    for condition in component.get("conditions") or ():
        if condition.get("type") == "Healthy":
            word = "Healthy" if condition.get("status") == "True" else "Unhealthy"
            return [name_of(component), word, condition.get("message", ""), condition.get("error", "")]
    return [name_of(component), "Unknown", "", ""]


_POD_TEMPLATE_COLUMNS = (
    NAME,
    Column("Containers", description="Names of each container in the template."),
    Column("Images", description="Images referenced by each container in the template."),
    Column("Pod Labels", description="The labels for the pod template."),
)


def _pod_template_row(obj: Object, now: float) -> list[Any]:
    template = part(obj, "template")
    return [name_of(obj), *container_cells(template), labels_text(part(template, "metadata").get("labels"))]


_CONTROLLER_COLUMNS = (
    NAME,
    Column("Desired", "integer"),
    Column("Current", "integer"),
    Column("Ready", "integer"),
    AGE,
    *WORKLOAD_COLUMNS,
)


def _controller_row(controller: Object, now: float) -> list[Any]:
    spec, status = part(controller, "spec"), part(controller, "status")
    return [
        name_of(controller),
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        object_age(controller, now),
        *container_cells(part(spec, "template")),
        labels_text(spec.get("selector")),
    ]


def _config_map_row(config_map: Object, now: float) -> list[Any]:
    count = len(config_map.get("data") or ()) + len(config_map.get("binaryData") or ())
    return [name_of(config_map), count, object_age(config_map, now)]


def _secret_row(secret: Object, now: float) -> list[Any]:
    return [name_of(secret), secret.get("type", ""), len(secret.get("data") or ()), object_age(secret, now)]


_EVENT_COLUMNS = (
    Column("Last Seen"),
    Column("Type"),
    Column("Reason"),
    Column("Object"),
    wide("Subobject"),
    wide("Source"),
    Column("Message"),
    wide("First Seen"),
    wide("Count"),
    NAME._replace(priority=1),
)


def _event_row(event: Object, now: float) -> list[Any]:
    about, source, series = event.get("involvedObject") or {}, event.get("source") or {}, event.get("series")
    first = event.get("firstTimestamp") or event.get("eventTime")
    last = event.get("lastTimestamp") or first
    count = event.get("count") or 1
    if series:
        last, count = series.get("lastObservedTime"), series.get("count", 0)
    component = source.get("component") or event.get("reportingComponent") or ""
    instance = source.get("host") or event.get("reportingInstance")
    kind = about.get("kind", "").lower()
    return [
        age(last, now),
        event.get("type", ""),
        event.get("reason", ""),
        f"{kind}/{about['name']}" if about.get("name") else kind,
        about.get("fieldPath", ""),
        f"{component}, {instance}" if instance else component,
        event.get("message", "").strip(),
        age(first, now),
        count,
        name_of(event),
    ]


NAMESPACE = Table(_NAMESPACE_COLUMNS, _namespace_row)
NODE = Table(_NODE_COLUMNS, _node_row)
SERVICE = Table(_SERVICE_COLUMNS, _service_row)
ENDPOINTS = Table(_ENDPOINTS_COLUMNS, _endpoints_row)
CONFIG_MAP = Table(_CONFIG_MAP_COLUMNS, _config_map_row)
SECRET = Table(_SECRET_COLUMNS, _secret_row)
EVENT = Table(_EVENT_COLUMNS, _event_row)
RESOURCE_QUOTA = Table(_QUOTA_COLUMNS, _quota_row)
COMPONENT_STATUS = Table(_COMPONENT_COLUMNS, _component_row)
POD_TEMPLATE = Table(_POD_TEMPLATE_COLUMNS, _pod_template_row)
REPLICATION_CONTROLLER = Table(_CONTROLLER_COLUMNS, _controller_row)
