"""The roles and bindings that a cluster starts with, and what is missing in those that are there.

bootstrap_policy.json holds them in a short form; here they become objects. `reconcile` is how a start treats what a store already
has: what was added by hand stays, what is missing is added, and whoever sets the annotation autoupdate to "false" is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from apiserver.auth.escalation import find_missing

Object = dict[str, Any]
Rule = dict[str, list[str]]

GROUP = "rbac.authorization.k8s.io"
API_VERSION = f"{GROUP}/v1"
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_TABLE = Path(__file__).with_name("bootstrap_policy.json")

_READ = ["get", "list", "watch"]
_WRITE = ["create", "delete", "deletecollection", "patch", "update"]
_VERBS = {"R": _READ, "W": _WRITE, "RW": sorted(_READ + _WRITE)}
_EVENTS: Rule = {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch", "update"]}


class Bootstrap(NamedTuple):
    """One object to be there. plural: where it is served."""

    plural: str
    namespace: str
    name: str
    obj: Object


def parse_rule(text: str) -> Rule:
    if text == "events":
        return {field: list(values) for field, values in _EVENTS.items()}
    verbs, groups, resources, *names = text.split(" ")
    rule: Rule = {}
    if groups == "url":
        rule["nonResourceURLs"] = resources.split(",")
    else:
        rule["apiGroups"] = ["" if group == "core" else group for group in groups.split(",")]
        rule["resources"] = resources.split(",")
    if names:
        rule["resourceNames"] = names[0].split(",")
    rule["verbs"] = list(_VERBS.get(verbs) or verbs.split(","))
    return rule


def _object(kind: str, namespace: str, name: str, labels: dict[str, str], **rest: Any) -> Object:
    metadata: Object = {
        "name": name,
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults", **labels},
        "annotations": {AUTOUPDATE: "true"},
    }
    if namespace:
        metadata["namespace"] = namespace
    return {"kind": kind, "apiVersion": API_VERSION, "metadata": metadata, **rest}


def _binding(kind: str, role_kind: str, namespace: str, name: str, said: list[str]) -> Object:
    role, *subjects = said
    obj = _object(kind, namespace, name, {}, roleRef={"apiGroup": GROUP, "kind": role_kind, "name": role})
    parsed: list[Object] = []
    for subject in subjects:
        subject_kind, _, who = subject.partition(" ")
        if subject_kind == "ServiceAccount":
            where, _, account = who.partition("/")
            parsed.append({"kind": subject_kind, "name": account, "namespace": where})
        else:
            parsed.append({"kind": subject_kind, "apiGroup": GROUP, "name": who})
    if parsed:
        obj["subjects"] = parsed
    return obj


def build_bootstrap_policy() -> Iterator[Bootstrap]:
    """All of it: roles first, so that no binding points at nothing."""
    table = json.loads(_TABLE.read_text(encoding="utf-8"))

    def labels_of(name: str) -> dict[str, str]:
        to = table["aggregatedTo"].get(name)
        return {f"{GROUP}/aggregate-to-{to}": "true"} if to else {}

    for name, to in table["aggregated"].items():
        selector = {"matchLabels": {f"{GROUP}/aggregate-to-{to}": "true"}}
        rule = {"clusterRoleSelectors": [selector]}
        yield Bootstrap(
            "clusterroles",
            "",
            name,
            _object("ClusterRole", "", name, labels_of(name), aggregationRule=rule, rules=None),
        )
    controllers = {f"system:controller:{name}": rules for name, rules in table["controllers"].items()}
    for name, rules in {**table["clusterRoles"], **controllers}.items():
        parsed = [parse_rule(rule) for rule in rules]
        yield Bootstrap("clusterroles", "", name, _object("ClusterRole", "", name, labels_of(name), rules=parsed))
    for namespace, roles in table["roles"].items():
        for name, rules in roles.items():
            parsed = [parse_rule(rule) for rule in rules]
            yield Bootstrap("roles", namespace, name, _object("Role", namespace, name, {}, rules=parsed))
    bindings = {
        f"system:controller:{name}": [f"system:controller:{name}", f"ServiceAccount kube-system/{name}"]
        for name in table["controllers"]
    }
    for name, said in {**table["clusterRoleBindings"], **bindings}.items():
        obj = _binding("ClusterRoleBinding", "ClusterRole", "", name, said)
        yield Bootstrap("clusterrolebindings", "", name, obj)
    for namespace, said_by_name in table["roleBindings"].items():
        for name, said in said_by_name.items():
            yield Bootstrap("rolebindings", namespace, name, _binding("RoleBinding", "Role", namespace, name, said))


def reconcile(wanted: Object, found: Object) -> Object | None:
    """What the object that is there should become; None: it is well as it is. Changes neither."""
    metadata = found["metadata"]
    if (metadata.get("annotations") or {}).get(AUTOUPDATE) == "false":
        return None
    result = {**found, "metadata": {**metadata}}
    for field in ("labels", "annotations"):
        result["metadata"][field] = {**(metadata.get(field) or {}), **wanted["metadata"][field]}
    if wanted.get("rules"):
        result["rules"] = (found.get("rules") or []) + find_missing(found.get("rules") or [], wanted["rules"])
    for field in ("aggregationRule", "roleRef"):
        if field in wanted:
            result[field] = wanted[field]
    if "roleRef" in wanted:
        known = found.get("subjects") or []
        result["subjects"] = known + [subject for subject in wanted.get("subjects") or () if subject not in known]
        if not result["subjects"]:
            del result["subjects"]
    return None if result == found else result
