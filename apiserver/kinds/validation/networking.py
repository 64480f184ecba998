"""Ingresses, network policies, and the addresses that services are given."""

from __future__ import annotations

import ipaddress

from apiserver.errors import Cause
from apiserver.kinds.metadata import update_validator, validator
from apiserver.kinds.validation.selecting import label_selector
from apiserver.kinds.validation.values import (
    CIDR_TEXT,
    Object,
    check_all,
    check_wildcard_dns,
    cidr,
    dns_subdomain,
    find_network,
    needs,
    port,
    port_number,
    unchanged,
)
from apiserver.meta import (
    check_dns1123_label,
    check_dns1123_subdomain,
    check_port_name,
    forbidden,
    invalid,
    not_supported,
    required,
)

_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_PARTS = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")
_PROTOCOLS = ("TCP", "UDP", "SCTP")

# Ingress ------------------------------------------------------------------------------------------------------------


def _ingress(ingress: Object) -> list[Cause]:
    spec = ingress.get("spec") or {}
    rules = spec.get("rules") or ()
    causes: list[Cause] = []
    if not rules and spec.get("defaultBackend") is None:
        causes.append(invalid("spec.rules", None, "either `defaultBackend` or `rules` must be specified"))
    if spec.get("defaultBackend") is not None:
        causes += _backend(spec["defaultBackend"], "spec.defaultBackend")
    for index, rule in enumerate(rules):
        where, host = f"spec.rules[{index}]", rule.get("host", "")
        if host:
            causes += _host(host, f"{where}.host")
        if rule.get("http") is not None:
            paths = rule["http"].get("paths") or ()
            if not paths:
                causes.append(required(f"{where}.http.paths"))
            for place, path in enumerate(paths):
                causes += _ingress_path(path, f"{where}.http.paths[{place}]")
    for index, tls in enumerate(spec.get("tls") or ()):
        for place, host in enumerate(tls.get("hosts") or ()):
            check = check_wildcard_dns if "*" in host else check_dns1123_subdomain
            causes += check_all(f"spec.tls[{index}].hosts[{place}]", host, check)
        if tls.get("secretName"):
            causes += dns_subdomain(f"spec.tls[{index}].secretName", tls["secretName"])
    if spec.get("ingressClassName") is not None:
        causes += dns_subdomain("spec.ingressClassName", spec["ingressClassName"])
    return causes


def _host(host: str, path: str) -> list[Cause]:
    causes: list[Cause] = []
    try:
        ipaddress.ip_address(host)
        causes.append(invalid(path, host, "must be a DNS name, not an IP address"))
    except ValueError:
        pass
    return causes + check_all(path, host, check_wildcard_dns if "*" in host else check_dns1123_subdomain)


def _ingress_path(given: Object, path: str) -> list[Cause]:
    kind, text = given.get("pathType"), given.get("path", "")
    if kind is None:
        return [required(f"{path}.pathType", "pathType must be specified")]
    causes: list[Cause] = []
    if kind in ("Exact", "Prefix"):
        if not text.startswith("/"):
            causes.append(invalid(f"{path}.path", text, "must be an absolute path"))
        causes += [invalid(f"{path}.path", text, f"must not contain '{bad}'") for bad in _BAD_PARTS if bad in text]
        causes += [invalid(f"{path}.path", text, f"cannot end with '{bad}'") for bad in _BAD_ENDS if text.endswith(bad)]
    elif kind == "ImplementationSpecific":
        if text and not text.startswith("/"):
            causes.append(invalid(f"{path}.path", text, "must be an absolute path"))
    else:
        causes.append(not_supported(f"{path}.pathType", kind, _PATH_TYPES))
    return causes + _backend(given.get("backend") or {}, f"{path}.backend")


def _backend(backend: Object, path: str) -> list[Cause]:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        return [invalid(path, "", "cannot set both resource and service backends")]
    if resource is not None:
        return _reference(resource, f"{path}.resource")
    if service is None:
        return [invalid(path, "", "resource or service backend is required")]
    causes = needs(f"{path}.service.name", service.get("name", ""), check_dns1123_label)
    name, number = (service.get("port") or {}).get("name", ""), (service.get("port") or {}).get("number", 0)
    if name and number:
        causes.append(invalid(path, "", "cannot set both port name & port number"))
    elif name:
        causes += check_all(f"{path}.service.port.name", name, check_port_name)
    elif number:
        causes += port_number(f"{path}.service.port.number", number)
    else:
        causes.append(required(path, "port name or number is required"))
    return causes


