"""Role-based access control: roles and bindings, kept so that a decision costs a few dictionary look-ups.

    Role, ClusterRole                       → rules, compiled once: (verb, group, resource) → names
    RoleBinding, ClusterRoleBinding         → found by their subjects
    (user, groups, namespace)               → the roles that apply, remembered until anything changes

Fed by the watch caches, one object at a time; it reads no store. Rules only ever allow, so their order says nothing.
A service account is a user here: a subject of that kind is found by the account's user name.
Source of the rules: Kubernetes' documentation of RBAC, and plugin/pkg/auth/authorizer/rbac of 1.36.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from apiserver.auth.access import Access, Authorizer, Decision, Rules, is_superuser
from apiserver.auth.user import SERVICE_ACCOUNT_PREFIX, User

Object = dict[str, Any]
Rule = dict[str, list[str]]

GROUP = "rbac.authorization.k8s.io"
ROLES, CLUSTER_ROLES = "roles", "clusterroles"
ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS = "rolebindings", "clusterrolebindings"
PLURALS = (ROLES, CLUSTER_ROLES, ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS)

MAX_REMEMBERED = 4096
"""(user, namespace) pairs whose roles are remembered; then all are forgotten and found again as they come."""


Names = frozenset[str] | None
"""Names of objects; None = every one."""


class Grants:
    """Rules, compiled: of one role, or of all roles of a user (`merge`)."""

    __slots__ = ("rules", "_resources", "_exact", "_prefixes")

    def __init__(self, rules: list[Rule]) -> None:
        self.rules = rules
        self._resources: dict[tuple[str, str], dict[str, Names]] = {}  # (verb, group) → resource → names
        self._exact: set[tuple[str, str]] = set()
        self._prefixes: list[tuple[str, str]] = []
        for rule in rules:
            verbs = rule.get("verbs") or ()
            self._compile_resources(rule, verbs)
            for url in rule.get("nonResourceURLs") or ():
                for verb in verbs:
                    if url.endswith("*"):
                        self._prefixes.append((verb, url.rstrip("*")))
                    else:
                        self._exact.add((verb, url))

    def _compile_resources(self, rule: Rule, verbs: Iterable[str]) -> None:
        names = frozenset(rule.get("resourceNames") or ()) or None
        for group in rule.get("apiGroups") or ():
            for verb in verbs:
                table = self._resources.setdefault((verb, group), {})
                for resource in rule.get("resources") or ():
                    before = table.get(resource, frozenset())
                    table[resource] = None if names is None or before is None else before | names

    @classmethod
    def merge(cls, many: Iterable[Grants]) -> Grants:
        merged = cls([])
        for grants in many:
            merged.rules += grants.rules
            merged._exact |= grants._exact
            merged._prefixes += grants._prefixes
            for key, table in grants._resources.items():
                known = merged._resources.setdefault(key, {})
                for resource, names in table.items():
                    before = known.get(resource, frozenset())
                    known[resource] = None if names is None or before is None else before | names
        return merged

    def allows_resource(self, verb: str, group: str, resource: str, subresource: str, name: str) -> bool:
        tables = self._resources
        full = f"{resource}/{subresource}" if subresource else resource
        for key in ((verb, group), ("*", group), (verb, "*"), ("*", "*")):
            table = tables.get(key)
            if table is None:
                continue
            for each in (full, "*", f"*/{subresource}") if subresource else (full, "*"):
                names = table.get(each, NOBODY)
                if names is None or name in names:
                    return True
        return False

    def allows_path(self, verb: str, path: str) -> bool:
        if (verb, path) in self._exact or ("*", path) in self._exact:
            return True
        return any(each in (verb, "*") and path.startswith(prefix) for each, prefix in self._prefixes)


NOBODY: frozenset[str] = frozenset()


class _Binding(NamedTuple):
    plural: str
    namespace: str
    name: str
    role_kind: str
    role_name: str
    subjects: tuple[tuple[str, str], ...]  # ("User" | "Group", name), as they are looked for
    said: tuple[str, ...]  # each subject as a reason names it


class _Applied(NamedTuple):
    """The roles of a user in a namespace. errors: roles that are bound and not there."""

    found: tuple[tuple[_Binding, int, Grants], ...]
    grants: Grants
    errors: tuple[str, ...]


class RoleIndex:
    """See the module. `set` and `replace` tell it what is there; everything else asks."""

    def __init__(self) -> None:
        self._roles: dict[tuple[str, str, str], Grants] = {}
        self._bindings: dict[tuple[str, str, str], _Binding] = {}
        self._by_subject: dict[tuple[str, tuple[str, str]], dict[tuple[str, str, str], int]] = {}
        self._applied: dict[tuple[str, tuple[str, ...], str], _Applied] = {}

    # ---- what is there ----

    def set(self, plural: str, namespace: str, name: str, obj: Object | None) -> None:
        """One object as it is now; None: it is gone."""
        self._applied.clear()
        key = (plural, namespace, name)
        if plural in (ROLES, CLUSTER_ROLES):
            if obj is None:
                self._roles.pop(key, None)
            else:
                self._roles[key] = Grants(_mappings(obj.get("rules")))
            return
        before = self._bindings.pop(key, None)
        if before is not None:
            for subject in before.subjects:
                known = self._by_subject.get((before.namespace, subject))
                if known is not None:
                    known.pop(key, None)
                    if not known:
                        del self._by_subject[before.namespace, subject]
        if obj is not None:
            binding = self._bindings[key] = _parse_binding(plural, namespace, name, obj)
            for place, subject in enumerate(binding.subjects):
                self._by_subject.setdefault((namespace, subject), {}).setdefault(key, place)

    def replace(self, plural: str, objects: Iterable[Object]) -> None:
        """All objects of a kind as they are now."""
        held: Mapping[tuple[str, str, str], object] = (
            self._roles if plural in (ROLES, CLUSTER_ROLES) else self._bindings
        )
        for key in [key for key in held if key[0] == plural]:
            self.set(*key, None)
        for obj in objects:
            metadata = obj["metadata"]
            self.set(plural, metadata.get("namespace", ""), metadata["name"], obj)

    # ---- what it means ----

    def find_rules(self, role_kind: str, namespace: str, name: str) -> list[Rule] | None:
        """The rules of the role that a binding in the namespace refers to."""
        key = (CLUSTER_ROLES, "", name) if role_kind == "ClusterRole" else (ROLES, namespace, name)
        found = self._roles.get(key)
        return None if found is None else found.rules

    def _apply(self, user: User, namespace: str) -> _Applied:
        key = (user.name, user.groups, namespace)
        applied = self._applied.get(key)
        if applied is None:
            if len(self._applied) >= MAX_REMEMBERED:
                self._applied.clear()
            applied = self._applied[key] = self._find_roles(user, namespace)
        return applied

    def _find_roles(self, user: User, namespace: str) -> _Applied:
        found: list[tuple[_Binding, int, Grants]] = []
        errors: list[str] = []
        wanted = (("User", user.name), *(("Group", group) for group in user.groups))
        for where in ("", namespace) if namespace else ("",):
            keys: dict[tuple[str, str, str], int] = {}
            for subject in wanted:
                for key, place in self._by_subject.get((where, subject), {}).items():
                    keys[key] = min(place, keys.get(key, place))
            for key in sorted(keys):
                binding = self._bindings[key]
                is_cluster = binding.role_kind == "ClusterRole"
                role = (CLUSTER_ROLES, "", binding.role_name) if is_cluster else (ROLES, where, binding.role_name)
                grants = self._roles.get(role)
                if grants is None:
                    kind = binding.role_kind.lower()
                    errors.append(f'{kind}.{GROUP} "{binding.role_name}" not found')
                else:
                    found.append((binding, keys[key], grants))
        merged = Grants.merge(grants for _, _, grants in found)
        return _Applied(tuple(found), merged, tuple(dict.fromkeys(errors)))

    def allows(self, access: Access) -> bool:
        user, verb = access.user, access.verb
        if is_superuser(user):
            return True
        if access.path:
            return self._apply(user, "").grants.allows_path(verb, access.path)
        grants = self._apply(user, access.namespace).grants
        return grants.allows_resource(verb, access.group, access.resource, access.subresource, access.name)

    def decide(self, access: Access) -> Decision:
        if is_superuser(access.user):
            return Decision(True)
        applied = self._apply(access.user, "" if access.path else access.namespace)
        for binding, place, grants in applied.found:
            allowed = (
                grants.allows_path(access.verb, access.path)
                if access.path
                else grants.allows_resource(access.verb, access.group, access.resource, access.subresource, access.name)
            )
            if allowed:
                return Decision(True, f"RBAC: allowed by {_said(binding)} to {binding.said[place]}")
        return Decision(False, f"RBAC: {_aggregate(applied.errors)}" if applied.errors else "")

    def rules(self, user: User, namespace: str) -> Rules:
        """Everything that bindings give the user, in the cluster and in the namespace."""
        applied = self._apply(user, namespace)
        return Rules(applied.grants.rules, _aggregate(applied.errors))

    def authorizer(self) -> Authorizer:
        return Authorizer(self.allows, self.decide, self.rules)


def _mappings(value: Any) -> list[Any]:
    """Whoever writes to the store past the API server writes what they like; what is no rule gives nothing."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _aggregate(errors: tuple[str, ...]) -> str:
    return errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]" if errors else ""


