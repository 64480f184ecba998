"""Endpoints, endpoint slices, leases and events: what components of the cluster tell each other through the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiserver.kinds.resource import read_text
from apiserver.kinds.strategy import set_missing, spec_changed

Object = dict[str, Any]

# Endpoints ----------------------------------------------------------------------------------------------------------


def default_endpoints(endpoints: Object) -> None:
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or ():
            set_missing(port, "protocol", "TCP")


# Endpoint slices ----------------------------------------------------------------------------------------------------


def default_slice(endpoint_slice: Object) -> None:
    for port in endpoint_slice.get("ports") or ():
        port.setdefault("name", "")
        set_missing(port, "protocol", "TCP")
    for endpoint in endpoint_slice.setdefault("endpoints", None) or ():
        endpoint.setdefault("conditions", {})


def slice_generation_changed(endpoint_slice: Object, old: Object) -> bool:
    """Labels count: they say which service the slice is of."""
    return spec_changed(endpoint_slice, old) or endpoint_slice["metadata"].get("labels") != old["metadata"].get(
        "labels"
    )


# Leases -------------------------------------------------------------------------------------------------------------


def default_lease(lease: Object) -> None:
    lease.setdefault("spec", {})


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