def _reference(reference: Object, path: str) -> list[Cause]:
    if reference.get("apiGroup") is None:
        causes = [required(f"{path}.apiGroup")] if reference.get("kind") == "" else []
    else:
        causes = check_all(f"{path}.apiGroup", reference["apiGroup"], check_dns1123_subdomain)
    return causes + [required(f"{path}.{field}") for field in ("kind", "name") if not reference.get(field)]


def _ingress_class(ingress_class: Object) -> list[Cause]:
    spec = ingress_class.get("spec") or {}
    controller, path = spec.get("controller", ""), "spec.controller"
    causes: list[Cause] = []
    if len(controller) > 250:
        causes.append(Cause("FieldValueTooLong", "Too long: may not be more than 250 bytes", path))
    domain, slash, rest = controller.partition("/")
    if not controller:
        causes.append(required(path))
    elif not slash or not domain or not rest:
        why = 'must be a domain-prefixed path (such as "acme.io/foo")'
        causes.append(invalid(path, controller, why))
    else:
        causes += check_all(path, domain, check_dns1123_subdomain)
    parameters = spec.get("parameters")
    if parameters is not None:
        causes += _class_parameters(parameters, "spec.parameters")
    return causes


def _class_parameters(parameters: Object, path: str) -> list[Cause]:
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    causes = [required(f"{path}.{field}") for field in ("kind", "name") if not parameters.get(field)]
    if scope is None:
        return [*causes, required(f"{path}.scope")]
    if scope == "Namespace" and namespace is None:
        causes.append(required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'"))
    if scope == "Cluster" and namespace is not None:
        causes.append(forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'"))
    if scope not in ("Cluster", "Namespace"):
        causes.append(not_supported(f"{path}.scope", scope, ("Cluster", "Namespace")))
    return causes


def _class_kept(new: Object, old: Object) -> list[Cause]:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    return unchanged("spec.controller", spec.get("controller"), before.get("controller"))


# Network policies ---------------------------------------------------------------------------------------------------


def _network_policy(policy: Object) -> list[Cause]:
    spec = policy.get("spec") or {}
    causes = label_selector(spec.get("podSelector"), "spec.podSelector")
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction) or ()):
            where = f"spec.{direction}[{index}]"
            for place, entry in enumerate(rule.get("ports") or ()):
                causes += _policy_port(entry, f"{where}.ports[{place}]")
            for place, peer in enumerate(rule.get(peers) or ()):
                causes += _peer(peer, f"{where}.{peers}[{place}]")
    types = spec.get("policyTypes") or []
    if len(types) > 2:
        return [*causes, invalid("spec.policyTypes", types, "may not specify more than two policyTypes")]
    for index, kind in enumerate(types):
        if kind not in ("Ingress", "Egress"):
            causes.append(not_supported(f"spec.policyTypes[{index}]", kind, ("Ingress", "Egress")))
    return causes


def _policy_port(entry: Object, path: str) -> list[Cause]:
    protocol, number, end = entry.get("protocol"), entry.get("port"), entry.get("endPort")
    causes: list[Cause] = []
    if protocol is not None and protocol not in _PROTOCOLS:
        causes.append(not_supported(f"{path}.protocol", protocol, _PROTOCOLS))
    if number is None:
        if end is not None:
            causes.append(invalid(f"{path}.endPort", end, "may not be specified when `port` is not specified"))
        return causes
    causes += port(f"{path}.port", number)
    if end is not None:
        if isinstance(number, str):
            causes.append(invalid(f"{path}.endPort", end, "may not be specified when `port` is non-numeric"))
        else:
            if end < number:
                causes.append(invalid(f"{path}.endPort", number, "must be greater than or equal to `port`"))
            causes += port_number(f"{path}.endPort", end)
    return causes


