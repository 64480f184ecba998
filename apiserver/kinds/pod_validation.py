"""What may stand in a pod spec. The essential rules of Kubernetes' pkg/apis/core/validation, in its words.

Validation runs after defaulting, so fields with a default are there. A rule that needs other objects (does the service
account exist?) is admission's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiserver.errors import Cause
from apiserver.kinds.metadata import validate_labels
from apiserver.kinds.schemas import find_type
from apiserver.meta import (
    at,
    check_dns1123_label,
    check_dns1123_subdomain,
    check_env_name,
    check_port_name,
    check_qualified_name,
    child,
    duplicate,
    forbidden,
    invalid,
    not_found_value,
    not_supported,
    parse_quantity,
    required,
)

Object = dict[str, Any]

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
PROTOCOLS = ("SCTP", "TCP", "UDP")
TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
NODE_OPERATORS = ("DoesNotExist", "Exists", "Gt", "In", "Lt", "NotIn")

NOT_NEGATIVE = "must be greater than or equal to 0"
PORT_RANGE = "must be between 1 and 65535, inclusive"


def validate_pod_spec(spec: Object, path: str, restart_policies: tuple[str, ...] = RESTART_POLICIES) -> list[Cause]:
    """Everything wrong with a pod spec at `path`."""
    volumes, causes = _validate_volumes(spec.get("volumes") or [], child(path, "volumes"))
    causes += _validate_containers(spec, path, volumes)
    if spec.get("restartPolicy") not in restart_policies:
        causes.append(not_supported(child(path, "restartPolicy"), spec.get("restartPolicy", ""), restart_policies))
    if spec.get("dnsPolicy") not in DNS_POLICIES:
        causes.append(not_supported(child(path, "dnsPolicy"), spec.get("dnsPolicy", ""), DNS_POLICIES))
    causes += validate_labels(spec.get("nodeSelector") or {}, child(path, "nodeSelector"))
    for field, check in (
        ("serviceAccountName", check_dns1123_subdomain),
        ("nodeName", check_dns1123_subdomain),
        ("priorityClassName", check_dns1123_subdomain),
        ("schedulerName", check_dns1123_subdomain),
        ("hostname", check_dns1123_label),
        ("subdomain", check_dns1123_label),
    ):
        value = spec.get(field)
        if value:
            causes += [invalid(child(path, field), value, why) for why in check(value)]
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        value = spec["terminationGracePeriodSeconds"]
        causes.append(invalid(child(path, "terminationGracePeriodSeconds"), value, NOT_NEGATIVE))
    deadline = spec.get("activeDeadlineSeconds", 1)
    if not 1 <= deadline <= 2**31 - 1:
        why = "must be between 1 and 2147483647, inclusive"
        causes.append(invalid(child(path, "activeDeadlineSeconds"), deadline, why))
    causes += _validate_tolerations(spec.get("tolerations") or [], child(path, "tolerations"))
    causes += _validate_affinity(spec.get("affinity") or {}, child(path, "affinity"))
    causes += _validate_spread(spec.get("topologySpreadConstraints") or [], child(path, "topologySpreadConstraints"))
    return causes + _validate_gates(spec, path)


# Containers ---------------------------------------------------------------------------------------------------------


def _validate_containers(spec: Object, path: str, volumes: set[str]) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    if not spec.get("containers"):
        causes.append(required(child(path, "containers")))
    for name in ("containers", "initContainers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(name) or ()):
            where = at(child(path, name), index)
            causes += _validate_container(container, where, volumes)
            if container.get("name") in seen:
                causes.append(duplicate(child(where, "name"), container["name"]))
            seen.add(container.get("name", ""))
            policy = container.get("restartPolicy")
            if policy is not None and name == "containers":
                causes.append(forbidden(child(where, "restartPolicy"), "may not be set for non-init containers"))
            elif policy is not None and policy != "Always":
                causes.append(not_supported(child(where, "restartPolicy"), policy, ("Always",)))
    return causes


def _validate_container(container: Object, path: str, volumes: set[str]) -> list[Cause]:
    name, image = container.get("name", ""), container.get("image", "")
    causes: list[Cause] = []
    if not name:
        causes.append(required(child(path, "name")))
    else:
        causes += [invalid(child(path, "name"), name, why) for why in check_dns1123_label(name)]
    if not image:
        causes.append(required(child(path, "image")))
    elif image != image.strip():
        causes.append(invalid(child(path, "image"), image, "must not have leading or trailing whitespace"))
    policy = container.get("terminationMessagePolicy")
    if policy not in MESSAGE_POLICIES:
        causes.append(not_supported(child(path, "terminationMessagePolicy"), policy, MESSAGE_POLICIES))
    causes += _validate_ports(container.get("ports") or [], child(path, "ports"))
    causes += _validate_env(container.get("env") or [], child(path, "env"))
    causes += _validate_mounts(container.get("volumeMounts") or [], child(path, "volumeMounts"), volumes)
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe in container:
            causes += _validate_probe(container[probe], child(path, probe), once=probe != "readinessProbe")
    if container.get("imagePullPolicy") not in PULL_POLICIES:
        causes.append(not_supported(child(path, "imagePullPolicy"), container.get("imagePullPolicy"), PULL_POLICIES))
    return causes + validate_resources(container.get("resources") or {}, child(path, "resources"))


def _validate_ports(ports: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        where = at(path, index)
        name, number, host = port.get("name"), port.get("containerPort", 0), port.get("hostPort", 0)
        if name:
            problems = check_port_name(name)
            causes += [invalid(child(where, "name"), name, why) for why in problems]
            if not problems and name in names:
                causes.append(duplicate(child(where, "name"), name))
            names.add(name)
        if number == 0:
            causes.append(required(child(where, "containerPort")))
        elif not 1 <= number <= 65535:
            causes.append(invalid(child(where, "containerPort"), number, PORT_RANGE))
        if host != 0 and not 1 <= host <= 65535:
            causes.append(invalid(child(where, "hostPort"), host, PORT_RANGE))
        if port.get("protocol") not in PROTOCOLS:
            causes.append(not_supported(child(where, "protocol"), port.get("protocol", ""), PROTOCOLS))
    return causes


def _validate_env(variables: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, variable in enumerate(variables):
        where, name = at(path, index), variable.get("name", "")
        if not name:
            causes.append(required(child(where, "name")))
        else:
            causes += [invalid(child(where, "name"), name, why) for why in check_env_name(name)]
        source = variable.get("valueFrom")
        if source is not None:
            if variable.get("value"):
                why = "may not be specified when `value` is not empty"
                causes.append(invalid(child(where, "valueFrom"), "", why))
            if not source:
                why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef`, or `fileKeyRef`"  # noqa: E501
                causes.append(invalid(child(where, "valueFrom"), "", why))
            elif len(source) > 1:
                why = "may not have more than one field specified at a time"
                causes.append(invalid(child(where, "valueFrom"), "", why))
    return causes


def _validate_mounts(mounts: list[Object], path: str, volumes: set[str]) -> list[Cause]:
    causes: list[Cause] = []
    paths: set[str] = set()
    for index, mount in enumerate(mounts):
        where, name, place = at(path, index), mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            causes.append(required(child(where, "name")))
        elif name not in volumes:
            causes.append(not_found_value(child(where, "name"), name))
        if not place:
            causes.append(required(child(where, "mountPath")))
        elif place in paths:
            causes.append(invalid(child(where, "mountPath"), place, "must be unique"))
        paths.add(place)
    return causes


_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")


def _validate_probe(probe: Object, path: str, *, once: bool) -> list[Cause]:
    """once: liveness and startup succeed at the first success."""
    causes: list[Cause] = []
    handlers = [name for name in _PROBE_HANDLERS if name in probe]
    if not handlers:
        causes.append(required(path, "must specify a handler type"))
    for extra in handlers[1:]:
        causes.append(forbidden(child(path, extra), "may not specify more than 1 handler type"))
    for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if probe.get(field, 0) < 0:
            causes.append(invalid(child(path, field), probe[field], NOT_NEGATIVE))
    if once and probe.get("successThreshold") != 1:
        causes.append(invalid(child(path, "successThreshold"), probe.get("successThreshold"), "must be 1"))
    return causes


def validate_resources(resources: Object, path: str) -> list[Cause]:
    """Amounts are not negative and no request is over its limit."""
    causes: list[Cause] = []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            where = at(child(path, field), name)
            causes += [invalid(where, name, why) for why in check_qualified_name(name)]
            if parse_quantity(amount) < 0:
                causes.append(invalid(where, amount, NOT_NEGATIVE))
    for name, amount in requests.items():
        if name in limits and parse_quantity(amount) > parse_quantity(limits[name]):
            why = f"must be less than or equal to {name} limit of {limits[name]}"
            causes.append(invalid(child(path, "requests"), amount, why))
    return causes


# Volumes ------------------------------------------------------------------------------------------------------------


def _validate_volumes(volumes: list[Object], path: str) -> tuple[set[str], list[Cause]]:
    """The names that containers may mount, and what is wrong."""
    causes: list[Cause] = []
    names: set[str] = set()
    sources = find_type("core.v1.Volume").fields
    for index, volume in enumerate(volumes):
        where, name = at(path, index), volume.get("name", "")
        given = [field for field in volume if field in sources and field != "name"]
        for extra in given[1:]:
            causes.append(forbidden(child(where, extra), "may not specify more than 1 volume type"))
        if not given:
            causes.append(required(where, "must specify a volume type"))
        if not name:
            causes.append(required(child(where, "name")))
            continue
        causes += [invalid(child(where, "name"), name, why) for why in check_dns1123_label(name)]
        if name in names:
            causes.append(duplicate(child(where, "name"), name))
        names.add(name)
    return names, causes


# Scheduling ---------------------------------------------------------------------------------------------------------


def _validate_tolerations(tolerations: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, toleration in enumerate(tolerations):
        where = at(path, index)
        key, operator = toleration.get("key", ""), toleration.get("operator", "")
        if key:
            causes += [invalid(child(where, "key"), key, why) for why in check_qualified_name(key)]
        elif operator != "Exists":
            why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            causes.append(invalid(child(where, "operator"), operator, why))
        if operator not in ("", "Equal", "Exists"):
            causes.append(not_supported(child(where, "operator"), operator, ("Equal", "Exists")))
        if operator == "Exists" and toleration.get("value"):
            why = "value must be empty when `operator` is 'Exists'"
            causes.append(invalid(child(where, "operator"), operator, why))
        effect = toleration.get("effect", "")
        if effect and effect not in TAINT_EFFECTS:
            causes.append(not_supported(child(where, "effect"), effect, TAINT_EFFECTS))
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            causes.append(invalid(child(where, "effect"), effect, why))
    return causes


def _terms(affinity: Object, path: str, field: str) -> Iterator[tuple[str, Object]]:
    """Required and preferred pod terms, with their paths."""
    for index, term in enumerate(affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()):
        yield at(child(path, "requiredDuringSchedulingIgnoredDuringExecution"), index), term
    for index, weighted in enumerate(affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
        where = at(child(path, "preferredDuringSchedulingIgnoredDuringExecution"), index)
        yield child(where, field), weighted.get(field) or {}


def _validate_affinity(affinity: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    nodes = affinity.get("nodeAffinity") or {}
    needed = nodes.get("requiredDuringSchedulingIgnoredDuringExecution")
    if needed is not None:
        where = child(path, "nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms")
        if not needed.get("nodeSelectorTerms"):
            causes.append(required(where, "must have at least one node selector term"))
        for index, term in enumerate(needed.get("nodeSelectorTerms") or ()):
            causes += _validate_node_term(term, at(where, index))
    for kind in ("nodeAffinity", "podAffinity", "podAntiAffinity"):
        rules, where = affinity.get(kind) or {}, child(path, kind)
        for index, weighted in enumerate(rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
            weight = weighted.get("weight", 0)
            if not 1 <= weight <= 100:
                place = at(child(where, "preferredDuringSchedulingIgnoredDuringExecution"), index)
                causes.append(invalid(child(place, "weight"), weight, "must be in the range 1-100"))
        if kind != "nodeAffinity":
            for place, term in _terms(rules, where, "podAffinityTerm"):
                if not term.get("topologyKey"):
                    causes.append(required(child(place, "topologyKey"), "can not be empty"))
    return causes


def _validate_node_term(term: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        where, operator = at(child(path, "matchExpressions"), index), expression.get("operator", "")
        values = expression.get("values") or []
        if operator not in NODE_OPERATORS:
            causes.append(invalid(child(where, "operator"), operator, "not a valid selector operator"))
        elif operator in ("In", "NotIn") and not values:
            causes.append(required(child(where, "values"), "must be specified when `operator` is 'In' or 'NotIn'"))
        elif operator in ("Exists", "DoesNotExist") and values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            causes.append(forbidden(child(where, "values"), why))
        elif operator in ("Gt", "Lt") and len(values) != 1:
            why = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            causes.append(required(child(where, "values"), why))
    return causes


def _validate_spread(constraints: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    choices = ("DoNotSchedule", "ScheduleAnyway")
    for index, constraint in enumerate(constraints):
        where = at(path, index)
        if constraint.get("maxSkew", 0) <= 0:
            causes.append(invalid(child(where, "maxSkew"), constraint.get("maxSkew", 0), "must be greater than zero"))
        if not constraint.get("topologyKey"):
            causes.append(required(child(where, "topologyKey"), "can not be empty"))
        if constraint.get("whenUnsatisfiable") not in choices:
            said = constraint.get("whenUnsatisfiable", "")
            causes.append(not_supported(child(where, "whenUnsatisfiable"), said, choices))
    return causes


def _validate_gates(spec: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        where, name = at(child(path, "schedulingGates"), index), gate.get("name", "")
        causes += [invalid(where, name, why) for why in check_qualified_name(name)]
        if name in names:
            causes.append(duplicate(where, name))
        names.add(name)
    return causes
