"""What a service holds beside itself: cluster addresses and node ports, reserved before it is stored.

    reserve ─▶ validate, admit, store ─▶ keep     what the old state had and the new one has not is given back
                          │
                          └──────────▶ revert     what was reserved is given back

An address is an IPAddress object: creating it is the lock, so several servers on one store never give an address twice. It is
made for the address that a service asks for, or for the first free one from a place that the service's name picks. Node ports are
in node_ports.py. Releasing is done after the service is changed or gone; what a server that dies has not released is released by
`repair`, at the next start of one.

A dry run takes nothing: it is told 10.96.0.0 and 32769, as Kubernetes tells it.
"""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from apiserver.errors import Cause, StatusError, internal_error, invalid
from apiserver.kinds import Catalog, Resource
from apiserver.meta import format_time, parse_time, shown
from apiserver.registry.node_ports import NodePorts, PortTakenError
from apiserver.storage import ObjectStore, WatchCache, encode_value
from kvcluster.client import Client
from kvcluster.clock import Clock

Object = dict[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

GROUP = "networking.k8s.io"
HEADLESS = "None"
EXTERNAL_NAME, NODE_PORT, LOAD_BALANCER = "ExternalName", "NodePort", "LoadBalancer"
DRY_RUN_PORT = 32769
MANAGED_BY, MANAGER = "ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io"
EPOCH = "1970-01-01T00:00:00Z"
GRACE_S = 60
"""An address whose service is not there yet may be one that another server reserves just now."""
MAX_PROBES = 1 << 16
"""Addresses looked at before a range counts as full."""


class ServiceRanges(NamedTuple):
    """What services are given: one network for each family, the first family is the default; and ports of the nodes."""

    networks: tuple[str, ...] = ("10.96.0.0/16",)
    node_ports: tuple[int, int] = (30000, 32767)

    def parsed(self) -> tuple[Network, ...]:
        """Raises ValueError for what is no network, and for two of one family."""
        found = tuple(ipaddress.ip_network(text) for text in self.networks)
        if not found or len({network.version for network in found}) != len(found):
            raise ValueError("service networks: one, or one for each IP family")
        return found


class Host(Protocol):
    """The registry, as far as it is needed here."""

    clock: Clock

    @property
    def catalog(self) -> Catalog: ...

    def store(self, resource: Resource) -> ObjectStore: ...

    async def cache(self, resource: Resource) -> WatchCache: ...

    def new_uid(self) -> str: ...


class Reservation:
    """`is_kept` says at the end of the block what becomes of it."""

    def __init__(self, allocation: ServiceAllocation | None = None) -> None:
        self._allocation = allocation
        self.taken_addresses: list[str] = []
        self.taken_ports: list[int] = []
        self.left_addresses: list[str] = []
        self.left_ports: list[int] = []
        self.is_kept = False

    async def __aenter__(self) -> Reservation:
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._allocation is None:
            return
        if self.is_kept:
            await self._allocation.release(self.left_addresses, self.left_ports)
        else:
            await self._allocation.release(self.taken_addresses, self.taken_ports)


NOTHING_RESERVED = Reservation()
"""Of every other resource."""


class ServiceAllocation:
    def __init__(self, host: Host, kv: Client, ranges: ServiceRanges) -> None:
        self._host = host
        self._networks = ranges.parsed()
        first, last = ranges.node_ports
        self._ports = NodePorts(kv, range(first, last + 1), self._used_ports)

    async def reserve(self, service: Object, old: Object | None, dry_run: bool) -> Reservation:
        """Completes the service in place. Raises Invalid for what cannot be had, 500 for a range that is full."""
        reservation = Reservation(None if dry_run else self)
        try:
            await self._reserve_addresses(service, old, dry_run, reservation)
            await self._reserve_ports(service, old, dry_run, reservation)
        except BaseException:
            await reservation.__aexit__()
            raise
        return reservation

    async def release_all(self, service: Object) -> None:
        """Of a service that is gone."""
        spec = service.get("spec") or {}
        await self.release(_addresses(spec), _port_numbers(spec))

    async def release(self, addresses: Iterable[str], ports: Iterable[int]) -> None:
        for address in addresses:
            await self._release_address(address)
        await self._ports.give_back(ports)

    async def repair(self) -> None:
        """At a start: what services hold is locked, and addresses whose service is long gone are released."""
        services = self._host.catalog.find("", "v1", "services")
        resource = self._resource("ipaddresses")
        if services is None or resource is None:
            return
        locked = {
            stored.obj["metadata"]["name"]: stored.obj for stored in (await self._host.store(resource).list()).items
        }
        parents = set()
        ports: list[int] = []
        for stored in (await self._host.store(services).list()).items:
            service, spec = stored.obj, stored.obj.get("spec") or {}
            parents.add((service["metadata"].get("namespace"), service["metadata"]["name"]))
            ports += _port_numbers(spec)
            for address in _addresses(spec):
                if address not in locked and _version(address):
                    await self._lock(service, address, False, Reservation())
        if ports:
            await self._ports.mark_taken(ports)
        for address, held in locked.items():
            parent = (held.get("spec") or {}).get("parentRef") or {}
            is_ours = (held["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER
            age_s = self._host.clock.now_s() - parse_time(held["metadata"].get("creationTimestamp") or EPOCH)
            if is_ours and age_s > GRACE_S and (parent.get("namespace"), parent.get("name")) not in parents:
                await self._release_address(address)

    # ---- addresses ----

    def _resource(self, plural: str) -> Resource | None:
        return self._host.catalog.find(GROUP, "v1", plural)

    async def _all_networks(self) -> list[Network]:
        """The configured ones first, then those of other ServiceCIDR objects."""
        found = list(self._networks)
        resource = self._resource("servicecidrs")
        if resource is None:
            return found
        for stored in (await self._host.cache(resource)).page("", None).items:
            if stored.obj["metadata"].get("deletionTimestamp"):
                continue
            for text in (stored.obj.get("spec") or {}).get("cidrs") or ():
                network = ipaddress.ip_network(text, strict=False)
                if network not in found:
                    found.append(network)
        return found

    async def _reserve_addresses(
        self, service: Object, old: Object | None, dry_run: bool, reservation: Reservation
    ) -> None:
        spec, before = service["spec"], (old or {}).get("spec") or {}
        had = _addresses(before)
        if spec.get("type") == EXTERNAL_NAME:
            reservation.left_addresses = had
            return
        if _is_headless(spec):
            spec["clusterIP"], spec["clusterIPs"] = HEADLESS, spec.get("clusterIPs") or [HEADLESS]
            reservation.left_addresses = had
            if spec.get("selector"):
                self._set_families(service, before)
            else:
                self._set_families_of_nobody(spec)
            return
        self._set_families(service, before)
        if any(family not in ("IPv4", "IPv6") for family in spec["ipFamilies"]):
            return  # validation says so
        addresses: list[str] = list(spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else []))
        for place, family in enumerate(spec["ipFamilies"]):
            wanted = addresses[place] if place < len(addresses) else ""
            if wanted in had and wanted:
                continue
            if wanted:
                await self._take_address(service, wanted, dry_run, reservation)
                continue
            found = await self._take_next(service, int(family[3]), dry_run, reservation)
            addresses[place:] = [found]
        spec["clusterIP"], spec["clusterIPs"] = addresses[0] if addresses else "", addresses
        reservation.left_addresses = [address for address in had if address not in addresses]

    def _set_families(self, service: Object, before: Object) -> None:
        """How many stacks, in which order. Raises Invalid for families that the cluster does not have."""
        spec = service["spec"]
        known = [f"IPv{network.version}" for network in self._networks]
        policy, was = spec.get("ipFamilyPolicy") or "SingleStack", before.get("ipFamilyPolicy")
        families: list[str] = list(spec.get("ipFamilies") or ())
        addresses = spec.get("clusterIPs") or []
        if policy == "SingleStack" and was not in (None, "SingleStack") and addresses == before.get("clusterIPs"):
            families, addresses = families[:1], addresses[:1]
            spec["clusterIPs"] = addresses
        for place, address in enumerate(addresses):
            if place >= len(families) and _version(address):
                families.append(f"IPv{_version(address)}")
        if not families:
            families = known[:1]
        if policy == "SingleStack" and len(families) > 1:
            why = "must be RequireDualStack or PreferDualStack when multiple 'ipFamilies' are specified"
            raise _invalid(service, "spec.ipFamilyPolicy", policy, why)
        if policy == "RequireDualStack" and len(known) < 2:
            why = "this cluster is not configured for dual-stack services"
            raise _invalid(service, "spec.ipFamilyPolicy", policy, why)
        for place, family in enumerate(families):
            if family in ("IPv4", "IPv6") and family not in known:
                raise _invalid(service, f"spec.ipFamilies[{place}]", family, "not configured on this cluster")
        if policy in ("PreferDualStack", "RequireDualStack"):
            families += [family for family in known if family not in families]
        spec["ipFamilies"], spec["ipFamilyPolicy"] = families, policy

    def _set_families_of_nobody(self, spec: Object) -> None:
        """Headless and without a selector: its endpoints are somebody else's, and may be of any family."""
        default = f"IPv{self._networks[0].version}"
        families = list(spec.get("ipFamilies") or [default])
        policy = spec.get("ipFamilyPolicy")
        if len(families) == 1 and policy != "SingleStack":
            families.append("IPv6" if families[0] == "IPv4" else "IPv4")
        spec["ipFamilies"], spec["ipFamilyPolicy"] = families, policy or "RequireDualStack"

    async def _take_address(self, service: Object, text: str, dry_run: bool, reservation: Reservation) -> None:
        """An address that was asked for. What is no address is left to validation."""
        version = _version(text)
        if not version:
            return
        networks = [network for network in await self._all_networks() if network.version == version]
        if not any(ipaddress.ip_address(text) in network for network in networks):
            shown_ranges = ", ".join(str(network) for network in networks) or "none"
            why = f"the provided IP ({text}) is not in the valid range. The range of valid IPs is {shown_ranges}"
        elif await self._lock(service, str(ipaddress.ip_address(text)), dry_run, reservation):
            return
        else:
            why = "provided IP is already allocated"
        raise _invalid(
            service, "spec.clusterIPs", service["spec"].get("clusterIPs"), f"failed to allocate IP {text}: {why}"
        )

    async def _take_next(self, service: Object, version: int, dry_run: bool, reservation: Reservation) -> str:
        networks = [network for network in await self._all_networks() if network.version == version]
        if dry_run and networks:
            return str(networks[0].network_address)
        metadata = service["metadata"]
        resource = self._resource("ipaddresses")
        cache = None if resource is None else await self._host.cache(resource)
        for network in networks:
            size = network.num_addresses - (2 if network.version == 4 else 1)
            start = zlib.crc32(f"{metadata.get('namespace')}/{metadata.get('name')}".encode()) % max(size, 1)
            for step in range(min(size, MAX_PROBES)):
                text = str(network[1 + (start + step) % size])
                if cache is not None and cache.find("", text) is not None:
                    continue
                if await self._lock(service, text, dry_run, reservation):
                    return text
        raise internal_error("failed to allocate a serviceIP: range is full")

    async def _lock(self, service: Object, text: str, dry_run: bool, reservation: Reservation) -> bool:
        """Makes the IPAddress. False where somebody has it."""
        resource = self._resource("ipaddresses")
        if resource is None:
            return True
        if dry_run:
            return await self._host.store(resource).find("", text) is None
        metadata = service["metadata"]
        parent = {
            "group": "",
            "resource": "services",
            "namespace": metadata.get("namespace", ""),
            "name": metadata.get("name", ""),
        }
        address = {
            "kind": "IPAddress",
            "apiVersion": resource.api_version,
            "metadata": {
                "name": text,
                "uid": self._host.new_uid(),
                "creationTimestamp": format_time(self._host.clock.now_s()),
                "labels": {
                    "ipaddress.kubernetes.io/ip-family": f"IPv{_version(text)}",
                    MANAGED_BY: MANAGER,
                },
            },
            "spec": {"parentRef": parent},
        }
        if await self._host.store(resource).create("", text, encode_value(address)) is None:
            return False
        reservation.taken_addresses.append(text)
        return True

    async def _release_address(self, text: str) -> None:
        """Only what the allocator made is taken away. Somebody who holds it with a finalizer is let be."""
        resource = self._resource("ipaddresses")
        if resource is None:
            return
        store = self._host.store(resource)
        stored = await store.find("", text)
        if stored is not None and not stored.obj["metadata"].get("finalizers"):
            await store.remove(stored)

    # ---- node ports ----

    async def _reserve_ports(
        self, service: Object, old: Object | None, dry_run: bool, reservation: Reservation
    ) -> None:
        spec, before = service["spec"], (old or {}).get("spec") or {}
        had = _port_numbers(before)
        wants = spec.get("type") == NODE_PORT or (
            spec.get("type") == LOAD_BALANCER and spec.get("allocateLoadBalancerNodePorts") is not False
        )
        named = [number for number in _port_numbers(spec) if number not in had]
        needed = _needed(spec) if wants else []
        needs_health = _needs_health(spec) and not spec.get("healthCheckNodePort")
        try:
            found = await self._take_ports(service, named, len(needed) + needs_health, dry_run, reservation)
        except PortTakenError as error:
            raise _port_invalid(service, error) from None
        if needs_health:
            spec["healthCheckNodePort"] = found.pop()
        for (place, same), number in zip(needed, found, strict=True):
            for index in (place, *same):
                spec["ports"][index]["nodePort"] = number
        now = _port_numbers(spec)
        reservation.left_ports = [number for number in had if number not in now]

    async def _take_ports(
        self, service: Object, named: list[int], count: int, dry_run: bool, reservation: Reservation
    ) -> list[int]:
        if not named and not count:
            return []
        if dry_run:
            await self._ports.check_free(named)
            return [DRY_RUN_PORT + step for step in range(count)]
        metadata = service["metadata"]
        more = await self._ports.take(named, count, f"{metadata.get('namespace')}/{metadata.get('name')}")
        reservation.taken_ports += [*named, *more]
        return more

    async def _used_ports(self) -> Iterable[int]:
        resource = self._host.catalog.find("", "v1", "services")
        if resource is None:
            return ()
        page = await self._host.store(resource).list()
        return [number for stored in page.items for number in _port_numbers(stored.obj.get("spec") or {})]


def _is_headless(spec: Object) -> bool:
    return HEADLESS in (spec.get("clusterIP"), *(spec.get("clusterIPs") or [])[:1])


def _addresses(spec: Object) -> list[str]:
    """The addresses that a service holds."""
    found = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    return [address for address in found if address and address != HEADLESS]


def _port_numbers(spec: Object) -> list[int]:
    """The node ports that a service holds, each once."""
    found = [port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")]
    if spec.get("healthCheckNodePort"):
        found.append(spec["healthCheckNodePort"])
    return list(dict.fromkeys(found))


def _needed(spec: Object) -> list[tuple[int, list[int]]]:
    """Ports without a node port. One port of two protocols has the same node port for both, if they do not say otherwise."""
    ports = spec.get("ports") or []
    first: dict[int, int] = {}
    needed: dict[int, list[int]] = {}
    for index, port in enumerate(ports):
        number = port.get("port", 0)
        known = first.setdefault(number, index)
        if port.get("nodePort"):
            continue
        if known == index:
            needed[index] = []
        elif ports[known].get("nodePort"):
            port["nodePort"] = ports[known]["nodePort"]
        else:
            needed[known].append(index)
    return list(needed.items())


def _needs_health(spec: Object) -> bool:
    return spec.get("type") == LOAD_BALANCER and spec.get("externalTrafficPolicy") == "Local"


def _version(text: str) -> int:
    """4 or 6, 0 for what is no address."""
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return 0


def _invalid(service: Object, field: str, value: Any, why: str) -> StatusError:
    cause = Cause("FieldValueInvalid", f"Invalid value: {shown(value)}: {why}", field)
    return invalid("", "Service", service["metadata"].get("name", ""), [cause])


def _port_invalid(service: Object, error: PortTakenError) -> StatusError:
    spec = service["spec"]
    for index, port in enumerate(spec.get("ports") or ()):
        if port.get("nodePort") == error.port:
            return _invalid(service, f"spec.ports[{index}].nodePort", error.port, str(error))
    why = f"failed to allocate requested HealthCheck NodePort {error.port}: {error}"
    return _invalid(service, "spec.healthCheckNodePort", error.port, why)
