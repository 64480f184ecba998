"""An API server that authorizes by roles: who may what, who may give what, and what is said to those who may not."""

from __future__ import annotations

import pytest

from apiserver.auth import ADMIN_USER, ANONYMOUS_USER, User
from apiserver.config import AccessConfig, ApiServerConfig
from apiserver.server import ApiServer
from tests.apiserver.server.conftest import ask

RBAC = AccessConfig(authorization_modes=("RBAC",))
GROUP = "/apis/rbac.authorization.k8s.io/v1"
ADA = User("ada", groups=("dev", "system:authenticated"))
PODS = "/api/v1/namespaces/default/pods"


def role(name, *rules):
    return {"metadata": {"name": name}, "rules": list(rules)}


def binding(name, kind, role_name, *users):
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role_name}
    subjects = [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user} for user in users]
    return {"metadata": {"name": name}, "roleRef": reference, "subjects": subjects}


def rule(verbs, group, resources, **more):
    return {"verbs": verbs, "apiGroups": [group], "resources": resources, **more}


@pytest.fixture
async def server(start):
    return await start(RBAC)


async def make(server, path, obj, user=ADMIN_USER):
    status, answer = await ask(server, user, "POST", f"{GROUP}/{path}", obj)
    assert status == 201, answer
    await heard(server)


async def heard(server):
    """Until the watch caches have what was written: a consistent read waits for them."""
    for plural in ("roles", "clusterroles", "rolebindings", "clusterrolebindings"):
        await server.registry.list(server.registry.catalog.find("rbac.authorization.k8s.io", "v1", plural))


async def test_the_roles_of_a_new_cluster_are_there(server):
    status, obj = await ask(server, ADMIN_USER, "GET", f"{GROUP}/clusterroles/system:kube-scheduler")
    assert status == 200
    assert obj["metadata"]["labels"] == {"kubernetes.io/bootstrapping": "rbac-defaults"}
    status, obj = await ask(server, ADMIN_USER, "GET", f"{GROUP}/clusterroles")
    assert len(obj["items"]) == 69


async def test_who_has_no_role_is_told_what_is_missing(server):
    status, obj = await ask(server, ADA, "GET", PODS)
    assert (status, obj["reason"], obj["details"]) == (403, "Forbidden", {"kind": "pods"})
    where = 'in API group "" in the namespace "default"'
    assert obj["message"] == f'pods is forbidden: User "ada" cannot list resource "pods" {where}'
    status, obj = await ask(server, ADA, "GET", "/api/v1/namespaces/default")
    assert obj["message"] == f'namespaces "default" is forbidden: User "ada" cannot get resource "namespaces" {where}'
    status, obj = await ask(server, ADA, "GET", "/metrics")
    assert (status, obj["message"]) == (403, 'forbidden: User "ada" cannot get path "/metrics"')
    status, obj = await ask(server, ANONYMOUS_USER, "GET", "/api")
    assert obj["message"] == 'forbidden: User "system:anonymous" cannot get path "/api"'
    status, _ = await ask(server, ADA, "GET", "/api")
    assert status == 200


async def test_a_role_gives_what_it_says_where_it_is_bound_until_it_is_gone(server):
    await make(server, "namespaces/default/roles", role("reader", rule(["get", "list"], "", ["pods"])))
    await make(server, "namespaces/default/rolebindings", binding("b", "Role", "reader", "ada"))
    assert (await ask(server, ADA, "GET", PODS))[0] == 200
    assert (await ask(server, ADA, "GET", f"{PODS}?watch=1&timeoutSeconds=1"))[0] == 403
    assert (await ask(server, ADA, "GET", "/api/v1/namespaces/kube-system/pods"))[0] == 403
    assert (await ask(server, ADA, "GET", "/api/v1/pods"))[0] == 403
    await ask(server, ADMIN_USER, "DELETE", f"{GROUP}/namespaces/default/rolebindings/b")
    await heard(server)
    assert (await ask(server, ADA, "GET", PODS))[0] == 403


async def test_a_name_in_a_rule_is_the_name_that_a_list_selects(server):
    rules = rule(["get", "list", "watch"], "", ["configmaps"], resourceNames=["mine"])
    await make(server, "clusterroles", role("mine", rules))
    await make(server, "clusterrolebindings", binding("b", "ClusterRole", "mine", "ada"))
    path = "/api/v1/namespaces/default/configmaps"
    assert (await ask(server, ADA, "GET", path))[0] == 403
    assert (await ask(server, ADA, "GET", f"{path}?fieldSelector=metadata.name=mine"))[0] == 200
    assert (await ask(server, ADA, "GET", f"{path}/mine"))[0] == 404


