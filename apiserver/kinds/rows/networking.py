"""Rows of networking, of endpoint slices, and of the disruption budgets of policy."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.rows.cells import NONE, UNSET, Table, name_of, part, selector_text, shortened
from apiserver.kinds.rows.core import load_balancer_addresses
from apiserver.kinds.strategy import AGE, NAME, object_age
from apiserver.meta import Column

Object = dict[str, Any]

_MAX_HOSTS = 3

_INGRESS_COLUMNS = (
    NAME,
    Column(
        "Class", description="The name of the IngressClass resource that should be used for additional configuration"
    ),
    Column("Hosts", description="Hosts that incoming requests are matched against before the ingress rule"),
    Column("Address", description="Address is a list containing ingress points for the load-balancer"),
    Column("Ports", description="Ports of TLS configurations that open"),
    AGE,
)


def _hosts(rules: list[Object]) -> str:
    hosts = [rule["host"] for rule in rules if rule.get("host")]
    if not hosts:
        return "*"
    text = ",".join(hosts[:_MAX_HOSTS])
    return f"{text} + {len(rules) - _MAX_HOSTS} more..." if len(hosts) > _MAX_HOSTS else text


def _ingress_row(ingress: Object, now: float) -> list[Any]:
    spec = part(ingress, "spec")
    return [
        name_of(ingress),
        spec.get("ingressClassName") or NONE,
        _hosts(spec.get("rules") or []),
        ",".join(load_balancer_addresses(part(ingress, "status"))),
        "80, 443" if spec.get("tls") else "80",
        object_age(ingress, now),
    ]


_INGRESS_CLASS_COLUMNS = (
    NAME,
    Column("Controller", description="Controller that is responsible for handling matching ingresses"),
    Column("Parameters", description="A reference to a resource with additional parameters"),
    AGE,
)


def _ingress_class_row(ingress_class: Object, now: float) -> list[Any]:
    spec, text = part(ingress_class, "spec"), NONE
    parameters = spec.get("parameters")
    if parameters is not None:
        group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
        text = f"{parameters.get('kind', '')}{group}/{parameters.get('name', '')}"
    return [name_of(ingress_class), spec.get("controller", ""), text, object_age(ingress_class, now)]


_POLICY_COLUMNS = (NAME, Column("Pod-Selector"), AGE)


def _policy_row(policy: Object, now: float) -> list[Any]:
    return [name_of(policy), selector_text(part(policy, "spec").get("podSelector")), object_age(policy, now)]


_CIDR_COLUMNS = (NAME, Column("CIDRs"), AGE)


def _cidr_row(cidr: Object, now: float) -> list[Any]:
    return [name_of(cidr), ",".join(part(cidr, "spec").get("cidrs") or ()), object_age(cidr, now)]


_ADDRESS_COLUMNS = (NAME, Column("ParentRef", description="MatchResources is a reference to the parent of the address"))


def _address_row(address: Object, now: float) -> list[Any]:
    parent = part(address, "spec").get("parentRef")
    if parent is None:
        return [name_of(address), NONE]
    resource = ".".join(text for text in (parent.get("resource"), parent.get("group")) if text)
    steps = [resource.lower(), parent.get("namespace"), parent.get("name", "")]
    return [name_of(address), "/".join(step for step in steps if step)]


_SLICE_COLUMNS = (NAME, Column("AddressType"), Column("Ports"), Column("Endpoints"), AGE)


def _slice_row(endpoint_slice: Object, now: float) -> list[Any]:
    ports = endpoint_slice.get("ports") or ()
    numbers = [str(port["port"]) if port.get("port") is not None else "*" for port in ports]
    addresses = [
        address for endpoint in endpoint_slice.get("endpoints") or () for address in endpoint.get("addresses") or ()
    ]
    return [
        name_of(endpoint_slice),
        endpoint_slice.get("addressType", ""),
        shortened(numbers, UNSET),
        shortened(addresses, UNSET),
        object_age(endpoint_slice, now),
    ]


_BUDGET_COLUMNS = (
    NAME,
    Column("Min Available", description="The minimum number of pods that must be available."),
    Column("Max Unavailable", description="The maximum number of pods that may be unavailable."),
    Column(
        "Allowed Disruptions", "integer", description="Calculated number of pods that may be disrupted at this time."
    ),
    AGE,
)


def _budget_row(budget: Object, now: float) -> list[Any]:
    spec = part(budget, "spec")
    return [
        name_of(budget),
        str(spec.get("minAvailable", "N/A")),
        str(spec.get("maxUnavailable", "N/A")),
        part(budget, "status").get("disruptionsAllowed", 0),
        object_age(budget, now),
    ]


INGRESS = Table(_INGRESS_COLUMNS, _ingress_row)
INGRESS_CLASS = Table(_INGRESS_CLASS_COLUMNS, _ingress_class_row)
NETWORK_POLICY = Table(_POLICY_COLUMNS, _policy_row)
SERVICE_CIDR = Table(_CIDR_COLUMNS, _cidr_row)
IP_ADDRESS = Table(_ADDRESS_COLUMNS, _address_row)
ENDPOINT_SLICE = Table(_SLICE_COLUMNS, _slice_row)
DISRUPTION_BUDGET = Table(_BUDGET_COLUMNS, _budget_row)
