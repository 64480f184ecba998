"""What is legal and still unwise in a pod, or in the template of one. See warnings.py.

Every write of a pod pays for this: look before you build a text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiserver.meta import parse_quantity

Object = dict[str, Any]

_OLD_LABELS = {
    "beta.kubernetes.io/arch": ("v1.14", "kubernetes.io/arch"),
    "beta.kubernetes.io/os": ("v1.14", "kubernetes.io/os"),
    "failure-domain.beta.kubernetes.io/region": ("v1.17", "topology.kubernetes.io/region"),
    "failure-domain.beta.kubernetes.io/zone": ("v1.17", "topology.kubernetes.io/zone"),
    "beta.kubernetes.io/instance-type": ("v1.17", "node.kubernetes.io/instance-type"),
}
_OLD_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_OLD_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_VOLUME_NAMES = {"storageos": "storageOS"}  # as the text has it

_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_NO_POD = "a null labelSelector results in matching no pod"


def old_label(label: str) -> str:
    """What to say of a node label that has a new name; "" for the others."""
    if label not in _OLD_LABELS:
        return ""
    since, instead = _OLD_LABELS[label]
    return f'deprecated since {since}; use "{instead}" instead'


def _fraction(amounts: Object | None, name: str, path: str) -> list[str]:
    """Bytes come whole."""
    text = (amounts or {}).get(name)
    if text is None or parse_quantity(text) % 1 == 0:
        return []
    return [f'{path}[{name}]: fractional byte value "{text}" is invalid, must be an integer']


def warn_of_pod_template(template: Object, path: str) -> list[str]:
    """path: of a template ("spec.template"); "" for a pod itself."""
    spec, annotations = template.get("spec") or {}, (template.get("metadata") or {}).get("annotations") or {}
    inner = f"{path}.spec" if path else "spec"
    where = f"{path}.metadata.annotations" if path else "metadata.annotations"
    found = _placement(spec, inner)
    if annotations:
        found += [f"{where}[{key}]: {text}" for key, text in _OLD_ANNOTATIONS.items() if key in annotations]
    if "volumes" in spec:
        found += _volumes(spec, inner)
    if "hostAliases" in spec:
        found += _repeated(spec["hostAliases"], "ip", f"{inner}.hostAliases")
    if "imagePullSecrets" in spec:
        found += _repeated(spec["imagePullSecrets"], "name", f"{inner}.imagePullSecrets")
        for index, secret in enumerate(spec["imagePullSecrets"]):
            if not secret.get("name"):
                found.append(f'{inner}.imagePullSecrets[{index}].name: invalid empty name ""')
    if "overhead" in spec:
        for name in ("memory", "ephemeral-storage"):
            found += _fraction(spec["overhead"], name, f"{inner}.overhead")
    if annotations:
        found += _profiles(spec, annotations, where, is_template=bool(path))
    has_ports = False
    for container, at in _containers(spec, inner):
        if "env" in container or container.get("resources"):
            found += _container(container, at)
        has_ports = has_ports or "ports" in container
    if has_ports:
        found += _ports(spec, inner)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        text = "must be >= 0; negative values are invalid and will be treated as 1"
        found.append(f"{inner}.terminationGracePeriodSeconds: {text}")
    return found + _affinities(spec["affinity"], f"{inner}.affinity") if "affinity" in spec else found


def _containers(spec: Object, path: str) -> Iterator[tuple[Object, str]]:
    for field in _CONTAINERS:
        for index, container in enumerate(spec.get(field) or ()):
            yield container, f"{path}.{field}[{index}]"


def _placement(spec: Object, path: str) -> list[str]:
    if not ("nodeSelector" in spec or "affinity" in spec or "topologySpreadConstraints" in spec):
        return []
    selector = spec.get("nodeSelector") or {}
    found = [f"{path}.nodeSelector[{key}]: {old_label(key)}" for key in selector if old_label(key)]
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms = f"{path}.affinity.nodeAffinity"
    needed = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for index, term in enumerate(needed.get("nodeSelectorTerms") or ()):
        at = f"{terms}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[{index}]"
        found += warn_of_selector_term(term, at)
    for index, term in enumerate(affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
        at = f"{terms}.preferredDuringSchedulingIgnoredDuringExecution[{index}].preference"
        found += warn_of_selector_term(term.get("preference") or {}, at)
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        at, key = f"{path}.topologySpreadConstraints[{index}]", constraint.get("topologyKey", "")
        if old_label(key):
            found.append(f"{at}.topologyKey: {key} is {old_label(key)}")
        if constraint.get("labelSelector") is None:
            found.append(f"{at}.labelSelector: {_NO_POD}")
    return found


def warn_of_selector_term(term: Object, path: str) -> list[str]:
    return [
        f"{path}.matchExpressions[{index}].key: {expression['key']} is {old_label(expression['key'])}"
        for index, expression in enumerate(term.get("matchExpressions") or ())
        if old_label(expression.get("key", ""))
    ]


def _volumes(spec: Object, path: str) -> list[str]:
    found = []
    for index, volume in enumerate(spec.get("volumes") or ()):
        at = f"{path}.volumes[{index}]"
        found += [f"{at}.{_VOLUME_NAMES.get(k, k)}: {text}" for k, text in _OLD_VOLUMES.items() if k in volume]
        claim = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
        if claim:
            found += warn_of_claim_spec(claim.get("spec") or {}, f"{at}.ephemeral.volumeClaimTemplate.spec")
    return found


def _repeated(items: list[Object] | None, key: str, path: str) -> list[str]:
    found, seen = [], set()
    for index, item in enumerate(items or ()):
        value = item.get(key, "")
        if value in seen:
            found.append(f'{path}[{index}].{key}: duplicate {key} "{value}"')
        seen.add(value)
    return found


def _profiles(spec: Object, annotations: Object, where: str, *, is_template: bool) -> list[str]:
    """Annotations that became fields; a pod's own AppArmor annotation is still read."""
    found, security = [], spec.get("securityContext") or {}
    seccomp = 'non-functional in v1.27+; use the "seccompProfile" field instead'
    if _SECCOMP_POD in annotations and "seccompProfile" not in security:
        found.append(f"{where}[{_SECCOMP_POD}]: {seccomp}")
    for container, _ in _containers(spec, ""):
        own, name = container.get("securityContext") or {}, container.get("name", "")
        if f"{_SECCOMP_CONTAINER}{name}" in annotations and "seccompProfile" not in own:
            found.append(f"{where}[{_SECCOMP_CONTAINER}{name}]: {seccomp}")
        has_field = "appArmorProfile" in security or "appArmorProfile" in own
        if is_template and not has_field and f"{_APP_ARMOR}{name}" in annotations:
            text = 'deprecated since v1.30; use the "appArmorProfile" field instead'
            found.append(f"{where}[{_APP_ARMOR}{name}]: {text}")
    return found


