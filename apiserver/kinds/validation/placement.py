"""Where a pod may run: affinity, tolerations, spreading."""

from __future__ import annotations

from apiserver.errors import Cause
from apiserver.kinds.validation.selecting import label_selector, node_selector, node_term
from apiserver.kinds.validation.values import POSITIVE, Object, choice, dns_label, label_name, not_supported
from apiserver.meta import check_label_value, check_qualified_name, duplicate, forbidden, invalid, required

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def tolerations(given: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, toleration in enumerate(given):
        key, operator = toleration.get("key", ""), toleration.get("operator", "")
        effect, value = toleration.get("effect", ""), toleration.get("value", "")
        if key:
            if check_qualified_name(key):
                causes += label_name(f"{path}[{index}].key", key)
        elif operator != "Exists":
            why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            causes.append(invalid(f"{path}[{index}].operator", operator, why))
        if effect != "NoExecute" and toleration.get("tolerationSeconds") is not None:
            why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            causes.append(invalid(f"{path}[{index}].effect", effect, why))
        if operator == "Exists":
            if value:
                why = "value must be empty when `operator` is 'Exists'"
                causes.append(invalid(f"{path}[{index}].operator", toleration, why))
        elif operator in ("", "Equal"):
            problems = check_label_value(value) if value else ()
            if problems:
                causes.append(invalid(f"{path}[{index}].operator", value, ";".join(problems)))
        else:
            causes.append(not_supported(f"{path}[{index}].operator", operator, ("Equal", "Exists")))
        if effect and effect not in TAINT_EFFECTS:
            causes.append(not_supported(f"{path}[{index}].effect", effect, TAINT_EFFECTS))
    return causes


def affinity(given: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    nodes = given.get("nodeAffinity")
    if nodes:
        where = f"{path}.nodeAffinity"
        if nodes.get(_REQUIRED) is not None:
            causes += node_selector(nodes[_REQUIRED], f"{where}.{_REQUIRED}")
        for index, weighted in enumerate(nodes.get(_PREFERRED) or ()):
            place = f"{where}.{_PREFERRED}[{index}]"
            causes += _weight(weighted, place)
            causes += node_term(weighted.get("preference") or {}, f"{place}.preference")
    for kind in ("podAffinity", "podAntiAffinity"):
        pods = given.get(kind) or {}
        for index, term in enumerate(pods.get(_REQUIRED) or ()):
            causes += _pod_term(term, f"{path}.{kind}.{_REQUIRED}[{index}]")
        for index, weighted in enumerate(pods.get(_PREFERRED) or ()):
            place = f"{path}.{kind}.{_PREFERRED}[{index}]"
            causes += _weight(weighted, place)
            causes += _pod_term(weighted.get("podAffinityTerm") or {}, f"{place}.podAffinityTerm")
    return causes


def _weight(weighted: Object, path: str) -> list[Cause]:
    weight = weighted.get("weight", 0)
    return [] if 1 <= weight <= 100 else [invalid(f"{path}.weight", weight, "must be in the range 1-100")]


def _pod_term(term: Object, path: str) -> list[Cause]:
    causes = label_selector(term.get("labelSelector"), f"{path}.labelSelector")
    causes += label_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for name in term.get("namespaces") or ():
        causes += dns_label(f"{path}.namespace", name)
    causes += _match_keys(term, path, "matchLabelKeys", "mismatchLabelKeys")
    return causes + _topology_key(term, path)


def _topology_key(holder: Object, path: str) -> list[Cause]:
    key = holder.get("topologyKey", "")
    causes = [] if key else [required(f"{path}.topologyKey", "can not be empty")]
    return causes + label_name(f"{path}.topologyKey", key)


def _match_keys(term: Object, path: str, *fields: str) -> list[Cause]:
    causes: list[Cause] = []
    for field in fields:
        keys = term.get(field) or ()
        if keys and term.get("labelSelector") is None:
            causes.append(forbidden(f"{path}.{field}", "must not be specified when labelSelector is not set"))
        for index, key in enumerate(keys):
            causes += label_name(f"{path}.{field}[{index}]", key)
    others = term.get("mismatchLabelKeys") or ()
    for index, key in enumerate(term.get("matchLabelKeys") or ()):
        if "mismatchLabelKeys" in fields and key in others:
            causes.append(
                invalid(f"{path}.matchLabelKeys[{index}]", key, "exists in both matchLabelKeys and mismatchLabelKeys")
            )
    return causes


def spread(constraints: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    kinds: list[tuple[str, str]] = []
    for index, constraint in enumerate(constraints):
        where, least = f"{path}[{index}]", constraint.get("minDomains")
        skew, action = constraint.get("maxSkew", 0), constraint.get("whenUnsatisfiable", "")
        if skew <= 0:
            causes.append(invalid(f"{where}.maxSkew", skew, POSITIVE))
        causes += _topology_key(constraint, where)
        if action not in ("DoNotSchedule", "ScheduleAnyway"):
            causes.append(not_supported(f"{where}.whenUnsatisfiable", action, ("DoNotSchedule", "ScheduleAnyway")))
        kind = (constraint.get("topologyKey", ""), action)
        if kind in kinds:
            place = f"{path}[{kinds.index(kind)}].{{topologyKey, whenUnsatisfiable}}"
            causes.append(duplicate(place, f"{{{kind[0]}, {kind[1]}}}"))
        kinds.append(kind)
        if least is not None:
            if least <= 0:
                causes.append(invalid(f"{where}.minDomains", least, POSITIVE))
            if action != "DoNotSchedule":
                why = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
                causes.append(invalid(f"{where}.minDomains", least, why))
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            causes += choice(f"{where}.{field}", constraint.get(field), ("Honor", "Ignore"), optional=True)
        causes += _match_keys(constraint, where, "matchLabelKeys")
        causes += label_selector(constraint.get("labelSelector"), f"{where}.labelSelector")
    return causes
