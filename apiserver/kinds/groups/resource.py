"""resource.k8s.io/v1: devices that nodes have, and that pods claim."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.declaring import declare
from apiserver.kinds.resource import read_text
from apiserver.kinds.rows import storage as rows
from apiserver.kinds.rows.cells import ONLY_AGE
from apiserver.kinds.strategy import default_spec, empty_status, replace_only_status, set_missing

Object = dict[str, Any]

_GROUP = "resource.k8s.io/v1"


def default_claim_spec(spec: Object) -> None:
    for request in spec.setdefault("devices", {}).get("requests") or ():
        if request.get("exactly") is not None:
            _default_request(request["exactly"])
        for choice in request.get("firstAvailable") or ():
            _default_request(choice)


def _default_request(request: Object) -> None:
    set_missing(request, "allocationMode", "ExactCount")
    if request["allocationMode"] == "ExactCount":
        set_missing(request, "count", 1)
    for toleration in request.get("tolerations") or ():
        set_missing(toleration, "operator", "Equal")


def default_claim(claim: Object) -> None:
    default_claim_spec(claim.setdefault("spec", {}))


def default_claim_template(template: Object) -> None:
    spec = template.setdefault("spec", {})
    spec.setdefault("metadata", {})
    default_claim_spec(spec.setdefault("spec", {}))


def prepare_claim_status(claim: Object, old: Object) -> None:
    """What is said of a device goes with its allocation."""
    replace_only_status(claim, old)
    status = claim.get("status") or {}
    released = _allocated(old) - _allocated(claim)
    devices = status.get("devices")
    if devices and released:
        kept = [device for device in devices if _device(device) not in released]
        status.pop("devices")
        if kept:
            status["devices"] = kept


def _allocated(claim: Object) -> set[tuple[str, str, str]]:
    allocation = (claim.get("status") or {}).get("allocation") or {}
    return {_device(result) for result in (allocation.get("devices") or {}).get("results") or ()}


def _device(said: Object) -> tuple[str, str, str]:
    return said.get("driver", ""), said.get("pool", ""), said.get("device", "")


def stamp_slice(resource_slice: Object, old: Object | None, now: str) -> None:
    """A taint says since when it is there."""
    for device in (resource_slice.get("spec") or {}).get("devices") or ():
        for taint in device.get("taints") or ():
            taint.setdefault("timeAdded", now)


DEVICE_CLASSES = declare(f"{_GROUP} deviceclasses", table=ONLY_AGE, tracks_generation=True, defaults=default_spec)

RESOURCE_CLAIMS = declare(
    f"{_GROUP} resourceclaims",
    table=rows.RESOURCE_CLAIM,
    defaults=default_claim,
    prepare_create=empty_status,
    prepare_status_update=prepare_claim_status,
)

RESOURCE_CLAIM_TEMPLATES = declare(f"{_GROUP} resourceclaimtemplates", table=ONLY_AGE, defaults=default_claim_template)

RESOURCE_SLICES = declare(
    f"{_GROUP} resourceslices",
    stamp=stamp_slice,
    table=rows.RESOURCE_SLICE,
    tracks_generation=True,
    field_labels={"spec.nodeName": read_text("spec", "nodeName"), "spec.driver": read_text("spec", "driver")},
)

RESOURCES = (DEVICE_CLASSES, RESOURCE_CLAIMS, RESOURCE_CLAIM_TEMPLATES, RESOURCE_SLICES)
