"""Keeps an APIService object for each group version that this server answers for, as kube-apiserver does.

    kubectl get apiservices        v1.apps   Local   True

They only tell: requests are routed by the catalog. What users write of other servers (aggregation) is kept and does nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from apiserver.errors import StatusError
from apiserver.kinds import Catalog, Resource
from apiserver.meta import format_time, join_api_version
from apiserver.registry import DeleteOptions, Registry

Object = dict[str, Any]

GROUP = "apiregistration.k8s.io"
MANAGED = "kube-aggregator.kubernetes.io/automanaged"
ON_START, ALWAYS = "onstart", "true"

# The order in which clients prefer groups: kubectl takes the first that knows a short name.
_PRIORITIES = {
    "": 18000,
    "apps": 17800,
    "events.k8s.io": 17750,
    "authentication.k8s.io": 17700,
    "authorization.k8s.io": 17600,
    "autoscaling": 17500,
    "batch": 17400,
    "certificates.k8s.io": 17300,
    "networking.k8s.io": 17200,
    "policy": 17100,
    "rbac.authorization.k8s.io": 17000,
    "storage.k8s.io": 16800,
    "apiextensions.k8s.io": 16700,
    "admissionregistration.k8s.io": 16700,
    "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500,
    "node.k8s.io": 16300,
    "discovery.k8s.io": 16200,
    "flowcontrol.apiserver.k8s.io": 16100,
    "resource.k8s.io": 15900,
}
_CUSTOM_PRIORITY, _CUSTOM_VERSION_PRIORITY = 1000, 100
_VERSION_PRIORITIES = {("", "v1"): 1, ("autoscaling", "v2"): 30, ("flowcontrol.apiserver.k8s.io", "v1"): 21}
_VERSION_PRIORITY = 15

_AVAILABLE = {
    "type": "Available",
    "status": "True",
    "reason": "Local",
    "message": "Local APIServices are always available",
}


async def keep_api_services(registry: Registry, catalog: Catalog) -> None:
    """Makes what is missing and drops what custom resources left behind."""
    resource = registry.catalog.find(GROUP, "v1", "apiservices")
    if resource is None:
        return
    wanted = {each["metadata"]["name"]: each for each in _wanted(catalog, format_time(registry.clock.now_s()))}
    known = {each.obj["metadata"]["name"]: each.obj for each in (await registry.list(resource)).items}
    # The same resource for somebody who may write a status from the beginning.
    ours = replace(resource, hub=resource, own_rules=True, prepare_create=as_it_is)
    missing = [service for name, service in wanted.items() if name not in known]
    await asyncio.gather(*(_create(registry, ours, service) for service in missing))
    for name, service in known.items():
        if name not in wanted and (service["metadata"].get("labels") or {}).get(MANAGED) == ALWAYS:
            await _delete(registry, resource, name)


def _wanted(catalog: Catalog, now: str) -> list[Object]:
    services = []
    for group, versions in catalog.groups():
        if group == GROUP:
            continue
        for version in versions:
            is_custom = group not in _PRIORITIES
            metadata = {"name": f"{version}.{group}", "labels": {MANAGED: ALWAYS if is_custom else ON_START}}
            spec = {
                "group": group,
                "version": version,
                "groupPriorityMinimum": _PRIORITIES.get(group, _CUSTOM_PRIORITY),
                "versionPriority": _CUSTOM_VERSION_PRIORITY
                if is_custom
                else _VERSION_PRIORITIES.get((group, version), _VERSION_PRIORITY),
            }
            services.append({
                "apiVersion": join_api_version(GROUP, "v1"), "kind": "APIService", "metadata": metadata,
                "spec": {key: value for key, value in spec.items() if value != ""},
                "status": {"conditions": [{"lastTransitionTime": now, **_AVAILABLE}]},
            })  # fmt: skip
    return services


async def _create(registry: Registry, resource: Resource, service: Object) -> None:
    try:
        await registry.create(resource, "", service)
    except StatusError as error:
        if error.reason != "AlreadyExists":  # another server was quicker
            raise


async def _delete(registry: Registry, resource: Resource, name: str) -> None:
    try:
        await registry.delete(resource, "", name, DeleteOptions())
    except StatusError as error:
        if error.reason != "NotFound":
            raise


def as_it_is(obj: Object) -> None:
    """prepare_create: nothing is taken away."""