def _container(container: Object, path: str) -> list[str]:
    found = []
    resources = container.get("resources")
    if resources:
        for name in ("memory", "ephemeral-storage"):
            for kind in ("limits", "requests"):
                if name in resources.get(kind, ()):
                    found += _fraction(resources[kind], name, f"{path}.resources.{kind}")
    seen = set()
    for index, variable in enumerate(container.get("env") or ()):
        name, value = variable.get("name", ""), variable.get("value", "")
        if name in seen:
            reference = f"$({name})"
            if "valueFrom" in variable or value == reference or reference not in value:
                text = f'hides previous definition of "{name}", which may be dropped when using apply'
                found.append(f"{path}.env[{index}]: {text}")
        seen.add(name)
    return found


def _ports(spec: Object, path: str) -> list[str]:
    found: list[str] = []
    known: dict[tuple[Any, Any], list[tuple[str, Any, Any]]] = {}
    for container, at in _containers(spec, path):
        for index, port in enumerate(container.get("ports") or ()):
            where, ip, number = f"{at}.ports[{index}]", port.get("hostIP", ""), port.get("hostPort", 0)
            others = known.setdefault((port.get("containerPort"), port.get("protocol")), [])
            for other, other_ip, other_number in others:
                if (ip, number) == (other_ip, other_number):
                    found.append(f"{where}: duplicate port definition with {other}")
                elif not number or not other_number:
                    found.append(f"{where}: overlapping port definition with {other}")
                elif number == other_number and (not ip) != (not other_ip):
                    found.append(f"{where}: dangerously ambiguous port definition with {other}")
            others.append((where, ip, number))
    return found


def _affinities(affinity: Object, path: str) -> list[str]:
    found = []
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        field = "requiredDuringSchedulingIgnoredDuringExecution"
        for index, term in enumerate(rules.get(field) or ()):
            if term.get("labelSelector") is None:
                found.append(f"{path}.{kind}.{field}[{index}].labelSelector: {_NO_POD}")
        field = "preferredDuringSchedulingIgnoredDuringExecution"
        for index, term in enumerate(rules.get(field) or ()):
            if (term.get("podAffinityTerm") or {}).get("labelSelector") is None:
                found.append(f"{path}.{kind}.{field}[{index}].podAffinityTerm.labelSelector: {_NO_POD}")
    return found


def warn_of_claim_spec(spec: Object, path: str) -> list[str]:
    """Of a claim, or of the template of one."""
    resources = spec.get("resources") or {}
    return [
        *_fraction(resources.get("requests"), "storage", f"{path}.resources.requests"),
        *_fraction(resources.get("limits"), "storage", f"{path}.resources.limits"),
    ]
