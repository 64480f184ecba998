"""Containers of a pod: plain ones, init containers and ephemeral ones.

All three share `_common`; what each may have beside that differs. Paths are built where they are needed: a pod that is in order
is told apart from one that is not in tens of microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from apiserver.errors import Cause
from apiserver.kinds.validation.pod_fields import ENV_FIELDS, field_ref, resource_ref
from apiserver.kinds.validation.resources import resource_requirements
from apiserver.kinds.validation.security import container_context
from apiserver.kinds.validation.values import (
    NOT_NEGATIVE,
    PORT_RANGE,
    Object,
    check_all,
    choice,
    descending_path,
    dns_label,
    no_backsteps,
    port,
)
from apiserver.meta import (
    check_config_key,
    check_dns1123_subdomain,
    check_env_name,
    check_port_name,
    duplicate,
    forbidden,
    invalid,
    not_found_value,
    not_supported,
    required,
)

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
PROTOCOLS = ("SCTP", "TCP", "UDP")

_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_EPHEMERAL_FIELDS = frozenset((
    "name", "image", "command", "args", "workingDir", "envFrom", "env", "resources", "volumeMounts", "volumeDevices",
    "terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy", "securityContext", "stdin", "stdinOnce",
    "tty", "targetContainerName",
))  # fmt: skip
_EMPTY: tuple[Any, ...] = ([], {}, "", None)
_HEADER = re.compile("[-A-Za-z0-9]+")
_HEADER_TEXT = (
    "a valid HTTP header must consist of alphanumeric characters or '-' "
    "(e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"
)
_ENV_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")


class Surroundings(NamedTuple):
    """What a container is judged by beside itself. claims: the names of the pod's resource claims."""

    volumes: Mapping[str, Object]
    claims: tuple[str, ...]
    restart_policy: str
    grace_s: int
    host_users: bool


def containers(spec: Object, path: str, around: Surroundings) -> list[Cause]:
    """Everything wrong with the three lists of containers."""
    causes: list[Cause] = []
    given = spec.get("containers")
    names: dict[str, None] = {}
    if not given:
        causes.append(required(f"{path}.containers"))
    for index, container in enumerate(given or ()):
        where = f"{path}.containers[{index}]"
        causes += _common(container, where, around)
        causes += _named_once(container, where, names)
        causes += _restart(container, where)
        causes += _served(container, where, around)
    causes += _host_ports(given or (), f"{path}.containers")
    for index, container in enumerate(spec.get("initContainers") or ()):
        where = f"{path}.initContainers[{index}]"
        causes += _common(container, where, around)
        causes += _named_once(container, where, names)
        causes += _host_ports((container,), f"{path}.initContainers")
        causes += _restart(container, where)
        if container.get("restartPolicy") == "Always":
            causes += _served(container, where, around)
            continue
        causes += [
            forbidden(f"{where}.{field}", "may not be set for init containers without restartPolicy=Always")
            for field in ("lifecycle", *_PROBES)
            if container.get(field) is not None
        ]
        if container.get("resizePolicy"):
            causes.append(
                invalid(f"{where}.resizePolicy", container["resizePolicy"], "must not be set for init containers")
            )
    if spec.get("ephemeralContainers"):
        causes += _ephemeral(spec["ephemeralContainers"], f"{path}.ephemeralContainers", around, names)
    return causes


def _named_once(container: Object, path: str, names: dict[str, None]) -> list[Cause]:
    name = container.get("name", "")
    if name in names:
        return [duplicate(f"{path}.name", name)]
    names[name] = None
    return []


def _ephemeral(given: list[Object], path: str, around: Surroundings, names: dict[str, None]) -> list[Cause]:
    causes: list[Cause] = []
    others = tuple(names)
    for index, container in enumerate(given):
        where = f"{path}[{index}]"
        causes += _common(container, where, around)
        causes += trimmed_image(container, where)
        causes += _named_once(container, where, names)
        target = container.get("targetContainerName")
        if target and target not in others:
            causes.append(not_found_value(f"{where}.targetContainerName", target))
        for field, value in container.items():
            if field not in _EPHEMERAL_FIELDS and value not in _EMPTY:
                causes.append(forbidden(f"{where}.{field}", "cannot be set for an Ephemeral Container"))
        if container.get("resources"):
            causes.append(forbidden(f"{where}.resources", "cannot be set for an Ephemeral Container"))
        for place, mount in enumerate(container.get("volumeMounts") or ()):
            causes += [
                forbidden(f"{where}.volumeMounts[{place}].{field}", "cannot be set for an Ephemeral Container")
                for field in ("subPath", "subPathExpr")
                if mount.get(field)
            ]
    return causes


