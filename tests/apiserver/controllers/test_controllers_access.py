"""The controllers of access: roles that gather others' rules."""

from __future__ import annotations

from apiserver.controllers.cluster_role_aggregation import gather_rules
from tests.apiserver.changes import changed

CLUSTER_ROLES = "rbac.authorization.k8s.io/v1/clusterroles"


def role(name, *rules, labels=None, gathers=None):
    obj = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": labels or {}},
        "rules": list(rules),
    }
    if gathers is not None:
        obj["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": gathers}]}
    return obj


def reads(resource):
    return {"apiGroups": [""], "resources": [resource], "verbs": ["get"]}


def test_rules_are_gathered_by_name_and_once():
    chosen = {"to": "view"}
    roles = [
        role("b", reads("pods"), reads("nodes"), labels=chosen),
        role("a", reads("nodes"), reads("secrets"), labels=chosen),
        role("other", reads("events")),
    ]
    view = role("view", labels=chosen, gathers=chosen)
    assert gather_rules(view, [*roles, view]) == [reads("nodes"), reads("secrets"), reads("pods")]


async def test_a_gathering_role_follows_the_others(client, run):
    run("clusterrole-aggregation-controller")
    await client.create(CLUSTER_ROLES, role("view", gathers={"to": "view"}))
    await client.create(CLUSTER_ROLES, role("pods", reads("pods"), labels={"to": "view"}))
    await changed(client, CLUSTER_ROLES, "view", lambda obj: obj.get("rules") == [reads("pods")])
    await client.create(CLUSTER_ROLES, role("nodes", reads("nodes"), labels={"to": "view"}))
    await changed(client, CLUSTER_ROLES, "view", lambda obj: obj.get("rules") == [reads("nodes"), reads("pods")])
    await client.delete(CLUSTER_ROLES, "pods")
    await changed(client, CLUSTER_ROLES, "view", lambda obj: obj.get("rules") == [reads("nodes")])
