"""Nobody may give what they do not have; and the roles that a cluster starts with."""

from __future__ import annotations

import pytest

from apiserver.auth import RoleIndex, Rules, User, build_bootstrap_policy, escalation_text, reconcile
from apiserver.auth.access import Access
from apiserver.auth.bootstrap_policy import parse_rule
from apiserver.auth.escalation import find_missing


def rules(*texts):
    return [parse_rule(text) for text in texts]


@pytest.mark.parametrize(
    ("held", "wanted", "is_covered"),
    [
        (["* * *"], ["get,list apps deployments,replicasets"], True),
        (["get core pods", "list core pods"], ["get,list core pods"], True),  # each verb by another rule
        (["get core pods a"], ["get core pods a"], True),
        (["get core pods a"], ["get core pods"], False),
        (["get core pods"], ["get core pods a,b"], True),
        (["get core */log"], ["get core pods/log"], True),
        (["get core pods"], ["get core pods/log"], False),
        (["get core pods"], ["* core pods"], False),
        (["get url /healthz/*"], ["get url /healthz/etcd"], True),
        (["get url /healthz"], ["get url /healthz/*"], False),
    ],
)
def test_rules_cover_what_they_hold_and_nothing_more(held, wanted, is_covered):
    assert (find_missing(rules(*held), rules(*wanted)) == []) is is_covered


def test_what_is_not_held_is_told_compactly():
    user = User("ada", groups=("dev", "system:authenticated"))
    text = escalation_text(
        user, Rules(rules("get core pods")), rules("get,list,watch core pods", "get url /metrics", "get core secrets x")
    )
    assert text == (
        'user "ada" (groups=["dev" "system:authenticated"]) is attempting to grant RBAC permissions not currently '
        "held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["list" "watch"]}\n'
        '{APIGroups:[""], Resources:["secrets"], ResourceNames:["x"], Verbs:["get"]}\n'
        '{NonResourceURLs:["/metrics"], Verbs:["get"]}'
    )
    assert escalation_text(user, Rules(rules("* * *", "* url *")), rules("get core pods", "get url /metrics")) == ""


def test_the_bootstrap_policy_gives_the_parts_of_a_cluster_what_they_need():
    index = RoleIndex()
    for each in build_bootstrap_policy():
        index.set(each.plural, each.namespace, each.name, each.obj)
    scheduler = User("system:kube-scheduler", groups=("system:authenticated",))
    assert index.allows(Access(scheduler, "create", resource="pods", subresource="binding", namespace="shop"))
    assert not index.allows(Access(scheduler, "create", resource="pods", namespace="shop"))
    assert index.allows(Access(scheduler, "watch", resource="configmaps", namespace="kube-system",
                               name="extension-apiserver-authentication"))  # fmt: skip
    anybody = User("eve", groups=("system:authenticated",))
    assert index.allows(Access(anybody, "get", path="/openapi/v3"))
    assert index.allows(Access(anybody, "create", "authorization.k8s.io", "selfsubjectaccessreviews"))
    nobody = User("system:anonymous", groups=("system:unauthenticated",))
    assert index.allows(Access(nobody, "get", path="/readyz"))
    assert not index.allows(Access(nobody, "get", path="/api"))


def test_every_binding_of_the_bootstrap_policy_points_at_a_role_of_it():
    policy = list(build_bootstrap_policy())
    there = {(each.plural, each.namespace, each.name) for each in policy}
    assert len(there) == len(policy)
    for each in policy:
        if each.plural == "clusterrolebindings":
            assert ("clusterroles", "", each.obj["roleRef"]["name"]) in there
        if each.plural == "rolebindings":
            assert ("roles", each.namespace, each.obj["roleRef"]["name"]) in there


def test_reconciling_adds_what_is_missing_and_keeps_what_is_there():
    wanted = next(each.obj for each in build_bootstrap_policy() if each.name == "system:heapster")
    assert reconcile(wanted, wanted) is None
    found = {**wanted, "rules": rules("get core pods", "get core secrets")}
    result = reconcile(wanted, found)
    assert result["rules"][:2] == found["rules"]
    assert find_missing(result["rules"], wanted["rules"]) == []
    found["metadata"] = {**found["metadata"], "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}}
    assert reconcile(wanted, found) is None
