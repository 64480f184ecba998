"""What is legal and still unwise: texts for Warning headers, which kubectl prints after a create or an update.

    find_warner("apps/v1 deployments")(new, old)       old is None for a create; of an update, its metadata is enough

An update of a workload is warned of only where its spec changed: controllers write status all the time, and nobody reads
their warnings. Texts: Kubernetes pkg/api/*/warnings.go and the strategies of pkg/registry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from apiserver.meta import check_dns1123_label, parse_quantity

Object = dict[str, Any]
Warner = Callable[[Object, Object | None], list[str]]

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
_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_NO_POD = "a null labelSelector results in matching no pod"


def _old_label(label: str) -> str:
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


# Pods ---------------------------------------------------------------------------------------------------------------


def warn_of_pod_template(template: Object, path: str) -> list[str]:
    """path: of a template ("spec.template"); "" for a pod itself. Every write of a pod pays for this: look before you build."""
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
    found = [f"{path}.nodeSelector[{key}]: {_old_label(key)}" for key in selector if _old_label(key)]
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms = f"{path}.affinity.nodeAffinity"
    needed = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for index, term in enumerate(needed.get("nodeSelectorTerms") or ()):
        at = f"{terms}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[{index}]"
        found += _selector_term(term, at)
    for index, term in enumerate(affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
        at = f"{terms}.preferredDuringSchedulingIgnoredDuringExecution[{index}].preference"
        found += _selector_term(term.get("preference") or {}, at)
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        at, key = f"{path}.topologySpreadConstraints[{index}]", constraint.get("topologyKey", "")
        if _old_label(key):
            found.append(f"{at}.topologyKey: {key} is {_old_label(key)}")
        if constraint.get("labelSelector") is None:
            found.append(f"{at}.labelSelector: {_NO_POD}")
    return found


def _selector_term(term: Object, path: str) -> list[str]:
    return [
        f"{path}.matchExpressions[{index}].key: {expression['key']} is {_old_label(expression['key'])}"
        for index, expression in enumerate(term.get("matchExpressions") or ())
        if _old_label(expression.get("key", ""))
    ]


def _volumes(spec: Object, path: str) -> list[str]:
    found = []
    for index, volume in enumerate(spec.get("volumes") or ()):
        at = f"{path}.volumes[{index}]"
        found += [f"{at}.{_VOLUME_NAMES.get(k, k)}: {text}" for k, text in _OLD_VOLUMES.items() if k in volume]
        claim = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
        if claim:
            found += _claim_spec(claim.get("spec") or {}, f"{at}.ephemeral.volumeClaimTemplate.spec")
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


# Kinds --------------------------------------------------------------------------------------------------------------


def _name(obj: Object, old: Object | None, used_in: str) -> list[str]:
    problems = [] if old is not None else check_dns1123_label(obj["metadata"].get("name", ""))
    if not problems:
        return []
    text = f"this is used in {used_in}, which can result in surprising behavior; a DNS label is recommended"
    return [f"metadata.name: {text}: [{' '.join(problems)}]"]


def _pod(pod: Object, old: Object | None) -> list[str]:
    if not _spec_changed(pod, old):
        return []
    return _name(pod, old, "the Pod's hostname") + warn_of_pod_template(pod, "")


def _spec_changed(obj: Object, old: Object | None) -> bool:
    return old is None or obj["metadata"].get("generation") != old["metadata"].get("generation")


def _template(path: str = "spec.template", *, names_pods: bool = False) -> Warner:
    steps = path.split(".")

    def warn(obj: Object, old: Object | None) -> list[str]:
        if not _spec_changed(obj, old):
            return []
        template: Any = obj
        for step in steps:
            template = (template or {}).get(step)
        named = _name(obj, old, "Pod names and hostnames") if names_pods else []
        return named + (warn_of_pod_template(template, path) if template else [])

    return warn


def _stateful_set(stateful_set: Object, old: Object | None) -> list[str]:
    found = _template()(stateful_set, old)
    spec = stateful_set.get("spec") or {}
    if not _spec_changed(stateful_set, old):
        return found
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        found += _claim_spec(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{index}].Spec")
    if spec.get("revisionHistoryLimit", 0) < 0:
        text = "a negative value retains all historical revisions; a value >= 0 is recommended"
        found.append(f"spec.revisionHistoryLimit: {text}")
    return found


def _job_spec(path: str) -> Warner:
    template = _template(f"{path}.template", names_pods=True)

    def warn(obj: Object, old: Object | None) -> list[str]:
        spec: Any = obj
        for step in path.split("."):
            spec = (spec or {}).get(step)
        found = template(obj, old)
        many = (spec or {}).get("completions", 0) > 100_000 and (spec or {}).get("parallelism", 0) > 10_000
        if many and (spec or {}).get("completionMode") == "Indexed" and _spec_changed(obj, old):
            text = (
                "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, "
                "Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
            )
            found.append(f"{path}: {text}")
        return found

    return warn


def _claim_spec(spec: Object, path: str) -> list[str]:
    resources = spec.get("resources") or {}
    return [
        *_fraction(resources.get("requests"), "storage", f"{path}.resources.requests"),
        *_fraction(resources.get("limits"), "storage", f"{path}.resources.limits"),
    ]


def _old_class(obj: Object) -> list[str]:
    if _OLD_CLASS not in (obj["metadata"].get("annotations") or {}):
        return []
    return [f'metadata.annotations[{_OLD_CLASS}]: deprecated since v1.8; use "storageClassName" attribute instead']


def _claim(claim: Object, old: Object | None) -> list[str]:
    return _old_class(claim) + _claim_spec(claim.get("spec") or {}, "spec")


def _volume(volume: Object, old: Object | None) -> list[str]:
    found, spec = _old_class(volume), volume.get("spec") or {}
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        text = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."
        found.append(f"spec.persistentVolumeReclaimPolicy: {text}")
    needed = (spec.get("nodeAffinity") or {}).get("required") or {}
    for index, term in enumerate(needed.get("nodeSelectorTerms") or ()):
        found += _selector_term(term, f"spec.nodeAffinity.required.nodeSelectorTerms[{index}]")
    return found


def _service(service: Object, old: Object | None) -> list[str]:
    found, spec = [], service.get("spec") or {}
    if "service.kubernetes.io/topology-aware-hints" in (service["metadata"].get("annotations") or {}):
        found.append(
            "annotation service.kubernetes.io/topology-aware-hints is deprecated, please use "
            "service.kubernetes.io/topology-mode instead"
        )
    if spec.get("clusterIPs") == ["None"]:
        ignored = [field for field in ("loadBalancerIP", "externalIPs") if spec.get(field)]
        if spec.get("sessionAffinity", "None") != "None":
            ignored.append("SessionAffinity")
        found += [f"spec.{field} is ignored for headless services" for field in ignored]
    return found


def _ingress(ingress: Object, old: Object | None) -> list[str]:
    if old is not None or "kubernetes.io/ingress.class" not in (ingress["metadata"].get("annotations") or {}):
        return []
    return ["annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"]


def _service_account(account: Object, old: Object | None) -> list[str]:
    key = "kubernetes.io/enforce-mountable-secrets"
    had = key in ((old or {}).get("metadata", {}).get("annotations") or {})
    if had or key not in (account["metadata"].get("annotations") or {}):
        return []
    text = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
    return [f"metadata.annotations[{key}]: {text}"]


def _node(node: Object, old: Object | None) -> list[str]:
    spec, found = node.get("spec") or {}, []
    if spec.get("configSource") is not None:
        found.append("spec.configSource: the feature is no longer supported")
    if spec.get("externalID"):
        found.append("spec.externalID: this field is deprecated, and is unused by Kubernetes")
    return found


def _runtime_class(runtime_class: Object, old: Object | None) -> list[str]:
    selector = (runtime_class.get("scheduling") or {}).get("nodeSelector") or {}
    return [f"scheduling.nodeSelector[{key}]: {_old_label(key)}" for key in selector if _old_label(key)]


def _storage_class(storage_class: Object, old: Object | None) -> list[str]:
    return [
        f"allowedTopologies[{place}].matchLabelExpressions[{index}].key: {expression['key']} is "
        f"{_old_label(expression['key'])}"
        for place, term in enumerate(storage_class.get("allowedTopologies") or ())
        for index, expression in enumerate(term.get("matchLabelExpressions") or ())
        if _old_label(expression.get("key", ""))
    ]


_WARNERS: Mapping[str, Warner] = {
    "v1 pods": _pod,
    "v1 podtemplates": _template("template"),
    "v1 replicationcontrollers": _template(names_pods=True),
    "v1 persistentvolumeclaims": _claim,
    "v1 persistentvolumes": _volume,
    "v1 services": _service,
    "v1 serviceaccounts": _service_account,
    "v1 nodes": _node,
    "apps/v1 daemonsets": _template(),
    "apps/v1 deployments": _template(names_pods=True),
    "apps/v1 replicasets": _template(names_pods=True),
    "apps/v1 statefulsets": _stateful_set,
    "batch/v1 cronjobs": _job_spec("spec.jobTemplate.spec"),
    "batch/v1 jobs": _job_spec("spec"),
    "networking.k8s.io/v1 ingresses": _ingress,
    "node.k8s.io/v1 runtimeclasses": _runtime_class,
    "storage.k8s.io/v1 storageclasses": _storage_class,
}


def find_warner(name: str) -> Warner | None:
    """name: as in `declare`. None: nothing of this kind is warned of."""
    return _WARNERS.get(name)
