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
from apiserver.errors import Cause, StatusError, internal_error, invalid

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
    """Raises Invalid for an address that was asked for and cannot be had."""
    try:
        inside = IPv4Address(address) in NETWORK
    except ValueError:
        return  # validation says so
    if not inside:
        why = f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {NETWORK}"
    elif address in taken:
        why = "provided IP is already allocated"
    else:
        return
    text = f'Invalid value: ["{address}"]: failed to allocate IP {address}: {why}'
    raise _invalid(service, text, "spec.clusterIPs")


def _invalid(service: dict[str, Any], text: str, field: str) -> StatusError:
    return invalid("", "Service", service["metadata"]["name"], [Cause("FieldValueInvalid", text, field)])


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
        _give_node_ports(service, attributes.old, others)


def _node_ports(service: dict[str, Any] | None) -> list[int]:
    ports = ((service or {}).get("spec") or {}).get("ports") or ()
    return [port["nodePort"] for port in ports if port.get("nodePort")]


def _give_node_ports(service: dict[str, Any], old: dict[str, Any] | None, others: list[dict[str, Any]]) -> None:
    """Checks the node ports that were asked for, and gives the rest. What the service had already it keeps."""
    taken = dict.fromkeys(port for other in others for port in _node_ports(other))
    had = _node_ports(old)
    ports = service["spec"].get("ports") or ()
    for index, port in enumerate(ports):
        wanted = port.get("nodePort")
        if not wanted or wanted in had:
            continue
        if wanted not in NODE_PORTS:
            why = (
                f"provided port is not in the valid range. The range of valid ports is {NODE_PORTS[0]}-{NODE_PORTS[-1]}"
            )
        elif wanted in taken:
            why = "provided port is already allocated"
        else:
            continue
        raise _invalid(service, f"Invalid value: {wanted}: {why}", f"spec.ports[{index}].nodePort")
    taken.update(dict.fromkeys(_node_ports(service)))
    for port in ports:
        if not port.get("nodePort"):
            seed = f"{service['metadata'].get('namespace')}/{service['metadata']['name']}/{port.get('port')}"
            port["nodePort"] = _free_port(seed, taken)
            taken[port["nodePort"]] = None


PLUGIN = Plugin("ServiceAddresses", mutate=_mutate)
