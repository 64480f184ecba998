"""The resources of a pod as a whole: what its containers ask for together, and what pod-level fields default to.

A pod may say in spec.resources what all its containers share. What it leaves out there follows from its containers:

    limits, no requests    requests are what the containers request together, else the limits
    requests, no limits    limits are what the containers are limited to together, where every one of them has a limit

Containers run side by side, init containers one after the other before them, except sidecars (restartPolicy Always), which
stay: so the need is the larger of (containers + sidecars) and the highest moment of the start.
Source: Kubernetes pkg/apis/core/v1/defaults.go, component-helpers/resource.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from apiserver.meta import format_quantity, parse_quantity

Object = dict[str, Any]
Amounts = dict[str, Decimal]

_SHARED = ("cpu", "memory")
_HUGE_PAGES = "hugepages-"


def _is_supported(name: str) -> bool:
    """Whether a pod as a whole may ask for the resource."""
    return name in _SHARED or name.startswith(_HUGE_PAGES)


def default_pod_resources(spec: Object) -> None:
    resources = spec.get("resources")
    if not resources:
        return
    _default_huge_pages(spec, resources)
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    if limits:
        for name, amount in _aggregate(spec, "requests").items():
            if name in _SHARED:
                requests.setdefault(name, _written(name, amount))
        for name, limit in limits.items():
            if _is_supported(name):
                requests.setdefault(name, limit)
        if requests:
            resources["requests"] = requests
    if requests:
        everywhere = [name for name in _SHARED if all(name in _of(c, "limits") for c in _all_containers(spec))]
        for name, amount in _aggregate(spec, "limits").items():
            if name in everywhere:
                limits.setdefault(name, _written(name, amount))
        if limits:
            resources["limits"] = limits


def _default_huge_pages(spec: Object, resources: Object) -> None:
    """Huge pages are never overcommitted: a pod's limit of them is what its containers are limited to."""
    if not resources.get("requests") and not resources.get("limits"):
        return
    for name, amount in _aggregate(spec, "limits").items():
        if name.startswith(_HUGE_PAGES) and name not in (resources.get("requests") or {}):
            resources.setdefault("limits", {}).setdefault(name, _written(name, amount))


def _written(name: str, amount: Decimal) -> str:
    return format_quantity(amount, "DecimalSI" if name == "cpu" else "BinarySI")


def _of(container: Object, field: str) -> Object:
    return (container.get("resources") or {}).get(field) or {}


def _all_containers(spec: Object) -> list[Object]:
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def _sum(containers: Iterable[Object], field: str) -> Amounts:
    total: Amounts = {}
    for container in containers:
        _add(total, container, field)
    return total


def _add(total: Amounts, container: Object, field: str) -> None:
    for name, text in _of(container, field).items():
        total[name] = total.get(name, Decimal(0)) + parse_quantity(text)


def _aggregate(spec: Object, field: str) -> Amounts:
    """What the containers ask for ("requests") or are limited to ("limits") together."""
    total = _sum(spec.get("containers") or (), field)
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        moment = dict(sidecars)
        _add(moment, container, field)
        if container.get("restartPolicy") == "Always":
            _add(sidecars, container, field)
        for name, amount in moment.items():
            peak[name] = max(peak.get(name, Decimal(0)), amount)
    for name, amount in sidecars.items():
        total[name] = total.get(name, Decimal(0)) + amount
    return {name: max(total.get(name, Decimal(0)), peak.get(name, Decimal(0))) for name in (*total, *peak)}