async def test_nobody_gives_what_they_do_not_have(server):
    await make(server, "clusterroles", role("role-maker", rule(["create", "update"], "rbac.authorization.k8s.io",
               ["roles", "rolebindings", "clusterroles"]), rule(["get"], "", ["pods"])))  # fmt: skip
    await make(server, "clusterrolebindings", binding("b", "ClusterRole", "role-maker", "ada"))
    roles = f"{GROUP}/namespaces/default/roles"
    status, _ = await ask(server, ADA, "POST", roles, role("mine", rule(["get"], "", ["pods"])))
    assert status == 201
    status, obj = await ask(server, ADA, "POST", roles, role("more", rule(["get", "list"], "", ["pods", "secrets"])))
    assert status == 403
    assert obj["message"] == (
        'roles.rbac.authorization.k8s.io "more" is forbidden: user "ada" (groups=["dev" "system:authenticated"]) is '
        "attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["list"]}\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}'
    )
    bindings = f"{GROUP}/namespaces/default/rolebindings"
    assert (await ask(server, ADA, "POST", bindings, binding("x", "Role", "mine", "eve")))[0] == 201
    status, obj = await ask(server, ADA, "POST", bindings, binding("y", "ClusterRole", "cluster-admin", "ada"))
    assert status == 403
    assert '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}' in obj["message"]
    status, obj = await ask(server, ADA, "POST", bindings, binding("z", "ClusterRole", "gone", "ada"))
    assert (status, obj["message"]) == (404, 'clusterroles.rbac.authorization.k8s.io "gone" not found')
    gathering = {**role("all"), "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}}
    status, obj = await ask(server, ADA, "POST", f"{GROUP}/clusterroles", gathering)
    assert (status, obj["message"]) == (
        403,
        'clusterroles.rbac.authorization.k8s.io "all" is forbidden: must have cluster-admin privileges to use the '
        "aggregationRule",
    )


async def test_who_may_bind_and_escalate_gives_anything(server):
    rbac = "rbac.authorization.k8s.io"
    rules = [rule(["create", "update", "escalate"], rbac, ["roles"]), rule(["create"], rbac, ["rolebindings"]),
             rule(["bind"], rbac, ["clusterroles"], resourceNames=["cluster-admin"])]  # fmt: skip
    await make(server, "clusterroles", role("root", *rules))
    await make(server, "clusterrolebindings", binding("b", "ClusterRole", "root", "ada"))
    # The name of what is made is not known to the check, so only an update is allowed by a rule without names.
    status, _ = await ask(
        server, ADA, "POST", f"{GROUP}/namespaces/default/roles", role("all", rule(["*"], "*", ["*"]))
    )
    assert status == 201
    bindings = f"{GROUP}/namespaces/default/rolebindings"
    assert (await ask(server, ADA, "POST", bindings, binding("y", "ClusterRole", "cluster-admin", "ada")))[0] == 201


async def test_acting_as_somebody_takes_the_right_to(server):
    status, obj = await ask(server, ADA, "GET", PODS, Impersonate_User="root")
    assert status == 403
    assert obj["message"] == (
        'users "root" is forbidden: User "ada" cannot impersonate resource "users" in API group "" at the cluster scope'
    )
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    status, obj = await ask(server, ADMIN_USER, "POST", path, {}, Impersonate_User="ada", Impersonate_Group="dev")
    assert obj["status"]["userInfo"] == {"username": "ada", "groups": ["dev", "system:authenticated"]}
    assert (await ask(server, ADMIN_USER, "GET", PODS, Impersonate_User="ada"))[0] == 403


async def test_what_one_may_is_answered_with_its_reason(server):
    await make(server, "clusterroles", role("reader", rule(["get"], "", ["pods"])))
    await make(server, "clusterrolebindings", binding("readers", "ClusterRole", "reader", "ada"))
    spec = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    _, obj = await ask(server, ADA, "POST", path, {"spec": spec})
    why = 'RBAC: allowed by ClusterRoleBinding "readers" of ClusterRole "reader" to User "ada"'
    assert obj["status"] == {"allowed": True, "reason": why}
    spec["resourceAttributes"]["verb"] = "delete"
    _, obj = await ask(server, ADA, "POST", path, {"spec": spec})
    assert obj["status"] == {"allowed": False}
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    _, obj = await ask(server, ADA, "POST", path, {"spec": {"namespace": "default"}})
    assert {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]} in obj["status"]["resourceRules"]
    assert obj["status"]["incomplete"] is False
    others = {"spec": {"user": "ada", "resourceAttributes": {"verb": "get", "resource": "pods"}}}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    assert (await ask(server, ADA, "POST", path, others))[0] == 403
    _, obj = await ask(server, ADMIN_USER, "POST", path, others)
    assert obj["status"]["allowed"] is True


