"""JSON, merge and strategic patches of real kinds, and what is said of patches that are none."""

from __future__ import annotations

import pytest

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SERVICES = "/api/v1/namespaces/default/services"


def deployment():
    container = {
        "name": "c",
        "image": "i",
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "args": ["x", "y"],
        "ports": [{"containerPort": 80}],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    }
    pod = {
        "containers": [container],
        "volumes": [{"name": "v", "emptyDir": {}}],
        "tolerations": [{"key": "k", "operator": "Exists"}],
    }
    return {
        "metadata": {"name": "d", "finalizers": ["ex.io/a", "ex.io/b"]},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod},
        },
    }


@pytest.fixture
async def made(api):
    return await api.ok("POST", DEPLOYMENTS, deployment())


def of_pod(**spec):
    return {"spec": {"template": {"spec": spec}}}


async def strategic(api, patch):
    obj = await api.ok("PATCH", f"{DEPLOYMENTS}/d", patch, type=STRATEGIC)
    return obj, obj["spec"]["template"]["spec"]


def names(items):
    return [item["name"] for item in items]


async def test_containers_merge_by_name_and_new_ones_come_first(api, made):
    _, pod = await strategic(api, of_pod(containers=[{"name": "side", "image": "s"}, {"name": "c", "image": "j"}]))
    assert names(pod["containers"]) == ["side", "c"]
    assert pod["containers"][1]["image"] == "j"
    assert names(pod["containers"][1]["env"]) == ["A", "B"]


async def test_inner_lists_merge_by_their_own_keys_or_are_replaced(api, made):
    change = {"name": "c", "env": [{"name": "B", "value": None, "$patch": "delete"}, {"name": "C", "value": "3"}]}
    _, pod = await strategic(api, of_pod(containers=[{**change, "args": ["z"], "ports": [{"containerPort": 81}]}]))
    (container,) = pod["containers"]
    assert sorted(names(container["env"])) == ["A", "C"]
    assert container["args"] == ["z"]
    assert sorted(port["containerPort"] for port in container["ports"]) == [80, 81]


async def test_set_element_order_and_lists_without_a_key(api, made):
    await strategic(api, of_pod(containers=[{"name": "e", "image": "e"}]))
    order = [{"name": "c"}, {"name": "e"}]
    patch = of_pod(**{"$setElementOrder/containers": order, "containers": [{"name": "c", "image": "k"}]})
    _, pod = await strategic(api, patch)
    assert names(pod["containers"]) == ["c", "e"]
    _, pod = await strategic(api, of_pod(tolerations=[{"key": "other", "operator": "Exists"}]))
    assert [each["key"] for each in pod["tolerations"]] == ["other"]


async def test_a_volume_keeps_only_what_it_is_said_to_be(api, made):
    change = {"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "m"}}
    _, pod = await strategic(api, of_pod(volumes=[change]))
    (volume,) = pod["volumes"]
    assert "emptyDir" not in volume and volume["configMap"]["name"] == "m"


async def test_the_strategy_keeps_only_its_type(api, made):
    obj, _ = await strategic(api, {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}})
    assert obj["spec"]["strategy"] == {"type": "Recreate"}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}}
    status, error = await api.call("PATCH", f"{DEPLOYMENTS}/d", patch, type=STRATEGIC)
    assert (status, error["message"]) == (400, "invalid patch format of retainKeys")


async def test_replacing_a_list_and_a_map(api, made):
    replaced = [{"name": "only", "image": "o"}, {"$patch": "replace"}]
    _, pod = await strategic(api, of_pod(containers=replaced, volumes=[{"$patch": "replace"}]))
    assert names(pod["containers"]) == ["only"] and "volumes" not in pod
    obj, _ = await strategic(api, {"metadata": {"labels": {"$patch": "replace", "x": "y"}}})
    assert obj["metadata"]["labels"] == {"x": "y"}


async def test_scalars_of_a_set(api, made):
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["ex.io/a"], "finalizers": ["ex.io/c"]}}
    obj, _ = await strategic(api, patch)
    assert sorted(obj["metadata"]["finalizers"]) == ["ex.io/b", "ex.io/c"]


async def test_ports_of_a_service_merge_by_port(api):
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]}}
    await api.ok("POST", SERVICES, body)
    patch = {"spec": {"ports": [{"port": 81, "targetPort": 9}, {"port": 80, "$patch": "delete"}]}}
    seen = await api.ok("PATCH", f"{SERVICES}/s", patch, type=STRATEGIC)
    assert [(port["port"], port["targetPort"]) for port in seen["spec"]["ports"]] == [(81, 9)]


