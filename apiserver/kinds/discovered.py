"""Endpoints, endpoint slices, leases and events: what components of the cluster tell each other through the API."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from apiserver.errors import Cause
from apiserver.kinds.metadata import update_validator, validator
from apiserver.kinds.pod_validation import NOT_NEGATIVE, PORT_RANGE, PROTOCOLS
from apiserver.kinds.resource import read_text
from apiserver.kinds.strategy import spec_changed
from apiserver.kinds.volume_defaults import set_missing
from apiserver.meta import at, child, immutable, invalid, not_supported, required

Object = dict[str, Any]

# Endpoints ----------------------------------------------------------------------------------------------------------


def default_endpoints(endpoints: Object) -> None:
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or ():
            set_missing(port, "protocol", "TCP")


def _validate_endpoints(endpoints: Object) -> list[Cause]:
    causes: list[Cause] = []
    for index, subset in enumerate(endpoints.get("subsets") or ()):
        where = at("subsets", index)
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            causes.append(required(where, "must specify `addresses` or `notReadyAddresses`"))
        for field in ("addresses", "notReadyAddresses"):
            for place, address in enumerate(subset.get(field) or ()):
                causes += _validate_ip(address.get("ip", ""), child(at(child(where, field), place), "ip"))
        causes += _validate_ports(subset.get("ports") or [], child(where, "ports"))
    return causes


def _validate_ip(text: str, path: str) -> list[Cause]:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        return [invalid(path, text, why)]
    return []


def _validate_ports(ports: list[Object], path: str, *, needs_number: bool = True) -> list[Cause]:
    causes: list[Cause] = []
    for index, port in enumerate(ports):
        where, number = at(path, index), port.get("port")
        if len(ports) > 1 and not port.get("name"):
            causes.append(required(child(where, "name")))
        if (number is not None or needs_number) and not 1 <= (number or 0) <= 65535:
            causes.append(invalid(child(where, "port"), number or 0, PORT_RANGE))
        if port.get("protocol") not in PROTOCOLS:
            causes.append(not_supported(child(where, "protocol"), port.get("protocol", ""), PROTOCOLS))
    return causes


validate_endpoints = validator(_validate_endpoints)

# Endpoint slices ----------------------------------------------------------------------------------------------------

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_MAX_ENDPOINTS = 1000
_MAX_ADDRESSES = 100


def default_slice(endpoint_slice: Object) -> None:
    for port in endpoint_slice.get("ports") or ():
        port.setdefault("name", "")
        set_missing(port, "protocol", "TCP")
    for endpoint in endpoint_slice.setdefault("endpoints", []):  # required: readers count on the list
        endpoint.setdefault("conditions", {})


def slice_generation_changed(endpoint_slice: Object, old: Object) -> bool:
    """Labels count: they say which service the slice is of."""
    return spec_changed(endpoint_slice, old) or endpoint_slice["metadata"].get("labels") != old["metadata"].get(
        "labels"
    )


def _validate_slice(endpoint_slice: Object) -> list[Cause]:
    kind, endpoints = endpoint_slice.get("addressType", ""), endpoint_slice.get("endpoints") or []
    causes: list[Cause] = []
    if not kind:
        causes.append(required("addressType"))
    elif kind not in ADDRESS_TYPES:
        causes.append(not_supported("addressType", kind, ADDRESS_TYPES))
    if len(endpoints) > _MAX_ENDPOINTS:
        text = f"Too many: {len(endpoints)}: must have at most {_MAX_ENDPOINTS} items"
        causes.append(Cause("FieldValueTooMany", text, "endpoints"))
    for index, endpoint in enumerate(endpoints):
        where, addresses = child(at("endpoints", index), "addresses"), endpoint.get("addresses") or []
        if not addresses:
            causes.append(required(where, "must contain at least 1 address"))
        elif len(addresses) > _MAX_ADDRESSES:
            text = f"Too many: {len(addresses)}: must have at most {_MAX_ADDRESSES} items"
            causes.append(Cause("FieldValueTooMany", text, where))
        if kind in ("IPv4", "IPv6"):
            for place, address in enumerate(addresses):
                causes += _validate_ip(address, at(where, place))
    return causes + _validate_slice_ports(endpoint_slice.get("ports") or [])


def _validate_slice_ports(ports: list[Object]) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        where, name = at("ports", index), port.get("name", "")
        if name in names:
            causes.append(Cause("FieldValueDuplicate", f'Duplicate value: "{name}"', child(where, "name")))
        names.add(name)
        if port.get("protocol") not in PROTOCOLS:
            causes.append(not_supported(child(where, "protocol"), port.get("protocol", ""), PROTOCOLS))
    return causes


def _validate_slice_update(endpoint_slice: Object, old: Object) -> list[Cause]:
    kind = endpoint_slice.get("addressType")
    return [] if kind == old.get("addressType") else [immutable("addressType", kind)]


validate_slice = validator(_validate_slice)
validate_slice_update = update_validator(_validate_slice_update)

# Leases -------------------------------------------------------------------------------------------------------------


def _validate_lease(lease: Object) -> list[Cause]:
    spec = lease.get("spec") or {}
    causes: list[Cause] = []
    if spec.get("leaseDurationSeconds", 1) <= 0:
        causes.append(invalid("spec.leaseDurationSeconds", spec["leaseDurationSeconds"], "must be greater than 0"))
    if spec.get("leaseTransitions", 0) < 0:
        causes.append(invalid("spec.leaseTransitions", spec["leaseTransitions"], NOT_NEGATIVE))
    return causes


def default_lease(lease: Object) -> None:
    lease.setdefault("spec", {})


validate_lease = validator(_validate_lease)

# Events -------------------------------------------------------------------------------------------------------------

EVENT_LABELS: Mapping[str, Callable[[Object], str]] = {
    **{
        f"involvedObject.{field}": read_text("involvedObject", field)
        for field in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    },
    "reason": read_text("reason"),
    "reportingComponent": read_text("reportingComponent"),
    "source": lambda event: (event.get("source") or {}).get("component") or event.get("reportingComponent") or "",
    "type": read_text("type"),
}

# Fields that are written out even when nobody set them.
_EVENT_FIELDS = {
    "firstTimestamp": None,
    "lastTimestamp": None,
    "eventTime": None,
    "reportingComponent": "",
    "reportingInstance": "",
}


def default_event(event: Object) -> None:
    event.setdefault("involvedObject", {})
    event.setdefault("source", {})
    for field, value in _EVENT_FIELDS.items():
        event.setdefault(field, value)


def _validate_event(event: Object) -> list[Cause]:
    """An event lives in the namespace of what it is about; what has none is spoken of in "default"."""
    about, namespace = event["involvedObject"].get("namespace", ""), event["metadata"].get("namespace", "")
    if about == namespace or (not about and namespace == "default"):
        return []
    return [invalid("involvedObject.namespace", about, "does not match event.namespace")]


validate_event = validator(_validate_event)
