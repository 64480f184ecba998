"""Server-side apply and field managers through the API, on built-in kinds and their subresources."""

from __future__ import annotations

import asyncio
import copy

import pytest

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PODS = "/api/v1/namespaces/default/pods"


def configmap(name="c", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name="d", **spec):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def owners(obj):
    return {
        (e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"]
        for e in obj["metadata"].get("managedFields", [])
    }


async def test_every_write_leaves_its_manager(api):
    made = await api.ok("POST", CONFIGMAPS, configmap(a="1"), agent="kubectl/v1.37 (linux)")
    assert owners(made) == {("kubectl", "Update", ""): {"f:data": {".": {}, "f:a": {}}}}
    patched = await api.ok("PATCH", f"{CONFIGMAPS}/c?fieldManager=me", {"data": {"b": "2"}}, type=MERGE)
    assert owners(patched) == {
        ("kubectl", "Update", ""): {"f:data": {".": {}, "f:a": {}}},
        ("me", "Update", ""): {"f:data": {"f:b": {}}},
    }
    put = await api.ok("PUT", f"{CONFIGMAPS}/c", configmap(b="3"), agent="")
    assert owners(put) == {
        ("kubectl", "Update", ""): {"f:data": {}},
        ("unknown", "Update", ""): {"f:data": {"f:b": {}}},
    }
    assert (await api.ok("GET", f"{CONFIGMAPS}/c"))["metadata"]["managedFields"] == put["metadata"]["managedFields"]


async def test_a_pod_is_owned_as_its_creator_sent_it_with_defaults(api):
    pod = {"metadata": {"name": "p", "labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    made = await api.ok("POST", PODS, pod, agent="kubectl-run/v1")
    (entry,) = made["metadata"]["managedFields"]
    container = {".": {}} | {
        f"f:{field}": {}
        for field in (
            "name",
            "image",
            "imagePullPolicy",
            "resources",
            "terminationMessagePath",
            "terminationMessagePolicy",
        )
    }
    spec = {
        f"f:{field}": {}
        for field in (
            "dnsPolicy",
            "enableServiceLinks",
            "restartPolicy",
            "schedulerName",
            "securityContext",
            "terminationGracePeriodSeconds",
        )
    }
    assert entry["fieldsV1"] == {
        "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
        "f:spec": {"f:containers": {'k:{"name":"c"}': container}, **spec},
    }
    # What admission and the scheduler add is nobody's.
    assert made["spec"]["tolerations"]


async def test_apply_creates_changes_and_takes_away(api):
    status, made = await api.apply(f"{CONFIGMAPS}/c", configmap(a="1", b="2"))
    assert status == 201
    status, changed = await api.apply(f"{CONFIGMAPS}/c", configmap(a="1", c="3"))
    assert (status, changed["data"]) == (200, {"a": "1", "c": "3"})
    status, same = await api.apply(f"{CONFIGMAPS}/c", configmap(a="1", c="3"))
    assert same == changed
    assert changed["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]


async def test_apply_takes_yaml(api):
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  a: '1'\n"
    status, made = await api.apply(f"{CONFIGMAPS}/c", body)
    assert (status, made["data"]) == (201, {"a": "1"})
    status, error = await api.apply(f"{CONFIGMAPS}/c", b"a: [", more="")
    assert status == 400 and error["message"].startswith("error decoding YAML: ")
    twice = body + b"  a: '2'\n"
    status, error = await api.apply(f"{CONFIGMAPS}/c", twice, more="&fieldValidation=Strict")
    assert status == 400 and 'key "a" already set in map' in error["message"]
    await api.apply(f"{CONFIGMAPS}/c", twice)
    assert 'key \\"a\\" already set in map' in api.headers["warning"].replace("\n", " ")


@pytest.mark.parametrize(
    ("path", "change", "status", "message"),
    [
        ("c?fieldManager=x", {"apiVersion": "v2"}, 400, "invalid object type: /v2, Kind=ConfigMap"),  # noqa: E501
        ("c?fieldManager=x", {"metadata": {"name": "other"}}, 400, "the name of the object (other) does not match the name on the URL (c)"),  # noqa: E501
        ("c?fieldManager=x", {"metadata": {}}, 400, "the name of the object (c based on URL) was undeterminable: name must be provided"),  # noqa: E501
        ("c?fieldManager=x", {"bogus": 1}, 500, "failed to create typed patch object (/c; /v1, Kind=ConfigMap): .bogus: field not declared in schema"),  # noqa: E501
        ("c?fieldManager=" + "x" * 129, {}, 422, 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes'),  # noqa: E501
    ],
)  # fmt: skip
async def test_what_cannot_be_applied(api, path, change, status, message):
    answer = await api.call("PATCH", f"{CONFIGMAPS}/{path}", {**configmap(), **change}, type=APPLY)
    assert (answer[0], answer[1]["message"]) == (status, message)


async def test_an_object_cannot_be_applied_under_another_address(api):
    await api.ok("POST", CONFIGMAPS, configmap(a="1"))
    for metadata in ({"name": "other"}, {"name": "c", "namespace": "other"}):
        status, error = await api.apply(f"{CONFIGMAPS}/c", {**configmap(), "metadata": metadata})
        assert status == 400 and "does not match" in error["message"]


async def test_force_is_for_apply_alone(api):
    await api.ok("POST", CONFIGMAPS, configmap())
    status, error = await api.call("PATCH", f"{CONFIGMAPS}/c?force=true", {"data": {}}, type=MERGE)
    assert status == 422
    assert error["details"]["causes"] == [
        {
            "reason": "FieldValueForbidden",
            "message": "Forbidden: may not be specified for non-apply patch",
            "field": "force",
        }
    ]


async def test_apply_honours_versions_and_dry_run(api):
    made = await api.ok("POST", CONFIGMAPS, configmap(a="1"))
    stale = configmap(b="1")
    stale["metadata"]["resourceVersion"] = "1"
    status, error = await api.apply(f"{CONFIGMAPS}/c", stale)
    assert (status, error["reason"]) == (409, "Conflict")
    status, seen = await api.apply(f"{CONFIGMAPS}/c", configmap(b="1"), more="&dryRun=All")
    assert (status, seen["data"]) == (200, {"a": "1", "b": "1"})
    assert await api.ok("GET", f"{CONFIGMAPS}/c") == made
    status, seen = await api.apply(f"{CONFIGMAPS}/new", configmap("new"), more="&dryRun=All")
    assert status == 201 and (await api.call("GET", f"{CONFIGMAPS}/new"))[0] == 404


async def test_apply_validates_as_every_write_does(api):
    config = deployment(replicas=-1)
    status, error = await api.apply(f"{DEPLOYMENTS}/d", config)
    assert (status, error["reason"]) == (422, "Invalid")
    status, error = await api.apply("/api/v1/namespaces/none/configmaps/c", configmap())
    assert (status, error["message"]) == (404, 'namespaces "none" not found')


async def test_lists_are_owned_by_key(api):
    config = deployment()
    await api.apply(f"{DEPLOYMENTS}/d", config)
    other = copy.deepcopy(config)
    other["spec"] = {"template": {"spec": {"containers": [{"name": "side", "image": "s"}]}}}
    status, both = await api.apply(f"{DEPLOYMENTS}/d", other, "two")
    assert status == 200
    assert [c["name"] for c in both["spec"]["template"]["spec"]["containers"]] == ["c", "side"]
    changed = copy.deepcopy(config)
    changed["spec"]["template"]["spec"]["containers"] = [{"name": "c", "image": "i"}, {"name": "side", "image": "t"}]
    status, error = await api.apply(f"{DEPLOYMENTS}/d", changed)
    assert (status, error["message"]) == (
        409,
        'Apply failed with 1 conflict: conflict with "two": .spec.template.spec.containers[name="side"].image',
    )
    status, left = await api.apply(f"{DEPLOYMENTS}/d", {**other, "spec": {}}, "two")
    assert [c["name"] for c in left["spec"]["template"]["spec"]["containers"]] == ["c"]


async def test_status_and_spec_are_owned_apart(api):
    await api.ok("POST", DEPLOYMENTS, {**deployment(), "status": {"replicas": 9}})
    status = {**deployment(), "status": {"observedGeneration": 1, "replicas": 1}}
    code, obj = await api.apply(f"{DEPLOYMENTS}/d/status", {**status, "spec": {"replicas": 5}}, "controller")
    assert (code, obj["status"]["replicas"], obj["spec"]["replicas"]) == (200, 1, 1)
    assert owners(obj)[("controller", "Apply", "status")] == {
        "f:status": {"f:observedGeneration": {}, "f:replicas": {}}
    }
    assert "f:status" not in owners(obj)[("tester", "Update", "")]
    # What the status's owner holds cannot be taken through the main resource.
    code, obj = await api.apply(f"{DEPLOYMENTS}/d", {**deployment(), "status": {"replicas": 7}}, "two")
    assert (code, obj["status"]["replicas"]) == (200, 1)
    patched = await api.ok("PATCH", f"{DEPLOYMENTS}/d/status", {"status": {"replicas": 2}}, type=MERGE)
    assert owners(patched)[("tester", "Update", "status")] == {"f:status": {"f:replicas": {}}}
    assert owners(patched)[("controller", "Apply", "status")] == {"f:status": {"f:observedGeneration": {}}}


async def test_replicas_change_hands_through_scale(api):
    await api.apply(f"{DEPLOYMENTS}/d", deployment(replicas=1))
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d"}, "spec": {"replicas": 3}}
    status, error = await api.apply(f"{DEPLOYMENTS}/d/scale", scale, "scaler")
    assert (status, error["message"]) == (
        409,
        'Apply failed with 1 conflict: conflict with "one": .spec.replicas',
    )
    status, seen = await api.apply(f"{DEPLOYMENTS}/d/scale", scale, "scaler", "&force=true")
    assert (status, seen["spec"]) == (200, {"replicas": 3})
    obj = await api.ok("GET", f"{DEPLOYMENTS}/d")
    assert owners(obj)[("scaler", "Apply", "scale")] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in owners(obj)[("one", "Apply", "")]["f:spec"]
    await api.ok("PUT", f"{DEPLOYMENTS}/d/scale", {**scale, "spec": {"replicas": 4}}, agent="hpa/1")
    obj = await api.ok("GET", f"{DEPLOYMENTS}/d")
    assert obj["spec"]["replicas"] == 4
    assert owners(obj)[("hpa", "Update", "scale")] == {"f:spec": {"f:replicas": {}}}
    assert ("scaler", "Apply", "scale") not in owners(obj)
    status, error = await api.apply(f"{DEPLOYMENTS}/d", deployment(replicas=9))
    assert 'conflict with "hpa" with subresource "scale" using apps/v1: .spec.replicas' in error["message"]
    # Left out, the number stays with its scaler.
    status, obj = await api.apply(f"{DEPLOYMENTS}/d", deployment())
    assert obj["spec"]["replicas"] == 4


async def test_writes_of_a_scale_are_checked(api):
    made = await api.ok("POST", DEPLOYMENTS, deployment())
    scale = {"metadata": {"name": "d", "resourceVersion": "1"}, "spec": {"replicas": 3}}
    status, error = await api.call("PUT", f"{DEPLOYMENTS}/d/scale", scale)
    assert (status, error["reason"]) == (409, "Conflict")
    scale["metadata"] = {"name": "d", "resourceVersion": made["metadata"]["resourceVersion"]}
    scale["spec"] = {"replicas": -1}
    status, error = await api.call("PUT", f"{DEPLOYMENTS}/d/scale", scale)
    assert (status, error["message"]) == (
        422,
        'Scale.autoscaling "d" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    )
    status, error = await api.call("PUT", f"{DEPLOYMENTS}/d/scale", {"metadata": {"name": "x"}})
    assert (status, error["message"]) == (400, "the name of the object (x) does not match the name on the URL (d)")


async def test_entries_can_be_reset(api):
    await api.apply(f"{CONFIGMAPS}/c", configmap(a="1"))
    patch = {"metadata": {"managedFields": [{}]}}
    cleared = await api.ok("PATCH", f"{CONFIGMAPS}/c", patch, type=MERGE)
    assert "managedFields" not in cleared["metadata"]
    changed = await api.ok("PATCH", f"{CONFIGMAPS}/c", {"data": {"a": "2"}}, type=MERGE)
    assert "managedFields" not in changed["metadata"]
    status, applied = await api.apply(f"{CONFIGMAPS}/c", configmap(b="1"))
    assert sorted(owners(applied)) == [("before-first-apply", "Update", ""), ("one", "Apply", "")]
    patch = [{"op": "replace", "path": "/metadata/managedFields", "value": []}]
    cleared = await api.ok("PATCH", f"{CONFIGMAPS}/c", patch, type="application/json-patch+json")
    assert "managedFields" not in cleared["metadata"]


async def test_kubectl_may_rename_its_client_side_entries(api):
    made = await api.ok("POST", f"{CONFIGMAPS}?fieldManager=kubectl-client-side-apply", configmap(a="1"))
    entries = copy.deepcopy(made["metadata"]["managedFields"])
    entries[0] |= {"manager": "kubectl", "operation": "Apply"}
    patch = [
        {"op": "replace", "path": "/metadata/managedFields", "value": entries},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": made["metadata"]["resourceVersion"]},
    ]
    moved = await api.ok("PATCH", f"{CONFIGMAPS}/c", patch, type="application/json-patch+json")
    assert list(owners(moved)) == [("kubectl", "Apply", "")]
    status, applied = await api.apply(f"{CONFIGMAPS}/c", configmap(b="1"), "kubectl")
    assert (status, applied["data"]) == (200, {"b": "1"})


async def test_a_write_that_changes_nothing_changes_no_entry(api):
    made = await api.ok("POST", CONFIGMAPS, configmap(a="1"))
    again = await api.ok("PUT", f"{CONFIGMAPS}/c?fieldManager=other", configmap(a="1"))
    assert again == made
    again = await api.ok("PATCH", f"{CONFIGMAPS}/c?fieldManager=other", {"data": {"a": "1"}}, type=MERGE)
    assert again == made


async def test_a_second_applier_of_the_same_has_no_time_as_in_kubernetes(api):
    first = await api.ok("PATCH", f"{CONFIGMAPS}/c?fieldManager=one", configmap(a="1"), type=APPLY)
    second = await api.ok("PATCH", f"{CONFIGMAPS}/c?fieldManager=two", configmap(a="1"), type=APPLY)
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    two, one = second["metadata"]["managedFields"]
    assert (two["manager"], one["manager"]) == ("two", "one") and "time" not in two
    assert one == first["metadata"]["managedFields"][0]
    again = await api.ok("PATCH", f"{CONFIGMAPS}/c?fieldManager=two", configmap(a="1"), type=APPLY)
    assert again == second
    changed = await api.ok("PATCH", f"{CONFIGMAPS}/c?fieldManager=two&force=true", configmap(a="2"), type=APPLY)
    assert all(entry["time"] for entry in changed["metadata"]["managedFields"])


async def test_old_entries_are_merged(api):
    await api.ok("POST", CONFIGMAPS, configmap(a="1"))
    for number in range(14):
        patched = await api.ok(
            "PATCH", f"{CONFIGMAPS}/c?fieldManager=m{number}", {"data": {f"k{number}": "x"}}, type=MERGE
        )
    entries = patched["metadata"]["managedFields"]
    assert len(entries) == 10
    assert "ancient-changes" in {entry["manager"] for entry in entries}


async def test_views_are_owned_in_their_own_version(api):
    path = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
    body = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"}}
    spec = {"scaleTargetRef": target, "maxReplicas": 3, "targetCPUUtilizationPercentage": 50}
    status, made = await api.apply(f"{path}/h", {**body, "spec": spec})
    assert status == 201
    (entry,) = made["metadata"]["managedFields"]
    assert entry["apiVersion"] == "autoscaling/v1"
    assert entry["fieldsV1"]["f:spec"]["f:targetCPUUtilizationPercentage"] == {}
    hub = await api.ok("GET", f"{path.replace('v1/', 'v2/')}/h")
    assert hub["metadata"]["managedFields"] == made["metadata"]["managedFields"]


async def test_appliers_at_once_all_count(api):
    configs = [configmap(**{f"k{number}": "v"}) for number in range(20)]
    answers = await asyncio.gather(
        *(api.apply(f"{CONFIGMAPS}/c", config, f"m{number}") for number, config in enumerate(configs))
    )
    assert sorted(status for status, _ in answers) == [200] * 19 + [201]
    obj = await api.ok("GET", f"{CONFIGMAPS}/c")
    assert len(obj["data"]) == 20 and len(obj["metadata"]["managedFields"]) == 20
    nothing = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    await asyncio.gather(*(api.apply(f"{CONFIGMAPS}/c", nothing, f"m{number}") for number in range(20)))
    obj = await api.ok("GET", f"{CONFIGMAPS}/c")
    assert "data" not in obj and "managedFields" not in obj["metadata"]


async def test_a_deleted_object_is_not_tracked_and_a_watch_tells_the_owners(api):
    await api.apply(f"{CONFIGMAPS}/c", {**configmap(a="1"), "metadata": {"name": "c", "finalizers": ["ex.io/f"]}})
    before = await api.ok("GET", f"{CONFIGMAPS}/c")
    marked = await api.ok("DELETE", f"{CONFIGMAPS}/c", agent="deleter/1")
    assert marked["metadata"]["managedFields"] == before["metadata"]["managedFields"]
    listed = await api.ok("GET", CONFIGMAPS)
    assert listed["items"][-1]["metadata"]["managedFields"] == before["metadata"]["managedFields"]