def trimmed_image(container: Object, path: str) -> list[Cause]:
    """Asked of pods, not of templates, which had no such rule for long."""
    image = container.get("image", "")
    if image == image.strip():
        return []
    return [invalid(f"{path}.image", image, "must not have leading or trailing whitespace")]


def _common(container: Object, path: str, around: Surroundings) -> list[Cause]:
    get: Callable[..., Any] = container.get
    causes: list[Cause] = []
    name = get("name")
    causes += dns_label(f"{path}.name", name) if name else [required(f"{path}.name")]
    if not get("image"):
        causes.append(required(f"{path}.image"))
    if get("terminationMessagePolicy") not in MESSAGE_POLICIES:
        causes += choice(f"{path}.terminationMessagePolicy", get("terminationMessagePolicy"), MESSAGE_POLICIES)
    if get("ports"):
        causes += _ports(get("ports"), f"{path}.ports")
    if get("env"):
        causes += _env(get("env"), f"{path}.env")
    if get("envFrom"):
        causes += _env_from(get("envFrom"), f"{path}.envFrom")
    if get("volumeMounts"):
        causes += _mounts(container, f"{path}.volumeMounts", around.volumes)
    if get("volumeDevices"):
        causes += _devices(container, f"{path}.volumeDevices", around.volumes)
    if get("imagePullPolicy") not in PULL_POLICIES:
        causes += choice(f"{path}.imagePullPolicy", get("imagePullPolicy"), PULL_POLICIES)
    if get("resources"):
        causes += resource_requirements(get("resources"), f"{path}.resources", around.claims)
    if get("resizePolicy"):
        causes += _resize_policy(get("resizePolicy"), f"{path}.resizePolicy", around.restart_policy)
    if get("securityContext"):
        causes += container_context(get("securityContext"), f"{path}.securityContext", around.host_users)
    return causes


def _restart(container: Object, path: str) -> list[Cause]:
    """A restart policy of the container's own, and rules by exit code."""
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    causes: list[Cause] = []
    if policy is not None and policy not in ("Always", "Never", "OnFailure"):
        causes.append(not_supported(f"{path}.restartPolicy", policy, ("Always", "Never", "OnFailure")))
    if rules and policy is None:
        causes.append(required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used"))
    if len(rules) > 20:
        causes.append(
            Cause(
                "FieldValueTooMany", f"Too many: {len(rules)}: must have at most 20 items", f"{path}.restartPolicyRules"
            )
        )
    for index, rule in enumerate(rules):
        where = f"{path}.restartPolicyRules[{index}]"
        causes += choice(f"{where}.action", rule.get("action"), ("Restart", "RestartAllContainers"))
        codes = rule.get("exitCodes")
        if codes is None:
            causes.append(required(f"{where}.exitCodes", "must be specified"))
        else:
            causes += choice(f"{where}.exitCodes.operator", codes.get("operator"), ("In", "NotIn"))
    return causes


def _served(container: Object, path: str, around: Surroundings) -> list[Cause]:
    """Hooks and probes: of containers that run beside others."""
    causes: list[Cause] = []
    lifecycle = container.get("lifecycle")
    if lifecycle:
        for hook in ("postStart", "preStop"):
            if lifecycle.get(hook) is not None:
                causes += _handler(lifecycle[hook], f"{path}.lifecycle.{hook}", around.grace_s)
    for probe in _PROBES:
        if container.get(probe) is not None:
            causes += _probe(container[probe], f"{path}.{probe}", probe, around.grace_s)
    return causes


def _probe(probe: Object, path: str, kind: str, grace_s: int) -> list[Cause]:
    causes = _handler(probe, path, grace_s)
    for field in _PROBE_NUMBERS:
        if probe.get(field, 0) < 0:
            causes.append(invalid(f"{path}.{field}", probe[field], NOT_NEGATIVE))
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None:
        if grace <= 0:
            causes.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0"))
        if kind == "readinessProbe":
            causes.append(
                invalid(f"{path}.terminationGracePeriodSeconds", grace, "must not be set for readinessProbes")
            )
    if kind != "readinessProbe" and probe.get("successThreshold", 0) != 1:
        causes.append(invalid(f"{path}.successThreshold", probe.get("successThreshold", 0), "must be 1"))
    return causes


def _handler(handler: Object, path: str, grace_s: int) -> list[Cause]:
    """Exactly one way to ask or to tell the container."""
    given = [name for name in _HANDLERS if handler.get(name) is not None]
    if not given:
        return [required(path, "must specify a handler type")]
    kind = given[0]
    action, where = handler[kind], f"{path}.{kind}"
    causes: list[Cause] = []
    if kind == "exec":
        if not action.get("command"):
            causes.append(required(f"{where}.command"))
    elif kind == "sleep":
        if not 0 <= action.get("seconds", 0) <= grace_s:
            why = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_s})"
            causes.append(invalid(where, action.get("seconds", 0), why))
    elif kind == "httpGet":
        if not action.get("path"):
            causes.append(required(f"{where}.path"))
        causes += port(f"{where}.port", action.get("port", 0))
        if action.get("scheme") not in ("HTTP", "HTTPS"):
            causes.append(not_supported(f"{where}.scheme", action.get("scheme", ""), ("HTTP", "HTTPS")))
        for header in action.get("httpHeaders") or ():
            name = header.get("name", "")
            if not _HEADER.fullmatch(name):
                causes.append(invalid(f"{where}.httpHeaders", name, _HEADER_TEXT))
    else:
        causes += port(f"{where}.port", action.get("port", 0))
    return causes + [forbidden(f"{path}.{extra}", "may not specify more than 1 handler type") for extra in given[1:]]