def _said(binding: _Binding) -> str:
    if binding.plural == CLUSTER_ROLE_BINDINGS:
        return f'ClusterRoleBinding "{binding.name}" of {binding.role_kind} "{binding.role_name}"'
    where = f"{binding.name}/{binding.namespace}"
    return f'RoleBinding "{where}" of {binding.role_kind} "{binding.role_name}"'


def _parse_binding(plural: str, namespace: str, name: str, obj: Object) -> _Binding:
    role = obj.get("roleRef") or {}
    subjects: list[tuple[str, str]] = []
    said: list[str] = []
    for subject in _mappings(obj.get("subjects")):
        kind, who = subject.get("kind", ""), subject.get("name", "")
        if kind == "ServiceAccount":
            where = subject.get("namespace") or namespace
            if not where:
                continue  # an account lives in a namespace, and a cluster-wide binding has none to give
            subjects.append(("User", f"{SERVICE_ACCOUNT_PREFIX}{where}:{who}"))
            said.append(f'ServiceAccount "{who}/{where}"')
        elif kind in ("User", "Group"):
            subjects.append((kind, who))
            said.append(f'{kind} "{who}"')
    return _Binding(plural, namespace, name, role.get("kind", ""), role.get("name", ""), tuple(subjects), tuple(said))