@pytest.mark.parametrize(
    ("type", "body", "status", "message"),
    [
        (MERGE, b"[", 400, "error decoding patch"),
        (STRATEGIC, b"nope", 400, "invalid character 'n' looking for beginning of value"),
        (JSON_PATCH, b"nope", 400, "error decoding patch"),
        (JSON_PATCH, [{"op": "sing", "path": "/a"}], 422, "the server rejected our request due to an error in our request"),
        (JSON_PATCH, [{"op": "remove", "path": "/none"}], 422, "the server rejected our request"),
        (MERGE, {"metadata": {"name": "other"}}, 400, "the name of the object (other) does not match the name on the URL (c)"),
        (MERGE, {"metadata": {"namespace": "other"}}, 400, "the namespace of the provided object does not match"),
        (MERGE, {"metadata": {"resourceVersion": "1"}}, 409, "the object has been modified"),
        (MERGE, {"data": {"a": 1}}, 422, ' "" is invalid: patch: Invalid value: "{\\"'),
        (MERGE, {"data": {"a": 1}}, 422, ": json: cannot unmarshal number into Go struct field ConfigMap.data"),
        (STRATEGIC, {"data": {"a": 1, "b": None}}, 422, 'patch: Invalid value: "map[data:map[a:1 b:<nil>]]": json: cannot'),
        (MERGE, {"metadata": {"uid": "x"}}, 409, "Precondition failed: UID in precondition: x"),
    ],
)  # fmt: skip
async def test_patches_that_are_refused(api, type, body, status, message):
    await api.ok("POST", CONFIGMAPS, {"metadata": {"name": "c"}, "data": {"a": "1"}})
    answer = await api.call("PATCH", f"{CONFIGMAPS}/c", body, type=type)
    assert answer[0] == status, answer
    assert message in answer[1]["message"]


async def test_strict_patches_are_refused_as_invalid(api):
    await api.ok("POST", CONFIGMAPS, {"metadata": {"name": "c"}, "data": {"a": "1"}})
    path = f"{CONFIGMAPS}/c?fieldValidation=Strict"
    status, error = await api.call("PATCH", path, {"bogus": 1}, type=MERGE)
    assert (status, error["reason"]) == (422, "Invalid")
    assert error["message"].endswith(': strict decoding error: unknown field "bogus"')
    assert error["details"]["causes"][0]["field"] == "patch"


async def test_a_put_creates_what_may_be_created_so(api):
    path = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    lease = {"metadata": {"name": "l", "resourceVersion": "7"}, "spec": {"holderIdentity": "me"}}
    status, made = await api.call("PUT", f"{path}/l", lease)
    assert status == 201 and made["metadata"]["resourceVersion"] != "7"
    assert made["metadata"]["managedFields"][0]["fieldsV1"] == {"f:spec": {"f:holderIdentity": {}}}
    status, error = await api.call("PUT", f"{CONFIGMAPS}/none", {"metadata": {"name": "none"}})
    assert (status, error["reason"]) == (404, "NotFound")


async def test_owners_that_stand_twice_are_told_of(api):
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}
    body = {"metadata": {"name": "c", "ownerReferences": [owner, {**owner, "name": "p"}]}}
    made = await api.ok("POST", CONFIGMAPS, body)
    assert made["metadata"]["ownerReferences"] == [owner]
    assert "duplicate UID(s) observed: u" in api.headers["warning"]
    await api.ok("PUT", f"{CONFIGMAPS}/c", body)
    assert "duplicate UID(s) observed: u" in api.headers["warning"]


async def test_what_is_too_large_for_the_store(api):
    path = "/apis/apps/v1/namespaces/default/controllerrevisions"
    body = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": "r"}, "revision": 1}
    body["data"] = {"text": "x" * 2_000_000}
    status, error = await api.call("POST", path, body)
    assert (status, error["reason"], error["message"]) == (
        413,
        "RequestEntityTooLarge",
        "etcdserver: request is too large",
    )
    # Rather than be refused, an object forgets who owns it: here names of labels are half of what is stored.
    body["metadata"]["labels"] = {f"label-{number:05}": "v" for number in range(20_000)}
    body["data"] = {"text": "x" * 1_000_000}
    made = await api.ok("POST", path, body)
    assert len(made["metadata"]["labels"]) == 20_000 and "managedFields" not in made["metadata"]