def _peer(peer: Object, path: str) -> list[Cause]:
    given = [field for field in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(field) is not None]
    causes: list[Cause] = []
    for field in given:
        if field != "ipBlock":
            causes += label_selector(peer[field], f"{path}.{field}")
    if "ipBlock" in given:
        causes += _ip_block(peer["ipBlock"], f"{path}.ipBlock")
    if not given:
        causes.append(required(path, "must specify a peer"))
    elif len(given) > 1 and "ipBlock" in given:
        causes.append(forbidden(path, "may not specify both ipBlock and another peer"))
    return causes


def _ip_block(block: Object, path: str) -> list[Cause]:
    text = block.get("cidr", "")
    if not text:
        return [required(f"{path}.cidr")]
    network, causes = find_network(text), cidr(f"{path}.cidr", text)
    for index, without in enumerate(block.get("except") or ()):
        where, inner = f"{path}.except[{index}]", find_network(without)
        if inner is None:
            causes.append(invalid(where, without, CIDR_TEXT))
        elif network is not None and (
            inner.version != network.version or inner.prefixlen <= network.prefixlen or not inner.subnet_of(network)  # type: ignore[arg-type]
        ):
            causes.append(invalid(where, without, "must be a strict subset of `cidr`"))
    return causes


# Service addresses --------------------------------------------------------------------------------------------------


def _service_cidr(service_cidr: Object) -> list[Cause]:
    texts = (service_cidr.get("spec") or {}).get("cidrs") or []
    if not texts:
        return [required("spec.cidrs", "at least one CIDR required")]
    if len(texts) > 2:
        return [invalid("spec", {"cidrs": texts}, "may only hold up to 2 values")]
    causes: list[Cause] = []
    found = []
    for index, text in enumerate(texts):
        network = find_network(text)
        if network is None:
            causes.append(invalid(f"spec.cidrs[{index}]", text, CIDR_TEXT))
        elif str(network) != text:
            why = f'must be in canonical form ("{network}")'
            causes.append(invalid(f"spec.cidrs[{index}]", text, why))
        else:
            found.append(network)
    if len(found) == 2 and found[0].version == found[1].version:
        causes.append(
            invalid(
                "spec.cidrs",
                texts,
                "may specify no more than one CIDR for each IP family, i.e 192.168.0.0/24 and 2001:db8::/96",
            )
        )
    return causes


def _cidrs_kept(new: Object, old: Object) -> list[Cause]:
    texts, before = (new.get("spec") or {}).get("cidrs") or [], (old.get("spec") or {}).get("cidrs") or []
    if len(before) == 1 and len(texts) == 2 and texts[0] == before[0]:
        return []  # from single to dual stack
    return unchanged("spec.cidrs", texts, before)


def check_canonical_ip(name: str) -> list[str]:
    try:
        address = str(ipaddress.ip_address(name))
    except ValueError:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return [] if address == name else [f'must be in canonical form ("{address}")']


def _ip_address(address: Object) -> list[Cause]:
    reference, path = (address.get("spec") or {}).get("parentRef"), "spec.parentRef"
    if reference is None:
        return [required(path)]
    causes: list[Cause] = []
    if reference.get("group"):
        causes += check_all(f"{path}.group", reference["group"], check_dns1123_subdomain)
    return causes + [required(f"{path}.{field}") for field in ("resource", "name") if not reference.get(field)]


def _parent_kept(new: Object, old: Object) -> list[Cause]:
    reference, before = (new.get("spec") or {}).get("parentRef"), (old.get("spec") or {}).get("parentRef")
    return unchanged("spec.parentRef", reference, before)


_GROUP = "networking.k8s.io/v1"

RULES = {
    f"{_GROUP} ingresses": (validator(_ingress), update_validator()),
    f"{_GROUP} ingressclasses": (validator(_ingress_class, namespaced=False), update_validator(_class_kept)),
    f"{_GROUP} networkpolicies": (validator(_network_policy), update_validator()),
    f"{_GROUP} servicecidrs": (validator(_service_cidr, namespaced=False), update_validator(_cidrs_kept)),
    f"{_GROUP} ipaddresses": (
        validator(_ip_address, check_name=check_canonical_ip, namespaced=False),
        update_validator(_parent_kept),
    ),
}
