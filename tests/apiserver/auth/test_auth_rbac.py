"""Role-based access control: the index answers what a reader of the roles and bindings would answer; and it says why."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.auth import Access, RoleIndex, User, refusal, service_account_user
from apiserver.auth.rbac import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES

ADA = User("ada", groups=("dev", "system:authenticated"))


def rule(verbs, groups=(), resources=(), names=(), urls=()):
    said = {"verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names}
    return {field: list(value) for field, value in {**said, "nonResourceURLs": urls}.items() if value}


def role(name, *rules, namespace=""):
    return {"metadata": {"name": name, "namespace": namespace}, "rules": list(rules)}


def binding(name, role_kind, role_name, *subjects, namespace=""):
    subjects = [dict(zip(("kind", "name", "namespace"), each, strict=False)) for each in subjects]
    role_ref = {"kind": role_kind, "name": role_name}
    return {"metadata": {"name": name, "namespace": namespace}, "roleRef": role_ref, "subjects": subjects}


def index(roles=(), cluster_roles=(), role_bindings=(), cluster_role_bindings=()):
    made = RoleIndex()
    made.replace(ROLES, roles)
    made.replace(CLUSTER_ROLES, cluster_roles)
    made.replace(ROLE_BINDINGS, role_bindings)
    made.replace(CLUSTER_ROLE_BINDINGS, cluster_role_bindings)
    return made


# ---- against a reader who knows nothing but the rules ----

VERBS, GROUPS = ["get", "list", "*"], ["", "apps", "*"]
RESOURCES, NAMES = ["pods", "pods/log", "deployments", "*/log", "*"], ["a", "b"]
URLS = ["/healthz", "/healthz/*", "/api/*", "*", "/version"]
SUBJECTS = [("User", "ada"), ("User", "bob"), ("Group", "dev"), ("Group", "ops"), ("ServiceAccount", "bot", "n1"),
            ("ServiceAccount", "bot")]  # fmt: skip
NAMESPACES = ["n1", "n2"]


def some(values):
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


resource_rules = st.builds(
    rule, some(VERBS), some(GROUPS), some(RESOURCES), st.lists(st.sampled_from(NAMES), max_size=2, unique=True)
)
path_rules = st.builds(lambda verbs, urls: rule(verbs, urls=urls), some(VERBS), some(URLS))
rules = st.lists(resource_rules | path_rules, max_size=3)
kinds = st.sampled_from(["Role", "ClusterRole"])
subjects = st.lists(st.sampled_from(SUBJECTS), max_size=2)


@st.composite
def worlds(draw):
    names = ["r", "s"]
    return {
        "roles": [role(name, *draw(rules), namespace=where) for where in NAMESPACES for name in draw(some(names))],
        "cluster_roles": [role(name, *draw(rules)) for name in draw(some(names))],
        "role_bindings": [
            binding(f"b{place}", draw(kinds), draw(st.sampled_from(names)), *draw(subjects), namespace=where)
            for where in NAMESPACES
            for place in range(draw(st.integers(0, 2)))
        ],
        "cluster_role_bindings": [
            binding(f"c{place}", "ClusterRole", draw(st.sampled_from(names)), *draw(subjects))
            for place in range(draw(st.integers(0, 2)))
        ],
    }


users = st.sampled_from([ADA, User("bob", groups=("ops",)), service_account_user("n1", "bot"), User("eve")])
resource_access = st.builds(
    Access,
    user=users,
    verb=st.sampled_from(["get", "list"]),
    group=st.sampled_from(["", "apps"]),
    resource=st.sampled_from(["pods", "deployments"]),
    namespace=st.sampled_from(["", *NAMESPACES]),
    name=st.sampled_from(["", "a", "b", "c"]),
    subresource=st.sampled_from(["", "log"]),
)
paths = ["/healthz", "/healthz/etcd", "/version", "/api/v1"]
path_access = st.builds(Access, user=users, verb=st.sampled_from(["get", "post"]), path=st.sampled_from(paths))


def reads_as_allowed(world, access):
    """The documentation, word by word, without any index."""

    def is_subject(subject, where):
        if subject["kind"] == "User":
            return subject["name"] == access.user.name
        if subject["kind"] == "Group":
            return subject["name"] in access.user.groups
        home = subject.get("namespace") or where
        return bool(home) and access.user.name == f"system:serviceaccount:{home}:{subject['name']}"

    def permits(rule):
        def named(field, value):
            return "*" in rule.get(field, ()) or value in rule.get(field, ())

        if not named("verbs", access.verb):
            return False
        if access.path:
            return any(
                url == access.path or (url.endswith("*") and access.path.startswith(url[:-1]))
                for url in rule.get("nonResourceURLs", ())
            )
        full = access.resource + (f"/{access.subresource}" if access.subresource else "")
        is_resource = named("resources", full) or (
            bool(access.subresource) and f"*/{access.subresource}" in rule.get("resources", ())
        )
        names = rule.get("resourceNames")
        return named("apiGroups", access.group) and is_resource and (not names or access.name in names)

    def permits_by(bound, where):
        kind, name = bound["roleRef"]["kind"], bound["roleRef"]["name"]
        held = world["cluster_roles"] if kind == "ClusterRole" else world["roles"]
        home = "" if kind == "ClusterRole" else where
        found = [each for each in held if (each["metadata"]["name"], each["metadata"]["namespace"]) == (name, home)]
        return any(permits(rule) for each in found for rule in each["rules"])

    for bound in world["cluster_role_bindings"]:
        if any(is_subject(each, "") for each in bound["subjects"]) and permits_by(bound, ""):
            return True
    for bound in world["role_bindings"]:
        where = bound["metadata"]["namespace"]
        if access.path or where != access.namespace:
            continue
        if any(is_subject(each, where) for each in bound["subjects"]) and permits_by(bound, where):
            return True
    return False


@given(worlds(), st.lists(resource_access | path_access, min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_every_decision_is_what_a_reader_of_the_rules_would_decide(world, accesses):
    roles = index(**world)
    for access in accesses:
        expected = reads_as_allowed(world, access)
        assert roles.allows(access) == expected
        assert roles.decide(access).allowed == expected


@given(worlds(), worlds(), st.lists(resource_access, min_size=1, max_size=4))
@settings(max_examples=50, deadline=None)
def test_an_index_that_saw_changes_is_as_good_as_a_new_one(before, after, accesses):
    roles = index(**before)
    for access in accesses:
        roles.allows(access)  # so that something is remembered
    plurals = {"roles": ROLES, "cluster_roles": CLUSTER_ROLES, "role_bindings": ROLE_BINDINGS,
               "cluster_role_bindings": CLUSTER_ROLE_BINDINGS}  # fmt: skip
    for kind, plural in plurals.items():
        wanted = {(obj["metadata"]["namespace"], obj["metadata"]["name"]): obj for obj in after[kind]}
        known = {(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in before[kind]}
        for key in known | set(wanted):
            roles.set(plural, *key, wanted.get(key))
    for access in accesses:
        assert roles.allows(access) == reads_as_allowed(after, access)


# ---- reasons and refusals ----


def test_a_decision_names_the_binding_the_role_and_the_subject():
    roles = index(
        cluster_roles=[role("reader", rule(["get"], [""], ["pods"]))],
        cluster_role_bindings=[binding("all-dev", "ClusterRole", "reader", ("Group", "dev"))],
    )
    decision = roles.decide(Access(ADA, "get", resource="pods", namespace="shop"))
    assert decision == (True, 'RBAC: allowed by ClusterRoleBinding "all-dev" of ClusterRole "reader" to Group "dev"')


def test_a_role_binding_is_named_with_its_namespace():
    roles = index(
        roles=[role("reader", rule(["get"], [""], ["pods"]), namespace="shop")],
        role_bindings=[binding("b", "Role", "reader", ("ServiceAccount", "bot"), namespace="shop")],
    )
    decision = roles.decide(Access(service_account_user("shop", "bot"), "get", resource="pods", namespace="shop"))
    assert decision.reason == 'RBAC: allowed by RoleBinding "b/shop" of Role "reader" to ServiceAccount "bot/shop"'


def test_a_bound_role_that_is_not_there_is_told():
    roles = index(cluster_role_bindings=[binding("x", "ClusterRole", "gone", ("User", "ada"))])
    decision = roles.decide(Access(ADA, "get", resource="pods"))
    assert decision == (False, 'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found')


def test_members_of_system_masters_may_do_everything():
    assert index().allows(Access(User("x", groups=("system:masters",)), "delete", resource="nodes"))


@pytest.mark.parametrize(
    ("access", "text", "details"),
    [
        (
            Access(ADA, "list", resource="pods", namespace="d"),
            'pods is forbidden: User "ada" cannot list resource "pods" in API group "" in the namespace "d"',
            {"kind": "pods"},
        ),
        (
            Access(ADA, "update", "apps", "deployments", "d", "web", "scale"),
            'deployments.apps "web" is forbidden: User "ada" cannot update resource "deployments/scale" in API group '
            '"apps" in the namespace "d"',
            {"name": "web", "group": "apps", "kind": "deployments"},
        ),
        (
            Access(User("<b>"), "get", resource="nodes", name="n"),
            'nodes "n" is forbidden: User "&lt;b&gt;" cannot get resource "nodes" in API group "" at the cluster scope',
            {"name": "n", "kind": "nodes"},
        ),
        (Access(ADA, "get", path="/metrics"), 'forbidden: User "ada" cannot get path "/metrics"', {}),
    ],
)
def test_a_refusal_has_the_words_of_kubernetes(access, text, details):
    error = refusal(access)
    assert (error.code, error.reason, error.message, error.details) == (403, "Forbidden", text, details)


def test_what_is_no_rule_and_no_subject_gives_nothing():
    roles = index(
        cluster_roles=[{"metadata": {"name": "odd"}, "rules": [None, "x", {"verbs": None, "resources": ["pods"]}]}],
        cluster_role_bindings=[
            {"metadata": {"name": "a"}, "roleRef": None, "subjects": "ada"},
            {**binding("b", "ClusterRole", "odd", ("User", "ada")), "subjects": [None, {"kind": "User", "name": "ada"}]},
        ],
    )
    assert not roles.allows(Access(ADA, "get", resource="pods"))
