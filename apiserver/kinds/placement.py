"""May a pod be on a node: node selectors, required node affinity, taints and tolerations.

Terms of a node selector are ORed, the requirements within a term are ANDed; matchFields knows metadata.name. Operators:
In, NotIn, Exists, DoesNotExist, Gt, Lt (integers). A toleration matches a taint if key, effect and value agree; an empty
key with operator Exists matches every taint, an empty effect every effect.
Pure functions, for everybody who places pods: the scheduler, DaemonSets, taint eviction.
Source: Kubernetes, component-helpers/scheduling/corev1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Object = dict[str, Any]

HARD_EFFECTS = ("NoSchedule", "NoExecute")


def _compare(found: str, wanted: str, greater: bool) -> bool:
    try:
        return int(found) > int(wanted) if greater else int(found) < int(wanted)
    except ValueError:
        return False


def _holds(requirement: Object, labels: dict[str, str]) -> bool:
    key, operator, values = requirement["key"], requirement["operator"], requirement.get("values") or []
    found = labels.get(key)
    match operator:
        case "In":
            return found in values
        case "NotIn":
            return found not in values
        case "Exists":
            return found is not None
        case "DoesNotExist":
            return found is None
        case "Gt" | "Lt":
            return found is not None and len(values) == 1 and _compare(found, values[0], operator == "Gt")
    return False


def term_matches(term: Object, name: str, labels: dict[str, str]) -> bool:
    """An empty term matches nothing (Kubernetes: "a null or empty node selector term matches no objects")."""
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not expressions and not fields:
        return False
    return all(_holds(e, labels) for e in expressions) and all(_holds(f, {"metadata.name": name}) for f in fields)


def node_matches(spec: Object, name: str, labels: dict[str, str]) -> bool:
    """Whether a pod's nodeSelector and required node affinity let it onto the node."""
    if not (spec.get("nodeSelector") or {}).items() <= labels.items():
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    return any(term_matches(term, name, labels) for term in required.get("nodeSelectorTerms") or ())


def named_nodes(spec: Object) -> list[str] | None:
    """The only nodes that the required affinity can mean, where every term names one (a DaemonSet's pod); None: any."""
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return None
    names: dict[str, None] = {}
    for term in required.get("nodeSelectorTerms") or ():
        fields = [field for field in term.get("matchFields") or () if field.get("operator") == "In"]
        if not fields:
            return None
        names.update(dict.fromkeys(fields[0].get("values") or ()))
    return list(names)


def toleration_matches(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    key = toleration.get("key") or ""
    exists = toleration.get("operator") == "Exists"
    if not key:
        return exists
    if key != taint.get("key"):
        return False
    return exists or (toleration.get("value") or "") == (taint.get("value") or "")


def tolerates(tolerations: Iterable[Object], taint: Object) -> bool:
    return any(toleration_matches(toleration, taint) for toleration in tolerations)
