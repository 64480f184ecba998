"""networking.k8s.io/v1: how traffic comes in, who may talk to whom, which addresses are given."""

from __future__ import annotations

from apiserver.kinds.declaring import declare

_GROUP = "networking.k8s.io/v1"

INGRESS_CLASSES = declare(f"{_GROUP} ingressclasses", tracks_generation=True)

INGRESSES = declare(f"{_GROUP} ingresses", tracks_generation=True)

IP_ADDRESSES = declare(f"{_GROUP} ipaddresses")

NETWORK_POLICIES = declare(f"{_GROUP} networkpolicies", tracks_generation=True)

SERVICE_CIDRS = declare(f"{_GROUP} servicecidrs")

RESOURCES = (INGRESS_CLASSES, INGRESSES, IP_ADDRESSES, NETWORK_POLICIES, SERVICE_CIDRS)