async def test_a_second_server_on_the_store_changes_nothing(server):
    _, before = await ask(server, ADMIN_USER, "GET", f"{GROUP}/clusterroles")
    second = ApiServer(ApiServerConfig(access=RBAC), server._kv)
    await second.start()
    try:
        _, after = await ask(second, ADMIN_USER, "GET", f"{GROUP}/clusterroles")
    finally:
        await second.stop()
    versions = [[obj["metadata"]["resourceVersion"] for obj in each["items"]] for each in (before, after)]
    assert versions[0] == versions[1]


async def test_what_is_put_or_applied_and_not_there_takes_the_right_to_create(server):
    await make(server, "clusterroles", role("changer", rule(["update", "patch"], "", ["configmaps", "events"]),
               rule(["update"], "coordination.k8s.io", ["leases"])))  # fmt: skip
    await make(server, "clusterrolebindings", binding("b", "ClusterRole", "changer", "ada"))
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}}
    path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l"
    status, obj = await ask(server, ADA, "PUT", path, lease)
    assert status == 403
    assert obj["message"] == (
        'leases.coordination.k8s.io "l" is forbidden: User "ada" cannot create resource "leases" in API group '
        '"coordination.k8s.io" in the namespace "default"'
    )
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b"}}
    applied = {"Content_Type": "application/apply-patch+yaml"}
    path = "/api/v1/namespaces/default/configmaps/c?fieldManager=x"
    assert (await ask(server, ADA, "PATCH", path, config, **applied))[0] == 403
    assert (await ask(server, ADMIN_USER, "PATCH", path, config, **applied))[0] == 201
    config["data"] = {"a": "c"}
    assert (await ask(server, ADA, "PATCH", f"{path}&force=true", config, **applied))[0] == 200


async def test_a_watch_path_is_good_for_a_watch_only(server):
    await make(server, "clusterroles", role("watcher", rule(["watch"], "", ["configmaps"])))
    await make(server, "clusterrolebindings", binding("b", "ClusterRole", "watcher", "ada"))
    path = "/api/v1/watch/namespaces/default/configmaps"
    for method, body in (("DELETE", None), ("POST", {"metadata": {"name": "x"}})):
        status, obj = await ask(server, ADA, method, path, body)
        assert (status, obj["reason"]) == (405, "MethodNotAllowed")


async def test_whatever_asks_for_a_watch_is_authorized_as_one(server):
    await make(server, "clusterroles", role("lister", rule(["list"], "", ["configmaps"])))
    await make(server, "clusterrolebindings", binding("b", "ClusterRole", "lister", "ada"))
    path = "/api/v1/namespaces/default/configmaps"
    assert (await ask(server, ADA, "GET", path))[0] == 200
    for text in ("1", "true", "T", "yes"):
        assert (await ask(server, ADA, "GET", f"{path}?watch={text}"))[0] == 403


async def test_roles_are_known_while_the_watch_is_lost_and_anew_after_it(server):
    await make(server, "clusterroles", role("reader", rule(["list"], "", ["pods"])))
    await make(server, "clusterrolebindings", binding("readers", "ClusterRole", "reader", "ada"))
    assert (await ask(server, ADA, "GET", PODS))[0] == 200
    for plural in ("roles", "clusterroles", "rolebindings", "clusterrolebindings"):
        cache = await server.registry.cache(server.registry.catalog.find("rbac.authorization.k8s.io", "v1", plural))
        cache.lose()
    assert (await ask(server, ADA, "GET", PODS))[0] == 200, "what was known last"
    await make(server, "namespaces/default/rolebindings", binding("b", "ClusterRole", "reader", "eve"))
    eve = User("eve", groups=("system:authenticated",))
    assert (await ask(server, eve, "GET", PODS))[0] == 200, "what came after it"
    await ask(server, ADMIN_USER, "DELETE", f"{GROUP}/clusterrolebindings/readers")
    await heard(server)
    assert (await ask(server, ADA, "GET", PODS))[0] == 403


async def test_what_one_server_writes_another_on_the_store_goes_by(server):
    second = ApiServer(ApiServerConfig(access=RBAC), server._kv)
    await second.start()
    try:
        await make(server, "clusterroles", role("reader", rule(["list"], "", ["pods"])))
        await make(server, "clusterrolebindings", binding("readers", "ClusterRole", "reader", "ada"))
        await heard(second)
        assert (await ask(second, ADA, "GET", PODS))[0] == 200
    finally:
        await second.stop()
