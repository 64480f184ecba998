"""Pods by their other doors: binding, ephemeral containers, resize."""

from __future__ import annotations

import pytest

PODS = "/api/v1/namespaces/default/pods"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


@pytest.fixture
async def pod(api):
    resources = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "128Mi"}}
    container = {"name": "c", "image": "i", "resources": resources}
    body = {"metadata": {"name": "p"}, "spec": {"containers": [container]}}
    return await api.ok("POST", PODS, body)


def binding(node="n", **metadata):
    return {"metadata": {"name": "p", **metadata}, "target": {"kind": "Node", "name": node}}


async def test_a_binding_carries_labels_and_annotations(api, pod):
    await api.ok("POST", f"{PODS}/p/binding", binding(labels={"zone": "a"}, annotations={"by": "me"}))
    bound = await api.ok("GET", f"{PODS}/p")
    assert (bound["spec"]["nodeName"], bound["metadata"]["labels"], bound["metadata"]["annotations"]) == (
        "n",
        {"zone": "a"},
        {"by": "me"},
    )
    assert [c["type"] for c in bound["status"]["conditions"]] == ["PodScheduled"]
    assert bound["metadata"]["managedFields"] == pod["metadata"]["managedFields"], "a binding has no field manager"


async def test_bindings_is_the_same_by_the_bodys_name(api, pod):
    status, answer = await api.call("POST", "/api/v1/namespaces/default/bindings", binding())
    assert (status, answer["status"]) == (201, "Success")
    assert (await api.ok("GET", f"{PODS}/p"))["spec"]["nodeName"] == "n"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (binding(uid="other"), 409),
        (binding(name="q"), 400),
        ({"metadata": {"name": "p"}, "target": {"kind": "Node"}}, 422),
        ({"metadata": {"name": "p"}, "target": {"kind": "Pod", "name": "n"}}, 422),
    ],
)
async def test_bindings_that_are_refused(api, pod, body, status):
    assert (await api.call("POST", f"{PODS}/p/binding", body))[0] == status


async def test_a_dry_run_binds_nothing(api, pod):
    await api.ok("POST", f"{PODS}/p/binding?dryRun=All", binding())
    assert await api.ok("GET", f"{PODS}/p") == pod


async def test_ephemeral_containers_are_added_and_stay(api, pod):
    patch = {
        "spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox"}]},
        "metadata": {"labels": {"a": "b"}},
    }
    seen = await api.ok("PATCH", f"{PODS}/p/ephemeralcontainers", patch, type=STRATEGIC)
    (container,) = seen["spec"]["ephemeralContainers"]
    assert (container["name"], container["imagePullPolicy"]) == ("debug", "Always")
    assert "labels" not in seen["metadata"], "nothing else changes through this door"
    assert seen["metadata"]["generation"] == pod["metadata"]["generation"] + 1
    patch["spec"]["ephemeralContainers"][0]["name"] = "second"
    seen = await api.ok("PATCH", f"{PODS}/p/ephemeralcontainers", patch, type=STRATEGIC)
    assert {each["name"] for each in seen["spec"]["ephemeralContainers"]} == {"debug", "second"}
    for change in ({"spec": {"ephemeralContainers": []}}, {"spec": {"ephemeralContainers": [{"name": "debug"}]}}):
        status, error = await api.call("PATCH", f"{PODS}/p/ephemeralcontainers", change, type=MERGE)
        assert status == 422, error
        assert "existing ephemeral containers" in error["message"] or "image: Required value" in error["message"]
    assert await api.ok("GET", f"{PODS}/p/ephemeralcontainers") == seen


async def test_resources_are_changed_by_resize_alone(api, pod):
    change = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "150m"}}, "image": "other"}]}}
    status, _ = await api.call("PATCH", f"{PODS}/p", change, type=STRATEGIC)
    assert status == 422
    seen = await api.ok("PATCH", f"{PODS}/p/resize", change, type=STRATEGIC)
    (container,) = seen["spec"]["containers"]
    assert (container["resources"]["requests"], container["image"]) == ({"cpu": "150m", "memory": "64Mi"}, "i")
    (entry,) = [each for each in seen["metadata"]["managedFields"] if each.get("subresource")]
    assert (entry["subresource"], entry["fieldsV1"]) == (
        "resize",
        {"f:spec": {"f:containers": {'k:{"name":"c"}': {"f:resources": {"f:requests": {"f:cpu": {}}}}}}},
    )
    assert seen["metadata"]["generation"] == pod["metadata"]["generation"] + 1


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        ({"requests": {"cpu": "200m", "memory": "128Mi"}}, "Pod QOS Class may not change as a result of resizing"),
        ({"limits": {"cpu": None}}, "resource limits cannot be removed"),
        ({"requests": {"ephemeral-storage": "1Gi"}}, "only cpu and memory resources are mutable"),
    ],
)
async def test_resizes_that_are_refused(api, pod, resources, text):
    change = {"spec": {"containers": [{"name": "c", "resources": resources}]}}
    status, error = await api.call("PATCH", f"{PODS}/p/resize", change, type=STRATEGIC)
    assert status == 422 and text in error["message"]


@pytest.mark.parametrize(
    ("containers", "text"),
    [
        ([{"name": "c"}, {"name": "d"}], "spec: Forbidden: containers may not be added or removed on resize"),
        ([{"name": "d"}], "spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize"),
    ],
)
async def test_a_resize_leaves_the_containers_where_they_are(api, pod, containers, text):
    change = {"spec": {"containers": [{**each, "image": "i"} for each in containers]}}
    status, error = await api.call("PATCH", f"{PODS}/p/resize", change, type=MERGE)
    assert status == 422 and text in error["message"]
