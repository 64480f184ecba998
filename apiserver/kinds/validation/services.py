"""Services: types, ports, addresses and families, and what of them may change.

Which addresses and ports are free is the allocator's to say (admission), after these rules.
"""

from __future__ import annotations

import ipaddress

from apiserver.errors import Cause
from apiserver.kinds.metadata import update_validator, validate_labels, validator
from apiserver.kinds.validation.containers import PROTOCOLS
from apiserver.kinds.validation.values import (
    IP_TEXT,
    Object,
    choice,
    cidr,
    dns_label,
    dns_subdomain,
    ip,
    label_name,
    needs,
    port,
    port_number,
)
from apiserver.meta import (
    check_dns1123_label,
    check_dns1123_subdomain,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)

CLUSTER_IP, NODE_PORT, LOAD_BALANCER, EXTERNAL_NAME = "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"
TYPES = (CLUSTER_IP, EXTERNAL_NAME, LOAD_BALANCER, NODE_PORT)
HEADLESS = "None"
FAMILIES = ("IPv4", "IPv6")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")

_KUBELET_PORT = 10250
_POLICIES = ("Cluster", "Local")
_DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
_MAX_AFFINITY_S = 86400


def is_headless(spec: Object) -> bool:
    return (spec.get("clusterIPs") or [spec.get("clusterIP")])[0] == HEADLESS


def _rules(service: Object) -> list[Cause]:
    spec = service.get("spec") or {}
    kind, ports = spec.get("type", ""), spec.get("ports") or []
    causes: list[Cause] = []
    if not ports and kind != EXTERNAL_NAME and not is_headless(spec):
        causes.append(required("spec.ports"))
    causes += _of_type(spec, kind, ports)
    causes += _ports(ports)
    if spec.get("selector"):
        causes += validate_labels(spec["selector"], "spec.selector")
    causes += choice("spec.sessionAffinity", spec.get("sessionAffinity"), ("ClientIP", "None"))
    causes += _affinity(spec)
    if kind != EXTERNAL_NAME:
        causes += _addresses(spec)
    for index, address in enumerate(spec.get("externalIPs") or ()):
        causes += ip(f"spec.externalIPs[{index}]", address, special=False)
    causes += choice("spec.type", kind, TYPES)
    causes += _repeated_ports(ports, kind)
    causes += _load_balancer(spec, kind)
    causes += _traffic(spec, kind)
    return causes


validate_service = validator(_rules, check_name=check_dns1123_label)


def _of_type(spec: Object, kind: str, ports: list[Object]) -> list[Cause]:
    causes: list[Cause] = []
    if kind == LOAD_BALANCER:
        for index, entry in enumerate(ports):
            if entry.get("port") == _KUBELET_PORT:
                why = f"may not expose port {_KUBELET_PORT} externally since it is used by kubelet"
                causes.append(invalid(f"spec.ports[{index}]", _KUBELET_PORT, why))
    if kind in (LOAD_BALANCER, NODE_PORT) and is_headless(spec):
        causes.append(invalid("spec.clusterIPs[0]", HEADLESS, f"may not be set to 'None' for {kind} services"))
    if kind == EXTERNAL_NAME:
        for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(field):
                causes.append(forbidden(f"spec.{field}", "may not be set for ExternalName services"))
        causes += needs("spec.externalName", spec.get("externalName", "").removesuffix("."), check_dns1123_subdomain)
    return causes


def _ports(ports: list[Object]) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    for index, entry in enumerate(ports):
        where, name = f"spec.ports[{index}]", entry.get("name", "")
        if name:
            causes += dns_label(f"{where}.name", name)
            if name in names:
                causes.append(duplicate(f"{where}.name", name))
            names.add(name)
        elif len(ports) > 1:
            causes.append(required(f"{where}.name"))
        causes += port_number(f"{where}.port", entry.get("port", 0))
        causes += choice(f"{where}.protocol", entry.get("protocol"), PROTOCOLS)
        causes += port(f"{where}.targetPort", entry.get("targetPort", 0))
        if entry.get("appProtocol"):
            causes += label_name(f"{where}.appProtocol", entry["appProtocol"])
    return causes


