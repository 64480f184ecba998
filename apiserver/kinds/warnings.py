"""What is legal and still unwise: texts for Warning headers, which kubectl prints after a create or an update.

    find_warner("apps/v1 deployments")(new, old)       old is None for a create; of an update, its metadata is enough

An update of a workload is warned of only where its spec changed: controllers write status all the time, and nobody reads
their warnings. Texts: Kubernetes pkg/api/*/warnings.go and the strategies of pkg/registry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiserver.kinds.pod_warnings import old_label, warn_of_claim_spec, warn_of_pod_template, warn_of_selector_term
from apiserver.meta import check_dns1123_label

Object = dict[str, Any]
Warner = Callable[[Object, Object | None], list[str]]

_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"


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
        found += warn_of_claim_spec(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{index}].Spec")
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


def _old_class(obj: Object) -> list[str]:
    if _OLD_CLASS not in (obj["metadata"].get("annotations") or {}):
        return []
    return [f'metadata.annotations[{_OLD_CLASS}]: deprecated since v1.8; use "storageClassName" attribute instead']


def _claim(claim: Object, old: Object | None) -> list[str]:
    return _old_class(claim) + warn_of_claim_spec(claim.get("spec") or {}, "spec")


def _volume(volume: Object, old: Object | None) -> list[str]:
    found, spec = _old_class(volume), volume.get("spec") or {}
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        text = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."
        found.append(f"spec.persistentVolumeReclaimPolicy: {text}")
    needed = (spec.get("nodeAffinity") or {}).get("required") or {}
    for index, term in enumerate(needed.get("nodeSelectorTerms") or ()):
        found += warn_of_selector_term(term, f"spec.nodeAffinity.required.nodeSelectorTerms[{index}]")
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
    return [f"scheduling.nodeSelector[{key}]: {old_label(key)}" for key in selector if old_label(key)]


def _storage_class(storage_class: Object, old: Object | None) -> list[str]:
    return [
        f"allowedTopologies[{place}].matchLabelExpressions[{index}].key: {expression['key']} is "
        f"{old_label(expression['key'])}"
        for place, term in enumerate(storage_class.get("allowedTopologies") or ())
        for index, expression in enumerate(term.get("matchLabelExpressions") or ())
        if old_label(expression.get("key", ""))
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
