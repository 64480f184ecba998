"""What may stand in a pod spec: of a pod, and of the templates of workloads.

Validation runs after defaulting, so fields with a default are there. A rule that needs other objects (does the service
account exist?) is admission's. Source of rules and words: Kubernetes pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.errors import Cause
from apiserver.kinds.metadata import validate_annotations, validate_labels
from apiserver.kinds.validation import containers as of_containers
from apiserver.kinds.validation import placement, security
from apiserver.kinds.validation.resources import resource_requirements
from apiserver.kinds.validation.values import (
    MAX_INT32,
    Object,
    check_all,
    choice,
    dns_label,
    dns_subdomain,
    ip,
    label_name,
)
from apiserver.kinds.validation.volumes import pod_volumes
from apiserver.meta import (
    check_dns1123_label,
    check_dns1123_subdomain,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")

_NAMES = (
    ("serviceAccountName", check_dns1123_subdomain),
    ("nodeName", check_dns1123_subdomain),
    ("hostname", check_dns1123_label),
    ("subdomain", check_dns1123_label),
    ("priorityClassName", check_dns1123_subdomain),
    ("runtimeClassName", check_dns1123_subdomain),
    ("schedulerName", check_dns1123_subdomain),
)
_MAX_NAMESERVERS = 3
_MAX_SEARCHES = 32
_MAX_SEARCH_CHARS = 2048


def pod_spec(spec: Object, path: str) -> list[Cause]:
    """Everything wrong with a pod spec at `path`."""
    get: Callable[..., Any] = spec.get
    volumes, causes = pod_volumes(get("volumes") or [], f"{path}.volumes")
    claims: tuple[str, ...] = ()
    if get("resourceClaims"):
        claims = tuple(claim.get("name", "") for claim in get("resourceClaims"))
        causes += _resource_claims(get("resourceClaims"), f"{path}.resourceClaims")
    around = of_containers.Surroundings(
        volumes, claims, get("restartPolicy", ""), get("terminationGracePeriodSeconds", 30), get("hostUsers", True)
    )
    causes += of_containers.containers(spec, path, around)
    if get("resources"):
        causes += resource_requirements(get("resources"), f"{path}.resources", claims)
    if get("hostNetwork"):
        causes += of_containers.host_network(spec, path)
    if get("restartPolicy") not in RESTART_POLICIES:
        causes += choice(f"{path}.restartPolicy", get("restartPolicy"), RESTART_POLICIES)
    if get("dnsPolicy") not in DNS_POLICIES:
        causes += choice(f"{path}.dnsPolicy", get("dnsPolicy"), DNS_POLICIES)
    if get("nodeSelector"):
        causes += validate_labels(get("nodeSelector"), f"{path}.nodeSelector")
    if get("securityContext"):
        causes += security.pod_context(get("securityContext"), spec, f"{path}.securityContext")
    if get("affinity"):
        causes += placement.affinity(get("affinity"), f"{path}.affinity")
    if get("dnsConfig") or get("dnsPolicy") == "None":
        causes += _dns_config(spec, f"{path}.dnsConfig")
    for index, gate in enumerate(get("readinessGates") or ()):
        causes += label_name(f"{path}.readinessGates[{index}].conditionType", gate.get("conditionType", ""))
    if get("schedulingGates"):
        causes += _gates(get("schedulingGates"), f"{path}.schedulingGates")
    if get("topologySpreadConstraints"):
        causes += placement.spread(get("topologySpreadConstraints"), f"{path}.topologySpreadConstraints")
    if get("hostUsers") is False:
        causes += security.host_users(spec, path)
    for field, check in _NAMES:
        value = get(field)
        if value:
            problems = check(value)
            if problems:
                causes += [invalid(f"{path}.{field}", value, why) for why in problems]
    deadline = get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= MAX_INT32:
        why = f"must be between 1 and {MAX_INT32}, inclusive"
        causes.append(invalid(f"{path}.activeDeadlineSeconds", deadline, why))
    if get("tolerations"):
        causes += placement.tolerations(get("tolerations"), f"{path}.tolerations")
    if get("hostAliases"):
        causes += _host_aliases(get("hostAliases"), f"{path}.hostAliases")
    if get("preemptionPolicy") not in (None, *PREEMPTION_POLICIES):
        causes += choice(f"{path}.preemptionPolicy", get("preemptionPolicy"), PREEMPTION_POLICIES)
    if get("overhead"):
        causes += resource_requirements({"limits": get("overhead")}, f"{path}.overhead")
    if get("os") is not None:
        causes += _os(get("os"), f"{path}.os.name")
    return causes


def only_of_pods(spec: Object, path: str) -> list[Cause]:
    """Rules of pods that templates do not have."""
    causes: list[Cause] = []
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            image = container.get("image")
            if image and (image[0].isspace() or image[-1].isspace()):
                causes += of_containers.trimmed_image(container, f"{path}.{field}[{index}]")
    if not spec.get("serviceAccountName"):
        causes += _tokens_without_account(spec, path)
    return causes


def _tokens_without_account(spec: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, volume in enumerate(spec.get("volumes") or ()):
        for place, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            if source.get("serviceAccountToken") is not None:
                where = f"{path}.volumes[{index}].projected.sources[{place}].serviceAccountToken"
                causes.append(forbidden(where, "must not be specified when serviceAccountName is not set"))
    return causes


def pod_template(template: Object, path: str) -> list[Cause]:
    """The template of a workload's pods."""
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    causes = validate_labels(metadata.get("labels") or {}, f"{path}.labels")
    causes += validate_annotations(metadata.get("annotations") or {}, f"{path}.annotations")
    causes += pod_spec(spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        why = "ephemeral containers not allowed in pod template"
        causes.append(forbidden(f"{path}.spec.ephemeralContainers", why))
    return causes


def lasting_template(template: Object, path: str, kind: str, *, is_whole: bool = True) -> list[Cause]:
    """The template of pods that are to run for ever: they restart, and have no deadline.

    is_whole: the pods are of the template alone. Those of a StatefulSet get volumes beside it, so their spec is judged when they
    are made, as Kubernetes does.
    """
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    if is_whole:
        causes = pod_template(template, path)
    else:
        causes = validate_labels(metadata.get("labels") or {}, f"{path}.labels")
        causes += validate_annotations(metadata.get("annotations") or {}, f"{path}.annotations")
    policy = spec.get("restartPolicy", "")
    if policy != "Always" and (policy in RESTART_POLICIES or not is_whole):
        causes.append(not_supported(f"{path}.spec.restartPolicy", policy, ("Always",)))
    if spec.get("activeDeadlineSeconds") is not None:
        why = f"activeDeadlineSeconds in {kind} is not Supported"
        causes.append(forbidden(f"{path}.spec.activeDeadlineSeconds", why))
    return causes


def _dns_config(spec: Object, path: str) -> list[Cause]:
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.get("nameservers"):
            why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [required(f"{path}.nameservers", why)]
    config = config or {}
    servers, searches = config.get("nameservers") or (), config.get("searches") or ()
    causes: list[Cause] = []
    if len(servers) > _MAX_NAMESERVERS:
        why = f"must not have more than {_MAX_NAMESERVERS} nameservers"
        causes.append(invalid(f"{path}.nameservers", servers, why))
    for index, server in enumerate(servers):
        causes += ip(f"{path}.nameservers[{index}]", server)
    if len(searches) > _MAX_SEARCHES:
        causes.append(invalid(f"{path}.searches", searches, f"must not have more than {_MAX_SEARCHES} search paths"))
    if sum(map(len, searches)) + max(len(searches) - 1, 0) > _MAX_SEARCH_CHARS:
        why = f"must not have more than {_MAX_SEARCH_CHARS} characters (including spaces) in the search list"
        causes.append(invalid(f"{path}.searches", searches, why))
    for index, search in enumerate(searches):
        name = search.removesuffix(".")  # underscores are allowed here, as in names of services of DNS
        if name:
            causes += dns_subdomain(f"{path}.searches[{index}]", name.replace("_", "a"))
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            causes.append(required(f"{path}.options[{index}]", "must not be empty"))
    return causes


def _gates(gates: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    for index, gate in enumerate(gates):
        name = gate.get("name", "")
        causes += label_name(f"{path}[{index}]", name)
        if name in names:
            causes.append(duplicate(f"{path}[{index}]", name))
        names.add(name)
    return causes


def _host_aliases(aliases: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, alias in enumerate(aliases):
        causes += ip(f"{path}[{index}].ip", alias.get("ip", ""))
        for place, name in enumerate(alias.get("hostnames") or ()):
            causes += dns_subdomain(f"{path}[{index}].hostnames[{place}]", name)
    return causes


def _os(given: Object, path: str) -> list[Cause]:
    name = given.get("name", "")
    if not name:
        return [required(path, "cannot be empty")]
    return [] if name in ("linux", "windows") else [not_supported(path, name, ("linux", "windows"))]


def _resource_claims(claims: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    for index, claim in enumerate(claims):
        where, name = f"{path}[{index}]", claim.get("name", "")
        if not name:
            causes.append(required(f"{where}.name"))
        else:
            causes += dns_label(f"{where}.name", name)
            if name in names:
                causes.append(duplicate(f"{where}.name", name))
            names.add(name)
        given = [field for field in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(field) is not None]
        if len(given) > 1:
            why = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            causes.append(invalid(where, claim, why))
        elif not given:
            why = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            causes.append(invalid(where, claim, why))
        for field in given:
            causes += check_all(f"{where}.{field}", claim[field], check_dns1123_subdomain)
    return causes
