"""Roles and bindings. Their names may be anything that fits into a URL; what a binding grants never changes."""

from __future__ import annotations

from apiserver.errors import Cause
from apiserver.kinds.metadata import check_path_segment, update_validator, validator
from apiserver.kinds.validation.selecting import label_selector
from apiserver.kinds.validation.values import Object, needs
from apiserver.meta import check_dns1123_subdomain, invalid, not_supported, required

GROUP = "rbac.authorization.k8s.io"


def policy_rule(rule: Object, path: str, *, namespaced: bool) -> list[Cause]:
    causes = [] if rule.get("verbs") else [required(f"{path}.verbs", "verbs must contain at least one value")]
    urls = rule.get("nonResourceURLs")
    if urls:
        if namespaced:
            why = "namespaced rules cannot apply to non-resource URLs"
            causes.append(invalid(f"{path}.nonResourceURLs", urls, why))
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            causes.append(invalid(f"{path}.nonResourceURLs", urls, why))
        return causes
    if not rule.get("apiGroups"):
        causes.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
    if not rule.get("resources"):
        causes.append(required(f"{path}.resources", "resource rules must supply at least one resource"))
    return causes


def _rules_of(role: Object, namespaced: bool) -> list[Cause]:
    return [
        cause
        for index, rule in enumerate(role.get("rules") or ())
        for cause in policy_rule(rule, f"rules[{index}]", namespaced=namespaced)
    ]


def _cluster_role(role: Object) -> list[Cause]:
    causes = _rules_of(role, namespaced=False)
    aggregation, path = role.get("aggregationRule"), "aggregationRule.clusterRoleSelectors"
    if aggregation is None:
        return causes
    selectors = aggregation.get("clusterRoleSelectors") or ()
    if not selectors:
        why = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        causes.append(required(path, why))
    for index, selector in enumerate(selectors):
        causes += label_selector(selector, f"{path}[{index}]")
    return causes


def _binding(binding: Object, kinds: tuple[str, ...], namespaced: bool) -> list[Cause]:
    reference = binding.get("roleRef") or {}
    causes: list[Cause] = []
    if reference.get("apiGroup", "") != GROUP:
        causes.append(not_supported("roleRef.apiGroup", reference.get("apiGroup", ""), (GROUP,)))
    if reference.get("kind", "") not in kinds:
        causes.append(not_supported("roleRef.kind", reference.get("kind", ""), kinds))
    causes += needs("roleRef.name", reference.get("name", ""), check_path_segment)
    for index, subject in enumerate(binding.get("subjects") or ()):
        causes += _subject(subject, f"subjects[{index}]", namespaced)
    return causes


def _subject(subject: Object, path: str, namespaced: bool) -> list[Cause]:
    name, kind, group = subject.get("name", ""), subject.get("kind", ""), subject.get("apiGroup", "")
    causes = [] if name else [required(f"{path}.name")]
    if kind == "ServiceAccount":
        if name:
            causes += [invalid(f"{path}.name", name, why) for why in check_dns1123_subdomain(name)]
        if group:
            causes.append(not_supported(f"{path}.apiGroup", group, ("",)))
        if not namespaced and not subject.get("namespace"):
            causes.append(required(f"{path}.namespace"))
    elif kind in ("User", "Group"):
        if group != GROUP:
            causes.append(not_supported(f"{path}.apiGroup", group, (GROUP,)))
    else:
        causes.append(not_supported(f"{path}.kind", kind, ("ServiceAccount", "User", "Group")))
    return causes


def _role_kept(binding: Object, old: Object) -> list[Cause]:
    reference, before = binding.get("roleRef") or {}, old.get("roleRef") or {}
    if reference == before:
        return []
    shown = {
        key: reference.get(field, "") for key, field in (("APIGroup", "apiGroup"), ("Kind", "kind"), ("Name", "name"))
    }
    return [invalid("roleRef", shown, "cannot change roleRef")]


RULES = {
    f"{GROUP}/v1 roles": (
        validator(lambda role: _rules_of(role, namespaced=True), check_name=check_path_segment),
        update_validator(),
    ),
    f"{GROUP}/v1 clusterroles": (
        validator(_cluster_role, check_name=check_path_segment, namespaced=False),
        update_validator(),
    ),
    f"{GROUP}/v1 rolebindings": (
        validator(lambda obj: _binding(obj, ("Role", "ClusterRole"), namespaced=True), check_name=check_path_segment),
        update_validator(_role_kept),
    ),
    f"{GROUP}/v1 clusterrolebindings": (
        validator(
            lambda obj: _binding(obj, ("ClusterRole",), namespaced=False),
            check_name=check_path_segment,
            namespaced=False,
        ),
        update_validator(_role_kept),
    ),
}
