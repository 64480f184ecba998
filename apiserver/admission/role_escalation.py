"""Whoever writes a role must hold its rules, and whoever binds one must hold what it gives; or be allowed to escalate or bind.

    Role, ClusterRole           may `escalate` it, or holds every rule that it gets
    RoleBinding, …              may `bind` the role, or holds every rule of it
    aggregationRule             holds everything: whatever is labelled later would be gathered

kube-apiserver asks before it validates; here it is asked with the other admission, for the newest object of each try.
Texts: Kubernetes 1.36, pkg/registry/rbac.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from apiserver.admission.attributes import CREATE, DELETE, Attributes, Plugin
from apiserver.auth import FULL_AUTHORITY, Access, Rules, User, escalation_text, is_superuser
from apiserver.errors import forbidden, not_found

GROUP = "rbac.authorization.k8s.io"
ROLES = ("roles", "clusterroles")
BINDINGS = ("rolebindings", "clusterrolebindings")

Rule = dict[str, list[str]]
FindRules = Callable[[str, str, str], Awaitable[list[Rule] | None]]
"""find(kind, namespace, name): the rules of a role as they are now."""


def build_plugin(
    allows: Callable[[Access], bool], rules_of: Callable[[User, str], Rules], find_rules: FindRules
) -> Plugin:
    async def validate(attributes: Attributes) -> None:
        resource = attributes.resource
        if resource.group != GROUP or attributes.operation == DELETE or is_superuser(attributes.user):
            return
        if resource.plural in ROLES:
            _check_role(attributes)
        elif resource.plural in BINDINGS:
            await _check_binding(attributes)

    def _check_role(attributes: Attributes) -> None:
        obj, old = attributes.obj or {}, attributes.old or {}
        rules, aggregation = obj.get("rules") or [], obj.get("aggregationRule")
        before = old.get("rules") or [], old.get("aggregationRule")
        if attributes.operation != CREATE and (rules, aggregation) == before:
            return
        name = "" if attributes.operation == CREATE else attributes.name
        if _may(attributes, "escalate", attributes.resource.plural, name):
            return
        held = rules_of(attributes.user, attributes.namespace)
        why = escalation_text(attributes.user, held, rules)
        if not why and aggregation is not None and escalation_text(attributes.user, held, FULL_AUTHORITY):
            why = "must have cluster-admin privileges to use the aggregationRule"
        if why:
            raise forbidden(GROUP, attributes.resource.plural, attributes.name, why)

    async def _check_binding(attributes: Attributes) -> None:
        obj, old = attributes.obj or {}, attributes.old
        reference = obj.get("roleRef") or {}
        if old is not None and old.get("roleRef") == reference and _subjects(old) == _subjects(obj):
            return
        kind, name = reference.get("kind", ""), reference.get("name", "")
        plural = "clusterroles" if kind == "ClusterRole" else "roles"
        if _may(attributes, "bind", plural, name):
            return
        rules = await find_rules(kind, attributes.namespace, name)
        if rules is None:
            raise not_found(GROUP, plural, name)
        why = escalation_text(attributes.user, rules_of(attributes.user, attributes.namespace), rules)
        if why:
            raise forbidden(GROUP, attributes.resource.plural, attributes.name, why)

    def _may(attributes: Attributes, verb: str, plural: str, name: str) -> bool:
        return allows(Access(attributes.user, verb, GROUP, plural, attributes.namespace, name, version="v1"))

    return Plugin("RoleEscalation", None, validate, tuple(f"{each}.{GROUP}" for each in (*ROLES, *BINDINGS)))


def _subjects(obj: dict[str, Any]) -> list[Any]:
    return obj.get("subjects") or []
