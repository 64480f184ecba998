"""Service addresses: a cluster IP of 10.96.0.0/16 and node ports of 30000–32767, each given out once.

What is taken is read from the services that exist, so nothing else has to be kept in step. The registry lets one
service at a time through, so two of them cannot be given the same. Kubernetes keeps IPAddress objects for this; several of our
API servers on one store could, in a race, give one address twice.
"""

from __future__ import annotations

import zlib
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from apiserver.admission.attributes import CREATE, UPDATE, Attributes, Plugin, is_core
from apiserver.errors import Cause, internal_error, invalid

NETWORK = IPv4Network("10.96.0.0/16")
NODE_PORTS = range(30_000, 32_768)


def _free_address(seed: str, taken: dict[str, None]) -> str:
    """Starts at a place that the name picks, so that addresses do not depend on the order of creation."""
    size = NETWORK.num_addresses - 2
    start = zlib.crc32(seed.encode()) % size
    for step in range(size):
        address = str(NETWORK[1 + (start + step) % size])
        if address not in taken:
            return address
    raise internal_error("range is full")


def _free_port(seed: str, taken: dict[int, None]) -> int:
    start = zlib.crc32(seed.encode()) % len(NODE_PORTS)
    for step in range(len(NODE_PORTS)):
        port = NODE_PORTS[(start + step) % len(NODE_PORTS)]
        if port not in taken:
            return port
    raise internal_error("range is full")


def _check_address(service: dict[str, Any], address: str, taken: dict[str, None]) -> None:
    name = service["metadata"]["name"]
    try:
        inside = IPv4Address(address) in NETWORK
    except ValueError:
        return  # validation says so
    if not inside:
        text = f"failed to allocate IP {address}: the provided IP ({address}) is not in the valid range. The range of valid IPs is {NETWORK}"  # noqa: E501
        raise invalid(
            "",
            "Service",
            name,
            [Cause("FieldValueInvalid", f'Invalid value: ["{address}"]: {text}', "spec.clusterIPs")],
        )
    if address in taken:
        text = f"failed to allocate IP {address}: provided IP is already allocated"
        raise invalid(
            "",
            "Service",
            name,
            [Cause("FieldValueInvalid", f'Invalid value: ["{address}"]: {text}', "spec.clusterIPs")],
        )


async def _mutate(attributes: Attributes) -> None:
    service = attributes.obj
    if service is None or not is_core(attributes, "services") or attributes.operation not in (CREATE, UPDATE):
        return
    spec = service.setdefault("spec", {})
    if spec.get("type") == "ExternalName":
        return
    uid = service["metadata"].get("uid")
    others = [other for other in await attributes.list("services") if other["metadata"].get("uid") != uid]
    if not spec.get("clusterIP"):
        wanted = (spec.get("clusterIPs") or [""])[0]
        old = (attributes.old or {}).get("spec", {}).get("clusterIP", "")
        spec["clusterIP"] = wanted or old
    if spec["clusterIP"] != "None":
        taken = dict.fromkeys(other["spec"].get("clusterIP", "") for other in others if "spec" in other)
        if not spec["clusterIP"]:
            spec["clusterIP"] = _free_address(f"{attributes.namespace}/{service['metadata']['name']}", taken)
        elif attributes.operation == CREATE:
            _check_address(service, spec["clusterIP"], taken)
    spec["clusterIPs"] = [spec["clusterIP"]]
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        _give_node_ports(service, others)


def _give_node_ports(service: dict[str, Any], others: list[dict[str, Any]]) -> None:
    taken: dict[int, None] = {}
    for other in [*others, service]:
        for port in (other.get("spec") or {}).get("ports") or ():
            if port.get("nodePort"):
                taken[port["nodePort"]] = None
    for port in service["spec"].get("ports") or ():
        if not port.get("nodePort"):
            seed = f"{service['metadata'].get('namespace')}/{service['metadata']['name']}/{port.get('port')}"
            port["nodePort"] = _free_port(seed, taken)
            taken[port["nodePort"]] = None


PLUGIN = Plugin("ServiceAddresses", mutate=_mutate)
