"""Rows of `kubectl get` for every kind but pods: the columns, and how a row is made of an object.

Columns and cells follow Kubernetes' pkg/printers; a server without them leaves kubectl with NAME and AGE.
"""

from __future__ import annotations

from typing import Any

from apiserver.errors import StatusError
from apiserver.kinds.pod_row import NONE
from apiserver.kinds.strategy import AGE, NAME, object_age
from apiserver.meta import Column, age, label_selector_of

Object = dict[str, Any]

UNKNOWN = "<unknown>"
_SHOWN_ENDPOINTS = 3


def _name(obj: Object) -> str:
    return str(obj["metadata"].get("name", ""))


def _labels(labels: Object | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


# Core ---------------------------------------------------------------------------------------------------------------

NAMESPACE_COLUMNS = (NAME, Column("Status", description="The status of the namespace"), AGE)


def namespace_row(namespace: Object, now: float) -> list[Any]:
    return [_name(namespace), (namespace.get("status") or {}).get("phase", ""), object_age(namespace, now)]


NODE_COLUMNS = (
    NAME,
    Column("Status", description="The status of the node"),
    Column("Roles", description="The roles of the node"),
    AGE,
    Column("Version", description="Kubelet Version reported by the node."),
    Column("Internal-IP", priority=1),
    Column("External-IP", priority=1),
    Column("OS-Image", priority=1),
    Column("Kernel-Version", priority=1),
    Column("Container-Runtime", priority=1),
)

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE_LABEL = "kubernetes.io/role"


def node_row(node: Object, now: float) -> list[Any]:
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
        _name(node),
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


SERVICE_COLUMNS = (
    NAME,
    Column("Type"),
    Column("Cluster-IP"),
    Column("External-IP"),
    Column("Port(s)"),
    AGE,
    Column("Selector", priority=1),
)


def service_row(service: Object, now: float) -> list[Any]:
    spec = service.get("spec") or {}
    return [
        _name(service),
        spec.get("type", ""),
        (spec.get("clusterIPs") or [spec.get("clusterIP")])[0] or NONE,
        _external_ip(service, spec),
        ",".join(_service_port(port) for port in spec.get("ports") or ()) or NONE,
        object_age(service, now),
        _labels(spec.get("selector")),
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
        ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
        addresses = [entry.get("ip") or entry.get("hostname", "") for entry in ingress] + given
        return ",".join(addresses) or "<pending>"
    return ",".join(given) or NONE


ENDPOINTS_COLUMNS = (NAME, Column("Endpoints"), AGE)


def endpoints_row(endpoints: Object, now: float) -> list[Any]:
    found = []
    for subset in endpoints.get("subsets") or ():
        for address in subset.get("addresses") or ():
            ports = subset.get("ports") or ()
            found += [f"{address.get('ip')}:{port.get('port')}" for port in ports] or [str(address.get("ip"))]
    return [_name(endpoints), _shortened(found), object_age(endpoints, now)]


def _shortened(texts: list[str]) -> str:
    shown = ",".join(texts[:_SHOWN_ENDPOINTS]) or NONE
    return f"{shown} + {len(texts) - _SHOWN_ENDPOINTS} more..." if len(texts) > _SHOWN_ENDPOINTS else shown


_DATA_TEXT = (
    "Data contains the configuration data. Each key must consist of alphanumeric characters, '-', '_' or '.'. Values "
    "with non-UTF-8 byte sequences must use the BinaryData field. The keys stored in Data must not overlap with the "
    "keys in the BinaryData field, this is enforced during validation process."
)
CONFIG_MAP_COLUMNS = (NAME, Column("Data", description=_DATA_TEXT), AGE)
SECRET_COLUMNS = (NAME, Column("Type"), Column("Data"), AGE)
SERVICE_ACCOUNT_COLUMNS = (NAME, AGE)


def config_map_row(config_map: Object, now: float) -> list[Any]:
    count = len(config_map.get("data") or ()) + len(config_map.get("binaryData") or ())
    return [_name(config_map), count, object_age(config_map, now)]


def secret_row(secret: Object, now: float) -> list[Any]:
    return [_name(secret), secret.get("type", ""), len(secret.get("data") or ()), object_age(secret, now)]


def service_account_row(account: Object, now: float) -> list[Any]:
    return [_name(account), object_age(account, now)]


EVENT_COLUMNS = (
    Column("Last Seen"),
    Column("Type"),
    Column("Reason"),
    Column("Object"),
    Column("Subobject", priority=1),
    Column("Source", priority=1),
    Column("Message"),
    Column("First Seen", priority=1),
    Column("Count", priority=1),
    NAME._replace(priority=1),
)


def event_row(event: Object, now: float) -> list[Any]:
    about, source, series = event.get("involvedObject") or {}, event.get("source") or {}, event.get("series")
    first = event.get("firstTimestamp") or event.get("eventTime")
    last = event.get("lastTimestamp") or first
    count = event.get("count") or 1
    if series:
        last, count = series.get("lastObservedTime"), series.get("count", 0)
    said = [source.get("component"), source.get("host")]
    if not any(said):
        said = [event.get("reportingComponent"), event.get("reportingInstance")]
    kind = about.get("kind", "").lower()
    return [
        age(last, now),
        event.get("type", ""),
        event.get("reason", ""),
        f"{kind}/{about['name']}" if about.get("name") else kind,
        about.get("fieldPath", ""),
        ", ".join(text for text in said if text),
        event.get("message", "").strip(),
        age(first, now),
        count,
        _name(event),
    ]


# Workloads ----------------------------------------------------------------------------------------------------------

_WIDE_COLUMNS = (Column("Containers", priority=1), Column("Images", priority=1), Column("Selector", priority=1))

DEPLOYMENT_COLUMNS = (NAME, Column("Ready"), Column("Up-to-date"), Column("Available"), AGE, *_WIDE_COLUMNS)
REPLICA_SET_COLUMNS = (
    NAME,
    Column("Desired", "integer"),
    Column("Current", "integer"),
    Column("Ready", "integer"),
    AGE,
    *_WIDE_COLUMNS,
)
CONTROLLER_REVISION_COLUMNS = (NAME, Column("Controller"), Column("Revision"), AGE)


def deployment_row(deployment: Object, now: float) -> list[Any]:
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    return [
        _name(deployment),
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        object_age(deployment, now),
        *_wide(spec),
    ]


def replica_set_row(replica_set: Object, now: float) -> list[Any]:
    spec, status = replica_set.get("spec") or {}, replica_set.get("status") or {}
    return [
        _name(replica_set),
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        object_age(replica_set, now),
        *_wide(spec),
    ]


def _wide(spec: Object) -> list[str]:
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or ()
    try:
        selector = str(label_selector_of(spec.get("selector"))) or NONE
    except StatusError:
        selector = "<error>"
    return [
        ",".join(container.get("name", "") for container in containers),
        ",".join(container.get("image", "") for container in containers),
        selector,
    ]


def controller_revision_row(revision: Object, now: float) -> list[Any]:
    owners = revision["metadata"].get("ownerReferences") or ()
    owner = next((owner for owner in owners if owner.get("controller")), None)
    controller = NONE
    if owner:
        group = owner.get("apiVersion", "").rpartition("/")[0]
        kind = owner.get("kind", "").lower()
        controller = f"{kind}.{group}/{owner.get('name')}" if group else f"{kind}/{owner.get('name')}"
    return [_name(revision), controller, revision.get("revision", 0), object_age(revision, now)]


# Other groups -------------------------------------------------------------------------------------------------------

LEASE_COLUMNS = (NAME, Column("Holder"), AGE)
PRIORITY_CLASS_COLUMNS = (
    NAME,
    Column("Value", "integer"),
    Column("Global-Default", "boolean"),
    AGE,
    Column("PreemptionPolicy"),
)
ENDPOINT_SLICE_COLUMNS = (NAME, Column("AddressType"), Column("Ports"), Column("Endpoints"), AGE)


def lease_row(lease: Object, now: float) -> list[Any]:
    return [_name(lease), (lease.get("spec") or {}).get("holderIdentity", ""), object_age(lease, now)]


def priority_class_row(priority_class: Object, now: float) -> list[Any]:
    return [
        _name(priority_class),
        priority_class.get("value", 0),
        priority_class.get("globalDefault", False),
        object_age(priority_class, now),
        priority_class.get("preemptionPolicy", ""),
    ]


def endpoint_slice_row(endpoint_slice: Object, now: float) -> list[Any]:
    ports = endpoint_slice.get("ports") or ()
    numbers = [str(port["port"]) if port.get("port") is not None else "*" for port in ports]
    addresses = [
        address for endpoint in endpoint_slice.get("endpoints") or () for address in endpoint.get("addresses") or ()
    ]
    shown_ports = ",".join(numbers[:_SHOWN_ENDPOINTS]) or "<unset>"
    if len(numbers) > _SHOWN_ENDPOINTS:
        shown_ports = f"{shown_ports} + {len(numbers) - _SHOWN_ENDPOINTS} more..."
    shown = ",".join(addresses[:_SHOWN_ENDPOINTS]) or "<unset>"
    if len(addresses) > _SHOWN_ENDPOINTS:
        shown = f"{shown} + {len(addresses) - _SHOWN_ENDPOINTS} more..."
    return [
        _name(endpoint_slice),
        endpoint_slice.get("addressType", ""),
        shown_ports,
        shown,
        object_age(endpoint_slice, now),
    ]