def _repeated_ports(ports: list[Object], kind: str) -> list[Cause]:
    causes: list[Cause] = []
    if kind == CLUSTER_IP:
        for index, entry in enumerate(ports):
            if entry.get("nodePort"):
                why = "may not be used when `type` is 'ClusterIP'"
                causes.append(forbidden(f"spec.ports[{index}].nodePort", why))
    taken: set[tuple[str, str, int]] = set()
    for field in ("nodePort", "port"):
        for index, entry in enumerate(ports):
            number, protocol = entry.get(field, 0), entry.get("protocol", "")
            if field == "nodePort" and not number:
                continue
            if (field, protocol, number) in taken:
                whole = {
                    "Name": "",
                    "Protocol": protocol,
                    "AppProtocol": None,
                    "Port": number,
                    "TargetPort": 0,
                    "NodePort": 0,
                }
                where = f"spec.ports[{index}]"
                causes.append(duplicate(where, whole) if field == "port" else duplicate(f"{where}.nodePort", number))
            taken.add((field, protocol, number))
    return causes


def _affinity(spec: Object) -> list[Cause]:
    config = spec.get("sessionAffinityConfig")
    if spec.get("sessionAffinity") == "None":
        if config is None:
            return []
        return [forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None")]
    if spec.get("sessionAffinity") != "ClientIP":
        return []
    if config is None:
        why = "when session affinity type is ClientIP"
        return [required("spec.sessionAffinityConfig", why)]
    seconds = (config.get("clientIP") or {}).get("timeoutSeconds")
    where = "spec.sessionAffinityConfig.clientIP"
    if seconds is None:
        return [required(f"{where}.timeoutSeconds", "when session affinity type is ClientIP")]
    if not 0 < seconds <= _MAX_AFFINITY_S:
        return [invalid(f"{where}.timeoutSeconds", seconds, f"must be greater than 0 and less than {_MAX_AFFINITY_S}")]
    return []


def _addresses(spec: Object) -> list[Cause]:
    """Addresses and families, each alone and against each other."""
    addresses, families = spec.get("clusterIPs") or [], spec.get("ipFamilies") or []
    causes: list[Cause] = []
    path = "spec.clusterIPs"
    if addresses and spec.get("clusterIP", "") != addresses[0]:
        causes.append(invalid(path, addresses, "first value must match `clusterIP`"))
    if spec.get("ipFamilyPolicy"):
        causes += choice("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], FAMILY_POLICIES)
    for index, family in enumerate(families):
        if family not in FAMILIES:
            causes.append(not_supported(f"spec.ipFamilies[{index}]", family, FAMILIES))
        elif family in families[:index]:
            causes.append(duplicate(f"spec.ipFamilies[{index}]", family))
    found: list[int] = []
    for index, address in enumerate(addresses):
        if address == HEADLESS:
            if index or len(addresses) > 1:
                causes.append(invalid(path, addresses, "'None' must be the first and only value"))
            continue
        try:
            found.append(ipaddress.ip_address(address).version)
        except ValueError:
            causes.append(invalid(f"{path}[{index}]", address, IP_TEXT))
            found.append(0)
    if len(addresses) > 2:
        causes.append(invalid(path, addresses, "may only hold up to 2 values"))
    if len(found) == 2 and 0 not in found and found[0] == found[1]:
        causes.append(
            invalid(
                path, addresses, "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and fd00::/64"
            )
        )
    for index, (version, family) in enumerate(zip(found, families, strict=False)):
        if version and family in FAMILIES and family != f"IPv{version}":
            why = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            causes.append(invalid(f"{path}[{index}]", addresses[index], why))
    return causes


def _load_balancer(spec: Object, kind: str) -> list[Cause]:
    causes: list[Cause] = []
    only = "may only be used when `type` is 'LoadBalancer'"
    for index, source in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        causes += cidr(f"spec.loadBalancerSourceRanges[{index}]", source.strip())
    if kind == LOAD_BALANCER:
        if spec.get("loadBalancerClass") is not None:
            causes += label_name("spec.loadBalancerClass", spec["loadBalancerClass"])
        return causes
    for field in ("loadBalancerSourceRanges", "allocateLoadBalancerNodePorts", "loadBalancerClass"):
        if spec.get(field) not in (None, []):
            causes.append(forbidden(f"spec.{field}", only))
    return causes


def _traffic(spec: Object, kind: str) -> list[Cause]:
    outside = spec.get("externalTrafficPolicy", "")
    causes: list[Cause] = []
    reachable = kind in (NODE_PORT, LOAD_BALANCER) or (kind == CLUSTER_IP and bool(spec.get("externalIPs")))
    if outside and not reachable:
        causes.append(
            invalid("spec.externalTrafficPolicy", outside, "may only be set for externally-accessible services")
        )
    elif reachable:
        causes += choice("spec.externalTrafficPolicy", outside, _POLICIES)
    health = spec.get("healthCheckNodePort", 0)
    if health and not (kind == LOAD_BALANCER and outside == "Local"):
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        causes.append(invalid("spec.healthCheckNodePort", health, why))
    if kind != EXTERNAL_NAME:
        causes += choice("spec.internalTrafficPolicy", spec.get("internalTrafficPolicy"), _POLICIES)
    elif spec.get("internalTrafficPolicy"):
        causes += choice("spec.internalTrafficPolicy", spec["internalTrafficPolicy"], _POLICIES)
    if spec.get("trafficDistribution") is not None:
        causes += choice("spec.trafficDistribution", spec["trafficDistribution"], _DISTRIBUTIONS)
    return causes


def _change(service: Object, old: Object) -> list[Cause]:
    """The first address and family stay; a second one may come and go."""
    spec, before = service["spec"], old.get("spec") or {}
    if EXTERNAL_NAME in (spec.get("type"), before.get("type")) or (is_headless(spec) and is_headless(before)):
        return []
    causes: list[Cause] = []
    now = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    was = before.get("clusterIPs") or ([before["clusterIP"]] if before.get("clusterIP") else [])
    if was and not now:
        causes.append(invalid("spec.clusterIPs[0]", [], "primary clusterIP can not be unset"))
    for index, address in enumerate(was[: max(len(now), 1) if len(now) == len(was) else 1]):
        if index < len(now) and now[index] != address:
            causes.append(invalid(f"spec.clusterIPs[{index}]", now, "may not change once set"))
    families, families_before = spec.get("ipFamilies") or [], before.get("ipFamilies") or []
    if families and families_before and families[0] != families_before[0]:
        causes.append(invalid("spec.ipFamilies[0]", families, "may not change once set"))
    if spec.get("type") == before.get("type") == LOAD_BALANCER:
        kept = before.get("loadBalancerClass")
        if spec.get("loadBalancerClass") != kept:
            why = "may not change once set"
            causes.append(invalid("spec.loadBalancerClass", spec.get("loadBalancerClass"), why))
    return causes


validate_service_update = update_validator(_change)

# Endpoints ----------------------------------------------------------------------------------------------------------


def _is_own(obj: Object) -> bool:
    """Whether these are the API server's own addresses, which may be loopback ones: where it listens is where it is."""
    metadata = obj["metadata"]
    return metadata.get("name") == "kubernetes" and metadata.get("namespace") == "default"


def _endpoints(endpoints: Object) -> list[Cause]:
    causes: list[Cause] = []
    own = _is_own(endpoints)
    for index, subset in enumerate(endpoints.get("subsets") or ()):
        where = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            causes.append(required(where, "must specify `addresses` or `notReadyAddresses`"))
        for field in ("addresses", "notReadyAddresses"):
            for place, address in enumerate(subset.get(field) or ()):
                causes += _endpoint_address(address, f"{where}.{field}[{place}]", own)
        ports = subset.get("ports") or []
        for place, entry in enumerate(ports):
            path = f"{where}.ports[{place}]"
            if entry.get("name"):
                causes += dns_label(f"{path}.name", entry["name"])
            elif len(ports) > 1:
                causes.append(required(f"{path}.name"))
            causes += port_number(f"{path}.port", entry.get("port", 0))
            causes += choice(f"{path}.protocol", entry.get("protocol"), PROTOCOLS)
            if entry.get("appProtocol"):
                causes += label_name(f"{path}.appProtocol", entry["appProtocol"])
    return causes


def _endpoint_address(address: Object, path: str, own: bool) -> list[Cause]:
    causes = ip(f"{path}.ip", address.get("ip", ""), special=own)
    if address.get("hostname"):
        causes += dns_label(f"{path}.hostname", address["hostname"])
    if address.get("nodeName"):
        causes += dns_subdomain(f"{path}.nodeName", address["nodeName"])
    return causes


validate_endpoints = validator(_endpoints)

# Endpoint slices ----------------------------------------------------------------------------------------------------

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_MAX_ENDPOINTS, _MAX_ADDRESSES, _MAX_PORTS = 1000, 100, 20000
_MAX_HINTS = 8


def _too_many(path: str, count: int, limit: int) -> Cause:
    return Cause("FieldValueTooMany", f"Too many: {count}: must have at most {limit} items", path)


def _slice(endpoint_slice: Object) -> list[Cause]:
    kind, endpoints = endpoint_slice.get("addressType", ""), endpoint_slice.get("endpoints") or []
    ports = endpoint_slice.get("ports") or []
    causes = choice("addressType", kind, ADDRESS_TYPES)
    if len(endpoints) > _MAX_ENDPOINTS:
        causes.append(_too_many("endpoints", len(endpoints), _MAX_ENDPOINTS))
    else:
        for index, endpoint in enumerate(endpoints):
            causes += _slice_endpoint(endpoint, f"endpoints[{index}]", kind, _is_own(endpoint_slice))
    if len(ports) > _MAX_PORTS:
        return [*causes, _too_many("ports", len(ports), _MAX_PORTS)]
    names: set[str] = set()
    for index, entry in enumerate(ports):
        where, name = f"ports[{index}]", entry.get("name") or ""
        if name:
            causes += dns_label(f"{where}.name", name)
        if name in names:
            causes.append(duplicate(f"{where}.name", name))
        names.add(name)
        causes += choice(f"{where}.protocol", entry.get("protocol"), PROTOCOLS)
        if entry.get("port") is not None:
            causes += port_number(f"{where}.port", entry["port"])
        if entry.get("appProtocol"):
            causes += label_name(f"{where}.appProtocol", entry["appProtocol"])
    return causes


def _slice_endpoint(endpoint: Object, path: str, kind: str, own: bool) -> list[Cause]:
    addresses = endpoint.get("addresses") or []
    causes: list[Cause] = []
    if not addresses:
        causes.append(required(f"{path}.addresses", "must contain at least 1 address"))
    elif len(addresses) > _MAX_ADDRESSES:
        causes.append(_too_many(f"{path}.addresses", len(addresses), _MAX_ADDRESSES))
    for index, address in enumerate(addresses):
        where = f"{path}.addresses[{index}]"
        if kind == "FQDN":
            causes += dns_subdomain(where, address)
            continue
        wrong = ip(where, address, special=own)
        if not wrong and kind in FAMILIES and ("IPv6" if ":" in address else "IPv4") != kind:
            wrong = [invalid(where, address, f"must be an {kind} address")]
        causes += wrong
    if endpoint.get("nodeName"):
        causes += dns_subdomain(f"{path}.nodeName", endpoint["nodeName"])
    if endpoint.get("hostname"):
        causes += dns_label(f"{path}.hostname", endpoint["hostname"])
    topology = endpoint.get("deprecatedTopology") or {}
    causes += validate_labels(topology, f"{path}.deprecatedTopology")
    zones = (endpoint.get("hints") or {}).get("forZones") or []
    if len(zones) > _MAX_HINTS:
        causes.append(_too_many(f"{path}.hints.forZones", len(zones), _MAX_HINTS))
    for index, zone in enumerate(zones):
        if not zone.get("name"):
            causes.append(required(f"{path}.hints.forZones[{index}].name"))
    return causes


def _slice_change(endpoint_slice: Object, old: Object) -> list[Cause]:
    kind = endpoint_slice.get("addressType")
    return [] if kind == old.get("addressType") else [invalid("addressType", kind, "field is immutable")]


RULES = {
    "v1 services": (validate_service, validate_service_update),
    "v1 endpoints": (validate_endpoints, update_validator()),
    "discovery.k8s.io/v1 endpointslices": (validator(_slice), update_validator(_slice_change)),
}
