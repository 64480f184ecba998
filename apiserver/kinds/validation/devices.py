"""resource.k8s.io: devices that nodes have, and that pods claim. The essential rules."""

from __future__ import annotations

from apiserver.errors import Cause
from apiserver.kinds.metadata import update_validator, validator
from apiserver.kinds.validation.values import Object, choice, dns_label, needs, too_many, unchanged
from apiserver.meta import check_dns1123_label, check_dns1123_subdomain, duplicate, invalid, required

_MAX_REQUESTS = 32
_MAX_DEVICES = 128


def _requests(devices: Object, path: str) -> list[Cause]:
    requests = devices.get("requests") or []
    causes: list[Cause] = []
    if len(requests) > _MAX_REQUESTS:
        causes.append(too_many(f"{path}.requests", len(requests), _MAX_REQUESTS))
    names: list[str] = []
    for index, request in enumerate(requests):
        where, name = f"{path}.requests[{index}]", request.get("name", "")
        causes += needs(f"{where}.name", name, check_dns1123_label)
        if name in names:
            causes.append(duplicate(f"{where}.name", name))
        names.append(name)
        exactly, first = request.get("exactly"), request.get("firstAvailable")
        if exactly is not None and first:
            why = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set"
            causes.append(invalid(where, None, why))
        elif exactly is None and not first:
            causes.append(required(where, "exactly one of `exactly` or `firstAvailable` is required"))
        elif exactly is not None:
            causes += _exact(exactly, f"{where}.exactly")
    for index, constraint in enumerate(devices.get("constraints") or ()):
        for place, name in enumerate(constraint.get("requests") or ()):
            if name.partition("/")[0] not in names:
                why = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
                causes.append(invalid(f"{path}.constraints[{index}].requests[{place}]", name, why))
    return causes


def _exact(request: Object, path: str) -> list[Cause]:
    causes = needs(f"{path}.deviceClassName", request.get("deviceClassName", ""), check_dns1123_subdomain)
    mode, count = request.get("allocationMode"), request.get("count", 0)
    if mode == "ExactCount" and count <= 0:
        causes.append(invalid(f"{path}.count", count, "must be greater than zero"))
    elif mode == "All" and count:
        causes.append(invalid(f"{path}.count", count, "must not be specified when allocationMode is 'All'"))
    elif mode not in ("ExactCount", "All"):
        causes += choice(f"{path}.allocationMode", mode, ("All", "ExactCount"))
    return causes


def _claim(claim: Object) -> list[Cause]:
    return _requests((claim.get("spec") or {}).get("devices") or {}, "spec.devices")


def _claim_template(template: Object) -> list[Cause]:
    inner = (template.get("spec") or {}).get("spec") or {}
    return _requests(inner.get("devices") or {}, "spec.spec.devices")


def _device_class(device_class: Object) -> list[Cause]:
    selectors = (device_class.get("spec") or {}).get("selectors") or ()
    return [
        required(f"spec.selectors[{index}].cel")
        for index, selector in enumerate(selectors)
        if selector.get("cel") is None
    ]


def _slice(resource_slice: Object) -> list[Cause]:
    spec = resource_slice.get("spec") or {}
    pool, devices = spec.get("pool") or {}, spec.get("devices") or []
    causes = needs("spec.driver", spec.get("driver", ""), check_dns1123_subdomain)
    if not pool.get("name"):
        causes.append(required("spec.pool.name"))
    if pool.get("resourceSliceCount", 0) <= 0:
        causes.append(
            invalid("spec.pool.resourceSliceCount", pool.get("resourceSliceCount", 0), "must be greater than zero")
        )
    if pool.get("generation", 0) < 0:
        causes.append(invalid("spec.pool.generation", pool["generation"], "must be greater than or equal to zero"))
    placed = [field for field in ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection") if spec.get(field)]
    if not placed:
        why = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
        causes.append(required("spec", why))
    elif len(placed) > 1:
        why = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set"  # noqa: E501
        causes.append(invalid("spec", f"{{{', '.join(placed)}}}", why))
    if len(devices) > _MAX_DEVICES:
        causes.append(too_many("spec.devices", len(devices), _MAX_DEVICES))
    names: list[str] = []
    for index, device in enumerate(devices):
        where, name = f"spec.devices[{index}].name", device.get("name", "")
        causes += dns_label(where, name) if name else [required(where)]
        if name in names:
            causes.append(duplicate(where, name))
        names.append(name)
    return causes


def _slice_kept(new: Object, old: Object) -> list[Cause]:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    causes = unchanged("spec.nodeName", spec.get("nodeName"), before.get("nodeName"))
    causes += unchanged("spec.driver", spec.get("driver"), before.get("driver"))
    return causes + unchanged(
        "spec.pool.name", (spec.get("pool") or {}).get("name"), (before.get("pool") or {}).get("name")
    )


def _spec_kept(new: Object, old: Object) -> list[Cause]:
    return unchanged("spec", new.get("spec"), old.get("spec"))


_GROUP = "resource.k8s.io/v1"

RULES = {
    f"{_GROUP} resourceclaims": (validator(_claim), update_validator(_spec_kept)),
    f"{_GROUP} resourceclaimtemplates": (validator(_claim_template), update_validator(_spec_kept)),
    f"{_GROUP} deviceclasses": (validator(_device_class, namespaced=False), update_validator()),
    f"{_GROUP} resourceslices": (validator(_slice, namespaced=False), update_validator(_slice_kept)),
}
