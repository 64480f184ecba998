"""What may stand in a status. Controllers and nodes write it, often, through a door of its own: the spec beside it is what is
stored already, and is not looked at again.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping

from apiserver.errors import Cause
from apiserver.kinds.validation.cluster import decisions, node_amounts
from apiserver.kinds.validation.resources import quota_resource_name, resource_amount
from apiserver.kinds.validation.values import Object, choice, dns_subdomain, ip, not_negative
from apiserver.meta import forbidden, invalid

StatusRules = Callable[[Object, Object], list[Cause]]

_NOT_MORE = "cannot be greater than status.replicas"


def _counts(*fields: str) -> StatusRules:
    """Numbers that are not negative, and no part of the replicas is more than all of them."""

    def rules(obj: Object, old: Object) -> list[Cause]:
        status, before = obj.get("status") or {}, old.get("status") or {}
        causes: list[Cause] = []
        for field in fields:
            causes += not_negative(f"status.{field}", status.get(field))
        total = status.get("replicas", 0)
        if "replicas" in fields:
            for field in fields:
                if field in _PARTS and status.get(field, 0) > total:
                    causes.append(invalid(f"status.{field}", status[field], _NOT_MORE))
            if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
                why = "cannot be greater than readyReplicas"
                causes.append(invalid("status.availableReplicas", status["availableReplicas"], why))
        now, was = status.get("collisionCount"), before.get("collisionCount")
        if was is not None and (now or 0) < was:
            causes.append(invalid("status.collisionCount", now or 0, "cannot be decremented"))
        return causes

    return rules


_PARTS = ("fullyLabeledReplicas", "updatedReplicas", "readyReplicas", "availableReplicas", "currentReplicas")


def _service(service: Object, old: Object) -> list[Cause]:
    entries = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    path = "status.loadBalancer.ingress"
    if entries and (service.get("spec") or {}).get("type") != "LoadBalancer":
        return [forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")]
    causes: list[Cause] = []
    for index, entry in enumerate(entries):
        causes += _entry(entry, f"{path}[{index}]")
        if entry.get("ipMode") is not None:
            causes += choice(f"{path}[{index}].ipMode", entry["ipMode"], ("Proxy", "VIP"))
    return causes


def _ingress(ingress: Object, old: Object) -> list[Cause]:
    entries = ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return [
        cause for index, entry in enumerate(entries) for cause in _entry(entry, f"status.loadBalancer.ingress[{index}]")
    ]


def _entry(entry: Object, path: str) -> list[Cause]:
    causes = ip(f"{path}.ip", entry["ip"]) if entry.get("ip") else []
    host = entry.get("hostname")
    if host:
        causes += dns_subdomain(f"{path}.hostname", host)
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return causes
        causes.append(invalid(f"{path}.hostname", host, "must be a DNS name, not an IP address"))
    return causes


def _quota(quota: Object, old: Object) -> list[Cause]:
    causes: list[Cause] = []
    for field in ("hard", "used"):
        for name, amount in ((quota.get("status") or {}).get(field) or {}).items():
            causes += quota_resource_name(f"status.{field}[{name}]", name)
            causes += resource_amount(f"status.{field}[{name}]", name, amount)
    return causes


_WORKLOAD = ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas")

_STATUS_RULES: Mapping[str, StatusRules] = {
    "apps/v1 deployments": _counts(*_WORKLOAD, "unavailableReplicas", "collisionCount"),
    "apps/v1 replicasets": _counts(
        "replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"
    ),
    "v1 replicationcontrollers": _counts(
        "replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"
    ),
    "apps/v1 statefulsets": _counts(*_WORKLOAD, "currentReplicas", "collisionCount"),
    "apps/v1 daemonsets": _counts(
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    ),  # fmt: skip
    "batch/v1 jobs": _counts("active", "succeeded", "failed", "ready", "terminating"),
    "policy/v1 poddisruptionbudgets": _counts("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"),
    "autoscaling/v2 horizontalpodautoscalers": _counts("currentReplicas", "desiredReplicas"),
    "v1 services": _service,
    "networking.k8s.io/v1 ingresses": _ingress,
    "v1 resourcequotas": _quota,
    "v1 nodes": lambda node, old: node_amounts(node.get("status") or {}),
    "certificates.k8s.io/v1 certificatesigningrequests": lambda request, old: decisions(
        (request.get("status") or {}).get("conditions") or []
    ),
}


def find_status_rules(name: str) -> StatusRules | None:
    """name: as in `declare`. None: a status of which nothing is known."""
    return _STATUS_RULES.get(name)
