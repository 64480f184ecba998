"""Nobody may give what they do not have: whether rules cover other rules, and how the difference is told.

Wanted rules are broken into single ones (one verb, one group, one resource, one name); each must be covered whole by one rule
that the giver holds. Source: Kubernetes' documentation of privilege escalation prevention.
"""

from __future__ import annotations

from collections.abc import Iterable

from apiserver.auth.access import EVERYTHING, Rules
from apiserver.auth.user import User
from apiserver.meta import shown

Rule = dict[str, list[str]]

FULL_AUTHORITY: list[Rule] = EVERYTHING
_FIELDS = (
    ("APIGroups", "apiGroups"),
    ("Resources", "resources"),
    ("NonResourceURLs", "nonResourceURLs"),
    ("ResourceNames", "resourceNames"),
    ("Verbs", "verbs"),
)


def break_down(rule: Rule) -> list[Rule]:
    single: list[Rule] = []
    names = rule.get("resourceNames") or []
    verbs = rule.get("verbs") or []
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in verbs:
                one: Rule = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                single += [{**one, "resourceNames": [name]} for name in names] or [one]
    single += [
        {"nonResourceURLs": [url], "verbs": [verb]} for url in rule.get("nonResourceURLs") or () for verb in verbs
    ]
    return single


def _has(held: list[str] | None, wanted: list[str] | None) -> bool:
    held, wanted = held or [], wanted or []
    return "*" in held or all(each in held for each in wanted)


def _has_resource(held: list[str] | None, wanted: str) -> bool:
    held = held or []
    if "*" in held or wanted in held:
        return True
    _, slash, subresource = wanted.partition("/")
    return bool(slash) and f"*/{subresource}" in held


def _has_path(held: list[str] | None, wanted: str) -> bool:
    return any(url == wanted or (url.endswith("*") and wanted.startswith(url.rstrip("*"))) for url in held or ())


def covers_one(held: Rule, wanted: Rule) -> bool:
    """Whether one rule covers a single one of `break_down`."""
    if not _has(held.get("verbs"), wanted["verbs"]):
        return False
    if "nonResourceURLs" in wanted:
        return _has_path(held.get("nonResourceURLs"), wanted["nonResourceURLs"][0])
    names = held.get("resourceNames") or []
    if names and not (wanted.get("resourceNames") and all(name in names for name in wanted["resourceNames"])):
        return False
    return _has(held.get("apiGroups"), wanted["apiGroups"]) and _has_resource(
        held.get("resources"), wanted["resources"][0]
    )


def find_missing(held: Iterable[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """The single rules of `wanted` that nothing in `held` covers."""
    held = list(held)
    return [
        single for rule in wanted for single in break_down(rule) if not any(covers_one(rule, single) for rule in held)
    ]


def _compact(rules: list[Rule]) -> list[Rule]:
    """Single rules that differ in nothing but the verb, as one."""
    compact: dict[tuple[str, ...], Rule] = {}
    others: list[Rule] = []
    for rule in rules:
        if "nonResourceURLs" in rule:
            others.append(rule)
            continue
        key = (rule["apiGroups"][0], rule["resources"][0], *rule.get("resourceNames", ()))
        known = compact.get(key)
        if known is None:
            compact[key] = {field: list(values) for field, values in rule.items()}
        elif rule["verbs"][0] not in known["verbs"]:
            known["verbs"] += rule["verbs"]
    return [*compact.values(), *others]


def _list_text(values: Iterable[str]) -> str:
    return f"[{' '.join(shown(value) for value in values)}]"


def rule_text(rule: Rule) -> str:
    """{APIGroups:[""], Resources:["pods"], Verbs:["get"]}"""
    return "{" + ", ".join(f"{said}:{_list_text(rule[field])}" for said, field in _FIELDS if rule.get(field)) + "}"


def escalation_text(user: User, held: Rules, wanted: Iterable[Rule]) -> str:
    """Why the user may not give these rules away; "" where they may."""
    missing = find_missing(held.rules, wanted)
    if not missing:
        return ""
    lines = "\n".join(sorted({rule_text(rule) for rule in _compact(missing)}))
    text = (
        f"user {shown(user.name)} (groups={_list_text(user.groups)}) is attempting to grant RBAC permissions not "
        f"currently held:\n{lines}"
    )
    return f"{text}; resolution errors: [{held.error}]" if held.error else text
