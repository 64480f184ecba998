"""Namespaces, nodes, priority classes, runtime classes, leases and certificate requests."""

from __future__ import annotations

from base64 import b64decode

from apiserver.errors import Cause
from apiserver.kinds.metadata import update_validator, validate_finalizer, validate_labels, validator
from apiserver.kinds.validation.placement import TAINT_EFFECTS, tolerations
from apiserver.kinds.validation.resources import resource_amount, resource_list, resource_name
from apiserver.kinds.validation.values import (
    NOT_NEGATIVE,
    Object,
    check_all,
    choice,
    cidr,
    find_network,
    label_name,
    label_value,
    unchanged,
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

MAX_USER_PRIORITY = 1_000_000_000
SYSTEM_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")

USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel",
    "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
    "server auth", "signing", "timestamping",
)  # fmt: skip


def _namespace(namespace: Object) -> list[Cause]:
    finalizers = (namespace.get("spec") or {}).get("finalizers") or ()
    return [cause for name in finalizers for cause in validate_finalizer(name, "spec.finalizers")]


# Nodes --------------------------------------------------------------------------------------------------------------


def _node(node: Object) -> list[Cause]:
    spec, status = node.get("spec") or {}, node.get("status") or {}
    causes: list[Cause] = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(spec.get("taints") or ()):
        where, key, effect = f"spec.taints[{index}]", taint.get("key", ""), taint.get("effect", "")
        causes += label_name(f"{where}.key", key)
        causes += label_value(f"{where}.value", taint.get("value", ""))
        causes += choice(f"{where}.effect", effect, TAINT_EFFECTS)
        if (key, effect) in seen:
            cause = duplicate(where, taint)
            causes.append(cause._replace(message=f"{cause.message}: taints must be unique by key and effect pair"))
        seen.add((key, effect))
    causes += node_amounts(status)
    networks = spec.get("podCIDRs") or []
    for index, text in enumerate(networks):
        causes += cidr(f"spec.podCIDRs[{index}]", text)
    if len(networks) > 1:
        found = [find_network(text) for text in networks]
        if len(networks) > 2 or (None not in found and found[0].version == found[1].version):  # type: ignore[union-attr]
            why = "may specify no more than one CIDR for each IP family"
            causes.append(invalid("spec.podCIDRs", networks, why))
    return causes


def node_amounts(status: Object) -> list[Cause]:
    """What a node says it has; it may name it as it likes."""
    return [
        cause
        for field in ("capacity", "allocatable")
        for name, amount in (status.get(field) or {}).items()
        for cause in resource_amount(f"status.{field}[{name}]", name, amount)
    ]


