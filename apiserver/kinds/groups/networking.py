"""networking.k8s.io/v1: how traffic comes in, who may talk to whom, which addresses are given."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.declaring import declare
from apiserver.kinds.rows import networking as rows
from apiserver.kinds.strategy import default_spec, empty_status, replace_only_status, set_missing

Object = dict[str, Any]

_GROUP = "networking.k8s.io/v1"


def default_ingress_class(ingress_class: Object) -> None:
    parameters = ingress_class.setdefault("spec", {}).get("parameters")
    if parameters is not None:
        set_missing(parameters, "scope", "Cluster")


def default_ingress(ingress: Object) -> None:
    ingress.setdefault("spec", {})
    ingress.setdefault("status", {}).setdefault("loadBalancer", {})


def prepare_ingress(ingress: Object) -> None:
    ingress["status"] = {"loadBalancer": {}}


def default_network_policy(policy: Object) -> None:
    """A policy is about what comes in, and about what goes out if it has rules for that."""
    spec = policy.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            set_missing(port, "protocol", "TCP")
    set_missing(spec, "policyTypes", ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])


INGRESS_CLASSES = declare(
    f"{_GROUP} ingressclasses", table=rows.INGRESS_CLASS, tracks_generation=True, defaults=default_ingress_class
)

INGRESSES = declare(
    f"{_GROUP} ingresses",
    table=rows.INGRESS,
    tracks_generation=True,
    defaults=default_ingress,
    prepare_create=prepare_ingress,
)

IP_ADDRESSES = declare(f"{_GROUP} ipaddresses", table=rows.IP_ADDRESS, defaults=default_spec)

NETWORK_POLICIES = declare(
    f"{_GROUP} networkpolicies", table=rows.NETWORK_POLICY, tracks_generation=True, defaults=default_network_policy
)

SERVICE_CIDRS = declare(
    f"{_GROUP} servicecidrs",
    table=rows.SERVICE_CIDR,
    defaults=default_spec,
    prepare_create=empty_status,
    prepare_status_update=replace_only_status,
)

RESOURCES = (INGRESS_CLASSES, INGRESSES, IP_ADDRESSES, NETWORK_POLICIES, SERVICE_CIDRS)