def _ports(ports: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    for index, entry in enumerate(ports):
        name, number, host = entry.get("name"), entry.get("containerPort", 0), entry.get("hostPort", 0)
        if name:
            problems = check_port_name(name)
            if problems:
                causes += [invalid(f"{path}[{index}].name", name, why) for why in problems]
            elif name in names:
                causes.append(duplicate(f"{path}[{index}].name", name))
            else:
                names.add(name)
        if not number:
            causes.append(required(f"{path}[{index}].containerPort"))
        elif not 1 <= number <= 65535:
            causes.append(invalid(f"{path}[{index}].containerPort", number, PORT_RANGE))
        if host and not 1 <= host <= 65535:
            causes.append(invalid(f"{path}[{index}].hostPort", host, PORT_RANGE))
        if entry.get("protocol") not in PROTOCOLS:
            causes += choice(f"{path}[{index}].protocol", entry.get("protocol"), PROTOCOLS)
    return causes


def _host_ports(given: list[Object] | tuple[Object, ...], path: str) -> list[Cause]:
    """A port of the host is taken once."""
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, container in enumerate(given):
        for place, entry in enumerate(container.get("ports") or ()):
            number = entry.get("hostPort")
            if number:
                key = f"{entry.get('protocol', '')}/{entry.get('hostIP', '')}/{number}"
                if key in seen:
                    causes.append(duplicate(f"{path}[{index}].ports[{place}].hostPort", key))
                seen.add(key)
    return causes


def host_network(spec: Object, path: str) -> list[Cause]:
    """On the host's network a container's port is the host's."""
    causes: list[Cause] = []
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            for place, entry in enumerate(container.get("ports") or ()):
                if entry.get("hostPort") and entry["hostPort"] != entry.get("containerPort"):
                    where = f"{path}.{field}[{index}].ports[{place}].containerPort"
                    why = "must match `hostPort` when `hostNetwork` is true"
                    causes.append(invalid(where, entry.get("containerPort", 0), why))
    return causes


def _env(variables: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, variable in enumerate(variables):
        name, source = variable.get("name", ""), variable.get("valueFrom")
        if not name:
            causes.append(required(f"{path}[{index}].name"))
        else:
            problems = check_env_name(name)
            if problems:
                causes += [invalid(f"{path}[{index}].name", name, why) for why in problems]
        if source is not None:
            causes += _env_source(variable, source, f"{path}[{index}].valueFrom")
    return causes


def _env_source(variable: Object, source: Object, path: str) -> list[Cause]:
    given = [kind for kind in _ENV_SOURCES if source.get(kind) is not None]
    causes: list[Cause] = []
    for kind in given:
        where, reference = f"{path}.{kind}", source[kind]
        if kind == "fieldRef":
            causes += field_ref(reference, where, ENV_FIELDS)
        elif kind == "resourceFieldRef":
            causes += resource_ref(reference, where)
        elif kind == "fileKeyRef":
            causes += [
                required(f"{where}.{field}") for field in ("volumeName", "path", "key") if not reference.get(field)
            ]
        else:
            causes += check_all(f"{where}.name", reference.get("name", ""), check_dns1123_subdomain)
            if not reference.get("key"):
                causes.append(required(f"{where}.key"))
            else:
                causes += check_all(f"{where}.key", reference["key"], check_config_key)
    if not given:
        why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef`, or `fileKeyRef`"
        causes.append(invalid(path, "", why))
    elif variable.get("value"):
        causes.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(given) > 1:
        causes.append(invalid(path, "", "may not have more than one field specified at a time"))
    return causes


def _env_from(sources: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, source in enumerate(sources):
        where = f"{path}[{index}]"
        if source.get("prefix"):
            causes += check_all(f"{where}.prefix", source["prefix"], check_env_name)
        given = [kind for kind in ("configMapRef", "secretRef") if source.get(kind) is not None]
        for kind in given:
            name = source[kind].get("name", "")
            if not name:
                causes.append(required(f"{where}.{kind}.name"))
            else:
                causes += check_all(f"{where}.{kind}.name", name, check_dns1123_subdomain)
        if not given:
            causes.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(given) > 1:
            causes.append(invalid(path, "", "may not have more than one field specified at a time"))
    return causes


def _mounts(container: Object, path: str, volumes: Mapping[str, Object]) -> list[Cause]:
    causes: list[Cause] = []
    places: set[str] = set()
    devices = container.get("volumeDevices") or ()
    for index, mount in enumerate(container["volumeMounts"]):
        name, place = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            causes.append(required(f"{path}[{index}].name"))
        if name not in volumes:
            causes.append(not_found_value(f"{path}[{index}].name", name))
        if not place:
            causes.append(required(f"{path}[{index}].mountPath"))
        if place in places:
            causes.append(invalid(f"{path}[{index}].mountPath", place, "must be unique"))
        places.add(place)
        for device in devices:
            if device.get("name") == name:
                causes.append(invalid(f"{path}[{index}].name", name, "must not already exist in volumeDevices"))
            if device.get("devicePath") == place:
                why = "must not already exist as a path in volumeDevices"
                causes.append(invalid(f"{path}[{index}].mountPath", place, why))
        for field in ("subPath", "subPathExpr"):
            if mount.get(field):
                causes += descending_path(f"{path}[{index}].{field}", mount[field])
        if mount.get("subPath") and mount.get("subPathExpr"):
            why = "subPathExpr and subPath are mutually exclusive"
            causes.append(invalid(f"{path}[{index}].subPathExpr", mount["subPathExpr"], why))
        if mount.get("mountPropagation") is not None:
            causes += _propagation(mount["mountPropagation"], f"{path}[{index}].mountPropagation", container)
        if mount.get("recursiveReadOnly") not in (None, "Disabled"):
            causes += _recursive_read_only(mount, f"{path}[{index}].recursiveReadOnly")
    return causes


def _propagation(mode: str, path: str, container: Object) -> list[Cause]:
    if mode not in ("Bidirectional", "HostToContainer", "None"):
        return [not_supported(path, mode, ("Bidirectional", "HostToContainer", "None"))]
    if mode == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
        return [forbidden(path, "Bidirectional mount propagation is available only to privileged containers")]
    return []


def _recursive_read_only(mount: Object, path: str) -> list[Cause]:
    mode = mount["recursiveReadOnly"]
    if mode not in ("IfPossible", "Enabled"):
        return [not_supported(path, mode, ("Disabled", "Enabled", "IfPossible"))]
    causes: list[Cause] = []
    if not mount.get("readOnly"):
        causes.append(forbidden(path, "may only be specified when readOnly is true"))
    if mount.get("mountPropagation") not in (None, "None"):
        causes.append(forbidden(path, "may only be specified when mountPropagation is None or not specified"))
    return causes


def _devices(container: Object, path: str, volumes: Mapping[str, Object]) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    places: set[str] = set()
    for index, device in enumerate(container["volumeDevices"]):
        where, name, place = f"{path}[{index}]", device.get("name", ""), device.get("devicePath", "")
        if not name:
            causes.append(required(f"{where}.name"))
        if name in names:
            causes.append(invalid(f"{where}.name", name, "must be unique"))
        if name not in volumes:
            causes.append(not_found_value(f"{where}.name", name))
        elif not volumes[name].keys() & {"persistentVolumeClaim", "ephemeral"}:
            why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            causes.append(invalid(f"{where}.name", name, why))
        if not place:
            causes.append(required(f"{where}.devicePath"))
        if place in places:
            causes.append(invalid(f"{where}.devicePath", place, "must be unique"))
        if no_backsteps("", place):
            causes.append(invalid(f"{where}.devicePath", place, "can not contain backsteps ('..')"))
        names.add(name)
        places.add(place)
    return causes


def _resize_policy(policies: list[Object], path: str, restart_policy: str) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        name, restart = policy.get("resourceName", ""), policy.get("restartPolicy", "")
        if name in seen:
            causes.append(duplicate(f"{path}[{index}]", name))
        seen.add(name)
        causes += choice(path, name, ("cpu", "memory"))
        causes += choice(path, restart, ("NotRequired", "RestartContainer"))
        if restart_policy == "Never" and restart != "NotRequired":
            causes.append(invalid(path, restart, "must be 'NotRequired' when `restartPolicy` is 'Never'"))
    return causes