def _node_change(node: Object, old: Object) -> list[Cause]:
    spec, before = node.get("spec") or {}, old.get("spec") or {}
    causes: list[Cause] = []
    if before.get("podCIDRs") and spec.get("podCIDRs") != before["podCIDRs"]:
        causes.append(forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid'))
    if before.get("providerID") and spec.get("providerID") != before["providerID"]:
        causes.append(forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid'))
    return causes


# Classes ------------------------------------------------------------------------------------------------------------


def _priority_class(priority_class: Object) -> list[Cause]:
    name, value = priority_class["metadata"].get("name", ""), priority_class.get("value", 0)
    causes: list[Cause] = []
    if name.startswith("system-"):
        if SYSTEM_PRIORITIES.get(name) != value:
            known = f"value of {name} PriorityClass must be {SYSTEM_PRIORITIES.get(name)}"
            why = known if name in SYSTEM_PRIORITIES else f"{name} is not a known system priority class"
            text = "priority class names with 'system-' prefix are reserved for system use only"
            causes.append(forbidden("metadata.name", f"{text}. error: {why}"))
    elif value > MAX_USER_PRIORITY:
        why = f"maximum allowed value of a user defined priority is {MAX_USER_PRIORITY}"
        causes.append(forbidden("value", why))
    return causes + choice("preemptionPolicy", priority_class.get("preemptionPolicy"), PREEMPTION_POLICIES)


def _priority_class_change(priority_class: Object, old: Object) -> list[Cause]:
    causes: list[Cause] = []
    if priority_class.get("value", 0) != old.get("value", 0):
        causes.append(forbidden("value", "may not be changed in an update."))
    return causes + unchanged("preemptionPolicy", priority_class.get("preemptionPolicy"), old.get("preemptionPolicy"))


def _runtime_class(runtime_class: Object) -> list[Cause]:
    causes = check_all("handler", runtime_class.get("handler", ""), check_dns1123_label)
    fixed = (runtime_class.get("overhead") or {}).get("podFixed") or {}
    causes += resource_list(fixed, "overhead.podFixed", resource_name)
    scheduling = runtime_class.get("scheduling") or {}
    causes += validate_labels(scheduling.get("nodeSelector") or {}, "scheduling.nodeSelector")
    return causes + tolerations(scheduling.get("tolerations") or [], "scheduling.tolerations")


# Leases -------------------------------------------------------------------------------------------------------------


def _lease(lease: Object) -> list[Cause]:
    spec = lease.get("spec") or {}
    causes: list[Cause] = []
    if spec.get("leaseDurationSeconds") is not None and spec["leaseDurationSeconds"] <= 0:
        causes.append(invalid("spec.leaseDurationSeconds", spec["leaseDurationSeconds"], "must be greater than 0"))
    if spec.get("leaseTransitions") is not None and spec["leaseTransitions"] < 0:
        causes.append(invalid("spec.leaseTransitions", spec["leaseTransitions"], NOT_NEGATIVE))
    strategy = spec.get("strategy")
    if strategy is not None:
        if "/" in strategy:
            causes += label_name("spec.strategy", strategy)
        elif strategy != "OldestEmulationVersion":
            causes.append(not_supported("spec.strategy", strategy, ("OldestEmulationVersion",)))
    if spec.get("preferredHolder") and not strategy:
        causes.append(forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined"))
    return causes


# Certificate requests -----------------------------------------------------------------------------------------------

_MIN_EXPIRATION_S = 600


def signer_name(name: str, path: str) -> list[Cause]:
    """A domain and a path: example.com/signer-name."""
    if not name:
        return [required(path)]
    domain, slash, rest = name.partition("/")
    if not slash or "/" in rest:
        why = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [invalid(path, name, why)]
    causes = check_all(path, domain, check_dns1123_subdomain)
    if domain.count(".") < 1:
        causes.append(invalid(path, domain, "should be a domain with at least two segments separated by dots"))
    if not rest:
        causes.append(invalid(path, rest, "must be non-empty"))
    elif check_dns1123_subdomain(rest):
        causes += check_all(path, rest, check_dns1123_subdomain)
    return causes


def _certificate_request(request: Object) -> list[Cause]:
    spec, usages = request.get("spec") or {}, (request.get("spec") or {}).get("usages") or []
    causes: list[Cause] = []
    if not usages:
        causes.append(required("spec.usages"))
    if b"CERTIFICATE REQUEST-----" not in b64decode(spec.get("request") or ""):
        causes.append(invalid("spec.request", spec.get("request"), "PEM block type must be CERTIFICATE REQUEST"))
    for index, usage in enumerate(usages):
        if usage not in USAGES:
            causes.append(not_supported(f"spec.usages[{index}]", usage, USAGES))
        elif usage in usages[:index]:
            causes.append(duplicate(f"spec.usages[{index}]", usage))
    if spec.get("signerName") == "kubernetes.io/legacy-unknown" and "resourceVersion" not in request["metadata"]:
        why = "the legacy signerName is not allowed via this API version"
        causes.append(invalid("spec.signerName", spec["signerName"], why))
    else:
        causes += signer_name(spec.get("signerName", ""), "spec.signerName")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _MIN_EXPIRATION_S:
        why = "may not specify a duration less than 600 seconds (10 minutes)"
        causes.append(invalid("spec.expirationSeconds", seconds, why))
    return causes + decisions((request.get("status") or {}).get("conditions") or [])


def decisions(conditions: list[Object]) -> list[Cause]:
    """Approved and Denied: one of them at most, once, and True."""
    causes: list[Cause] = []
    kinds = [condition.get("type", "") for condition in conditions]
    for index, condition in enumerate(conditions):
        where, kind, status = f"status.conditions[{index}]", kinds[index], condition.get("status", "")
        if not kind:
            causes.append(required(f"{where}.type"))
        if kind in kinds[:index]:
            causes.append(duplicate(f"{where}.type", kind))
        if kind in ("Approved", "Denied", "Failed"):
            if status != "True":
                causes.append(
                    not_supported(f"{where}.status", status, ("True",)) if status else required(f"{where}.status")
                )
        else:
            causes += choice(f"{where}.status", status, ("False", "True", "Unknown"))
    if "Approved" in kinds and "Denied" in kinds:
        index = max(kinds.index("Approved"), kinds.index("Denied"))
        why = "Approved and Denied conditions are mutually exclusive"
        causes.append(invalid(f"status.conditions[{index}].type", kinds[index], why))
    return causes


def _certificate_change(request: Object, old: Object) -> list[Cause]:
    """A decision stays; so does a certificate."""
    causes: list[Cause] = []
    now = [condition.get("type") for condition in (request.get("status") or {}).get("conditions") or ()]
    for condition in (old.get("status") or {}).get("conditions") or ():
        if condition.get("type") in ("Approved", "Denied", "Failed") and condition["type"] not in now:
            why = f'updates may not remove a condition of type "{condition["type"]}"'
            causes.append(forbidden("status.conditions", why))
    had = (old.get("status") or {}).get("certificate")
    if had and (request.get("status") or {}).get("certificate") != had:
        causes.append(forbidden("status.certificate", "updates may not change a certificate that has been issued"))
    return causes


RULES = {
    "v1 namespaces": (validator(_namespace, check_name=check_dns1123_label, namespaced=False), update_validator()),
    "v1 nodes": (validator(_node, namespaced=False), update_validator(_node_change)),
    "scheduling.k8s.io/v1 priorityclasses": (
        validator(_priority_class, namespaced=False),
        update_validator(_priority_class_change),
    ),
    "node.k8s.io/v1 runtimeclasses": (
        validator(_runtime_class, namespaced=False),
        update_validator(lambda new, old: unchanged("handler", new.get("handler"), old.get("handler"))),
    ),
    "coordination.k8s.io/v1 leases": (validator(_lease), update_validator()),
    "certificates.k8s.io/v1 certificatesigningrequests": (
        validator(_certificate_request, namespaced=False),
        update_validator(_certificate_change),
    ),
}
