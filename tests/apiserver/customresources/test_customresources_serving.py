"""Custom resources over the wire: from the definition to the objects, and back to nothing."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from apiserver.config import ApiServerConfig
from apiserver.server import ApiServer
from tests.apiserver.customresources.conftest import (
    APPLY,
    CRDS,
    WIDGETS,
    Api,
    condition,
    definition,
    eventually,
    version,
    widget,
)

FULL = {
    "subresources": {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.size",
            "statusReplicasPath": ".status.size",
            "labelSelectorPath": ".status.selector",
        },
    },
    "additionalPrinterColumns": [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status', "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ],
    "selectableFields": [{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.size"}],
}


def _full(**more):
    return definition(version(**FULL, **more), names={"shortNames": ["wd"], "categories": ["things"]})


async def test_a_definition_is_established_and_says_its_names(api: Api):
    made = await api.declare(_full())
    status = made["status"]
    assert status["acceptedNames"] == {
        "plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList",
        "shortNames": ["wd"], "categories": ["things"],
    }  # fmt: skip
    assert [each["type"] for each in status["conditions"]] == ["NamesAccepted", "Established"]
    assert status["storedVersions"] == ["v1"]
    assert made["metadata"]["generation"] == 1


async def test_create_prunes_defaults_and_validates(api: Api):
    await api.declare(_full())
    made = await api.create(WIDGETS, widget(color="red", bogus=1, parts=[{"name": "x"}]))
    assert made["spec"] == {"color": "red", "size": 1, "parts": [{"name": "x", "count": 1}]}
    assert made["metadata"]["generation"] == 1
    assert api.warnings == ['299 - "unknown field \\"spec.bogus\\""']
    status, answer = await api.call("POST", WIDGETS, widget("b", size=10, parts=[{"name": "x"}, {"name": "x"}]))
    assert status == 422
    assert answer["message"] == (
        'Widget.ex.io "b" is invalid: [spec.size: Invalid value: 10: spec.size in body should be less than or equal to 9, '
        'spec.parts[1]: Duplicate value: {"name":"x"}]'
    )
    body = {**widget("b", bogus=1), "metadata": {"name": "b", "odd": 1}}
    status, answer = await api.call("POST", f"{WIDGETS}?fieldValidation=Strict", body)
    assert status == 400
    assert 'unknown field "metadata.odd", unknown field "spec.bogus"' in answer["message"]


async def test_status_and_spec_do_not_touch_each_other(api: Api):
    await api.declare(_full())
    made = await api.create(WIDGETS, {**widget(size=2), "status": {"size": 9}})
    assert "status" not in made
    made = await api.patch(f"{WIDGETS}/a/status", {"spec": {"size": 7}, "status": {"size": 2}})
    assert (made["spec"]["size"], made["status"], made["metadata"]["generation"]) == (2, {"size": 2}, 1)
    made = await api.patch(f"{WIDGETS}/a", {"spec": {"size": 3}, "status": {"size": 8}})
    assert (made["spec"]["size"], made["status"], made["metadata"]["generation"]) == (3, {"size": 2}, 2)
    made = await api.patch(f"{WIDGETS}/a/status", {"metadata": {"labels": {"x": "y"}}, "status": {"size": 3}})
    assert "labels" not in made["metadata"]


async def test_without_a_status_subresource_everything_counts_as_spec(api: Api):
    await api.declare(definition())
    made = await api.create(WIDGETS, {**widget(), "status": {"size": 9}})
    assert made["status"] == {"size": 9}
    made = await api.patch(f"{WIDGETS}/a", {"status": {"size": 8}})
    assert made["metadata"]["generation"] == 2
    status, _ = await api.call("GET", f"{WIDGETS}/a/status")
    assert status == 404


async def test_scale(api: Api):
    await api.declare(_full())
    await api.create(WIDGETS, widget(size=2))
    await api.patch(f"{WIDGETS}/a/status", {"status": {"size": 2, "selector": "app=a"}})
    scale = await api.get(f"{WIDGETS}/a/scale")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 2, "selector": "app=a"})
    scale["spec"]["replicas"] = 4
    status, scale = await api.call("PUT", f"{WIDGETS}/a/scale", scale)
    assert (status, scale["spec"]) == (200, {"replicas": 4})
    made = await api.get(f"{WIDGETS}/a")
    assert (made["spec"]["size"], made["metadata"]["generation"]) == (4, 2)
    status, answer = await api.call(
        "PATCH", f"{WIDGETS}/a/scale", {"spec": {"replicas": 10}}, Content_Type="application/merge-patch+json"
    )
    assert status == 422, answer


async def test_columns(api: Api):
    await api.declare(_full())
    await api.create(WIDGETS, widget(size=2))
    await api.patch(f"{WIDGETS}/a/status", {"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    table = await api.get(WIDGETS, Accept=accept)
    columns = [(each["name"], each["type"], each["priority"]) for each in table["columnDefinitions"]]
    assert columns == [("Name", "string", 0), ("Size", "integer", 0), ("Ready", "string", 1), ("Age", "date", 0)]
    cells = table["rows"][0]["cells"]
    assert cells[:3] == ["a", 2, "True"]
    assert cells[3].endswith("s")


async def test_default_columns_are_name_and_age(api: Api):
    await api.declare(definition())
    await api.create(WIDGETS, widget())
    table = await api.get(WIDGETS, Accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert [each["name"] for each in table["columnDefinitions"]] == ["Name", "Age"]


async def test_selectable_fields(api: Api):
    await api.declare(_full())
    await api.create(WIDGETS, widget("a", color="red", size=2))
    await api.create(WIDGETS, widget("b", color="blue"))
    assert [
        each["metadata"]["name"] for each in (await api.get(f"{WIDGETS}?fieldSelector=spec.color%3Dblue"))["items"]
    ] == ["b"]
    assert [
        each["metadata"]["name"] for each in (await api.get(f"{WIDGETS}?fieldSelector=spec.size%3D1"))["items"]
    ] == ["b"]
    status, answer = await api.call("GET", f"{WIDGETS}?fieldSelector=spec.other%3D1")
    assert (status, answer["message"]) == (400, "field label not supported: spec.other")


async def test_put_wants_a_resource_version(api: Api):
    await api.declare(definition())
    made = await api.create(WIDGETS, widget())
    status, answer = await api.call("PUT", f"{WIDGETS}/a", widget(size=2))
    assert (status, answer["reason"]) == (422, "Invalid")
    assert "metadata.resourceVersion: Invalid value" in answer["message"]
    made["spec"]["size"] = 2
    status, made = await api.call("PUT", f"{WIDGETS}/a", made)
    assert (status, made["metadata"]["generation"]) == (200, 2)
    again = (await api.call("PUT", f"{WIDGETS}/a", made))[1]
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_patches(api: Api):
    await api.declare(definition())
    await api.create(WIDGETS, widget())
    made = await api.patch(
        f"{WIDGETS}/a", [{"op": "add", "path": "/spec/color", "value": "red"}], "application/json-patch+json"
    )
    assert made["spec"]["color"] == "red"
    status, answer = await api.call("PATCH", f"{WIDGETS}/a", {}, Content_Type="application/strategic-merge-patch+json")
    assert (status, answer["reason"]) == (415, "UnsupportedMediaType")
    status, _ = await api.call("PATCH", f"{WIDGETS}/a", {"kind": "Other"}, Content_Type="application/merge-patch+json")
    assert status == 400


async def test_apply_merges_lists_by_the_keys_of_the_schema(api: Api):
    await api.declare(definition())
    one = {**widget(), "spec": {"parts": [{"name": "x", "count": 2}]}}
    two = {**widget(), "spec": {"parts": [{"name": "y", "count": 3}]}}
    await api.call("PATCH", f"{WIDGETS}/a?fieldManager=one", one, Content_Type=APPLY)
    made = await api.patch(f"{WIDGETS}/a?fieldManager=two", two, APPLY)
    assert made["spec"]["parts"] == [{"name": "x", "count": 2}, {"name": "y", "count": 3}]
    clash = {**widget(), "spec": {"parts": [{"name": "x", "count": 5}]}}
    status, answer = await api.call("PATCH", f"{WIDGETS}/a?fieldManager=two", clash, Content_Type=APPLY)
    assert (status, answer["reason"]) == (409, "Conflict")
    made = await api.patch(f"{WIDGETS}/a?fieldManager=one", {**widget(), "spec": {}}, APPLY)
    assert made["spec"]["parts"] == [{"name": "y", "count": 3}]


async def test_protobuf_is_not_spoken(api: Api):
    await api.declare(definition())
    protobuf = "application/vnd.kubernetes.protobuf"
    status, _ = await api.call("GET", WIDGETS, Accept=protobuf)
    assert status == 406
    status, _ = await api.call("GET", WIDGETS, Accept=f"{protobuf},application/json")
    assert status == 200
    status, _ = await api.call("POST", WIDGETS, {}, Content_Type=protobuf)
    assert status == 415


async def test_discovery_and_openapi(api: Api):
    await api.declare(_full())
    served = (await api.get("/apis/ex.io/v1"))["resources"]
    assert [each["name"] for each in served] == ["widgets", "widgets/scale", "widgets/status"]
    assert (served[0]["shortNames"], served[0]["categories"]) == (["wd"], ["things"])
    groups = [each["name"] for each in (await api.get("/apis"))["groups"]]
    assert groups[-1] == "ex.io"
    document = await api.get("/openapi/v3/apis/ex.io/v1")
    schema = document["components"]["schemas"]["io.ex.v1.Widget"]
    assert schema["x-kubernetes-group-version-kind"] == [{"group": "ex.io", "version": "v1", "kind": "Widget"}]
    assert schema["properties"]["spec"]["properties"]["size"]["maximum"] == 9
    assert schema["properties"]["metadata"]["allOf"][0]["$ref"].endswith("ObjectMeta")
    patch = document["paths"]["/apis/ex.io/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert "fieldValidation" in [each["name"] for each in patch["parameters"]]
    assert "apis/ex.io/v1" in (await api.get("/openapi/v3"))["paths"]


# Versions -----------------------------------------------------------------------------------------------------------


async def test_versions_are_views_of_the_same_objects(api: Api):
    old = version("v1beta1", storage=False, deprecated=True)
    await api.declare(definition(old, version("v1")))
    group = next(each for each in (await api.get("/apis"))["groups"] if each["name"] == "ex.io")
    assert [each["version"] for each in group["versions"]] == ["v1", "v1beta1"]
    beta = WIDGETS.replace("v1/", "v1beta1/", 1)
    made = await api.create(beta, widget(version="v1beta1", size=2))
    assert made["apiVersion"] == "ex.io/v1beta1"
    assert api.warnings == ['299 - "ex.io/v1beta1 Widget is deprecated; use ex.io/v1 Widget"']
    found = await api.get(f"{WIDGETS}/a")
    assert (found["apiVersion"], found["spec"]["size"]) == ("ex.io/v1", 2)
    assert found["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    raw = await api.server.registry.store(api.server.registry.catalog.find("ex.io", "v1", "widgets")).find(
        "default", "a"
    )
    assert json.loads(raw.value)["apiVersion"] == "ex.io/v1"
    async with api.session.get(f"{api.server.url}{beta}?watch=1") as watch:
        line = json.loads(await watch.content.readline())
        assert (line["type"], line["object"]["apiVersion"]) == ("ADDED", "ex.io/v1beta1")


async def test_each_version_has_its_own_rules(api: Api):
    strict = version("v2")
    strict["schema"]["openAPIV3Schema"] = {
        "type": "object",
        "required": ["spec"],
        "properties": {"spec": {"type": "object", "required": ["color"], "properties": {"color": {"type": "string"}}}},
    }
    await api.declare(definition(version("v1", storage=False), strict))
    await api.create(WIDGETS, widget(size=3))
    newer = WIDGETS.replace("v1/", "v2/", 1)
    status, answer = await api.call("POST", newer, widget("b", "v2"))
    assert (status, answer["details"]["causes"][0]["field"]) == (422, "spec.color")
    assert (await api.get(f"{newer}/a"))["spec"] == {}  # pruned by the schema of v2 …
    assert (await api.get(f"{WIDGETS}/a"))["spec"]["size"] == 3  # … and not lost


async def test_a_version_that_is_no_longer_served(api: Api):
    await api.declare(definition(version("v1beta1", storage=False), version("v1")))
    beta = WIDGETS.replace("v1/", "v1beta1/", 1)
    assert (await api.call("GET", beta))[0] == 200
    crd = await api.get(f"{CRDS}/widgets.ex.io")
    crd["spec"]["versions"][0]["served"] = False
    assert (await api.call("PUT", f"{CRDS}/widgets.ex.io", crd))[0] == 200

    async def is_so() -> bool:
        return (await api.call("GET", beta))[0] == 404

    await eventually(is_so)
    assert (await api.call("GET", WIDGETS))[0] == 200


async def test_storage_version_moves(api: Api):
    first = definition(version("v1"), version("v2", storage=False))
    await api.declare(first)
    await api.create(WIDGETS, widget(size=2))
    crd = await api.get(f"{CRDS}/widgets.ex.io")
    crd["spec"]["versions"][0]["storage"], crd["spec"]["versions"][1]["storage"] = False, True
    status, crd = await api.call("PUT", f"{CRDS}/widgets.ex.io", crd)
    assert (status, crd["status"]["storedVersions"]) == (200, ["v1", "v2"])
    registry = api.server.registry

    async def stored_version() -> str:
        raw = await registry.store(registry.catalog.find("ex.io", "v1", "widgets")).find("default", "a")
        return json.loads(raw.value)["apiVersion"]

    async def is_so() -> bool:
        return registry.catalog.find("ex.io", "v1", "widgets").hub.version == "v2"

    await eventually(is_so)
    assert await stored_version() == "ex.io/v1"
    found = await api.get(f"{WIDGETS}/a")
    moved = (await api.call("PUT", f"{WIDGETS}/a", found))[1]  # writing it back moves it, as migrators do
    assert await stored_version() == "ex.io/v2"
    assert int(moved["metadata"]["resourceVersion"]) > int(found["metadata"]["resourceVersion"])
    status, answer = await api.call(
        "PATCH", f"{CRDS}/widgets.ex.io", {"spec": {"versions": [crd["spec"]["versions"][1]]}},
        Content_Type="application/merge-patch+json",
    )  # fmt: skip
    assert status == 422
    assert 'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions' in answer["message"]


async def test_a_default_that_comes_later_is_there_when_reading(api: Api):
    await api.declare(definition())
    await api.create(WIDGETS, widget())
    crd = await api.get(f"{CRDS}/widgets.ex.io")
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["color"]["default"] = "white"
    assert (await api.call("PUT", f"{CRDS}/widgets.ex.io", crd))[0] == 200

    async def is_so() -> bool:
        return (await api.get(f"{WIDGETS}/a"))["spec"].get("color") == "white"

    await eventually(is_so)
    listed = (await api.get(WIDGETS))["items"][0]
    assert listed["spec"]["color"] == "white"


async def test_a_watch_ends_with_its_rules_and_goes_on_by_the_new_ones(api: Api):
    await api.declare(definition())
    made = await api.create(WIDGETS, widget())
    url = f"{api.server.url}{WIDGETS}?watch=1&resourceVersion="
    watch = await api.session.get(url + made["metadata"]["resourceVersion"])
    crd = await api.get(f"{CRDS}/widgets.ex.io")
    properties = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    properties["extra"] = {"type": "string"}
    assert (await api.call("PUT", f"{CRDS}/widgets.ex.io", crd))[0] == 200
    async with asyncio.timeout(20):
        assert await watch.content.readline() == b""
    await api.patch(f"{WIDGETS}/a", {"spec": {"extra": "x"}})
    async with asyncio.timeout(20), api.session.get(url + made["metadata"]["resourceVersion"]) as again:
        event = json.loads(await again.content.readline())
    assert (event["type"], event["object"]["spec"]["extra"]) == ("MODIFIED", "x")  # nothing was missed, nothing expired


async def test_what_became_wrong_may_stay_but_not_get_worse(api: Api):
    await api.declare(definition())
    await api.create(WIDGETS, widget(size=9, color="red"))
    crd = await api.get(f"{CRDS}/widgets.ex.io")
    size = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["size"]
    size["maximum"] = 5
    assert (await api.call("PUT", f"{CRDS}/widgets.ex.io", crd))[0] == 200

    async def is_so() -> bool:
        return (await api.call("POST", f"{WIDGETS}?dryRun=All", widget("b", size=6)))[0] == 422

    await eventually(is_so)
    made = await api.patch(f"{WIDGETS}/a", {"spec": {"color": "blue"}})
    assert made["spec"] == {"size": 9, "color": "blue"}
    status, _ = await api.call(
        "PATCH", f"{WIDGETS}/a", {"spec": {"size": 8}}, Content_Type="application/merge-patch+json"
    )
    assert status == 422


# Life ---------------------------------------------------------------------------------------------------------------


async def test_deleting_a_definition_deletes_its_objects_first(api: Api):
    await api.declare(definition())
    await api.create(WIDGETS, {**widget("held"), "metadata": {"name": "held", "finalizers": ["ex.io/hold"]}})
    await api.create(WIDGETS, widget("free"))
    watch = await api.session.get(f"{api.server.url}{WIDGETS}?watch=1&resourceVersion=0")
    status, crd = await api.call("DELETE", f"{CRDS}/widgets.ex.io")
    assert status == 200
    assert crd["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    assert condition(crd, "Terminating") == "True"

    async def is_so() -> bool:
        return [each["metadata"]["name"] for each in (await api.get(WIDGETS))["items"]] == ["held"]

    await eventually(is_so)
    status, answer = await api.call("POST", WIDGETS, widget("new"))
    assert (status, answer["reason"]) == (405, "MethodNotAllowed")
    held = (await api.get(WIDGETS))["items"][0]
    assert held["metadata"]["deletionTimestamp"]
    resource = api.server.registry.catalog.find("ex.io", "v1", "widgets")
    await api.server.registry.update(resource, "default", "held", _let_go)
    await api.until("widgets.ex.io", lambda seen: seen is None)

    async def is_so() -> bool:
        return (await api.call("GET", WIDGETS))[0] == 404

    await eventually(is_so)
    async with asyncio.timeout(20):
        lines = [json.loads(line) async for line in watch.content]  # it ends with the resource
    assert [line["type"] for line in lines if line["object"]["metadata"]["name"] == "held"][-1] == "DELETED"
    assert "ex.io" not in [each["name"] for each in (await api.get("/apis"))["groups"]]
    again = await api.declare(definition())
    assert condition(again, "Established") == "True"
    assert (await api.get(WIDGETS))["items"] == []


async def test_objects_of_versions_that_nobody_can_see_go_too(api: Api):
    await api.declare(definition())
    await api.create(WIDGETS, widget())
    crd = await api.get(f"{CRDS}/widgets.ex.io")
    crd["spec"]["versions"][0]["served"] = False
    assert (await api.call("PUT", f"{CRDS}/widgets.ex.io", crd))[0] == 200
    await api.call("DELETE", f"{CRDS}/widgets.ex.io")
    await api.until("widgets.ex.io", lambda seen: seen is None)
    await api.declare(definition())
    assert (await api.get(WIDGETS))["items"] == []


def _let_go(obj):
    obj["metadata"].pop("finalizers", None)
    return obj


async def test_a_second_server_serves_it_too_and_a_later_one(api: Api, store):
    second = ApiServer(ApiServerConfig(), store.client())
    await second.start()
    try:
        await api.declare(definition())
        await api.create(WIDGETS, widget(size=4))
        async with aiohttp.ClientSession() as session:
            other = Api(session, second)

            async def is_so() -> bool:
                return (await other.call("GET", f"{WIDGETS}/a"))[0] == 200

            await eventually(is_so)
            await other.patch(f"{WIDGETS}/a", {"spec": {"size": 5}})
    finally:
        await second.stop()
    assert (await api.get(f"{WIDGETS}/a"))["spec"]["size"] == 5
    third = ApiServer(ApiServerConfig(), store.client())
    await third.start()
    try:
        async with aiohttp.ClientSession() as session:
            assert (await Api(session, third).get(f"{WIDGETS}/a"))["spec"]["size"] == 5
    finally:
        await third.stop()


async def test_names_belong_to_whoever_was_first(api: Api):
    await api.declare(definition(names={"shortNames": ["wd"]}))
    later = definition(plural="wedges", names={"shortNames": ["wd"]})
    await api.create(CRDS, later)
    crd = await api.until("wedges.ex.io", lambda seen: condition(seen, "NamesAccepted") == "False")
    assert condition(crd, "Established") == "False"
    problem = next(each for each in crd["status"]["conditions"] if each["type"] == "NamesAccepted")
    assert (problem["reason"], problem["message"]) == ("ShortNamesConflict", '"wd" is already in use')
    assert (await api.call("GET", "/apis/ex.io/v1/namespaces/default/wedges"))[0] == 404
    await api.call("DELETE", f"{CRDS}/widgets.ex.io")
    await api.until("wedges.ex.io", lambda seen: condition(seen, "Established") == "True")


async def test_cluster_scope_and_generated_names(api: Api):
    await api.declare(definition(scope="Cluster"))
    made = await api.create("/apis/ex.io/v1/widgets", {**widget(), "metadata": {"generateName": "w-"}})
    assert made["metadata"]["name"].startswith("w-")
    assert "namespace" not in made["metadata"]


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        (None, 422, ""),
        ("https://github.com/x/y", 201, "ApprovedAnnotation"),
        ("unapproved, a test", 201, "UnapprovedAnnotation"),
    ],
)
async def test_groups_of_the_project_need_an_approval(api: Api, said, status, reason):
    body = definition(group="ex.k8s.io")
    if said:
        body["metadata"]["annotations"] = {"api-approved.kubernetes.io": said}
    answered, made = await api.call("POST", CRDS, body)
    assert answered == status
    if reason:
        crd = await api.until("widgets.ex.k8s.io", lambda seen: condition(seen, "Established") == "True")
        found = [
            each for each in crd["status"]["conditions"] if each["type"] == "KubernetesAPIApprovalPolicyConformant"
        ]
        assert found[0]["reason"] == reason
    else:
        assert "protected groups must have approval annotation" in made["message"]


async def test_each_group_version_has_an_api_service(api: Api):
    path = "/apis/apiregistration.k8s.io/v1/apiservices"
    names = [each["metadata"]["name"] for each in (await api.get(path))["items"]]
    assert {"v1.", "v1.apps", "v1.apiextensions.k8s.io", "v2.autoscaling"} <= set(names)
    core = await api.get(f"{path}/v1.")
    assert core["spec"] == {"version": "v1", "groupPriorityMinimum": 18000, "versionPriority": 1}
    assert core["status"]["conditions"][0]["reason"] == "Local"
    await api.declare(definition())

    async def is_there() -> bool:
        return (await api.call("GET", f"{path}/v1.ex.io"))[0] == 200

    await eventually(is_there)
    await api.call("DELETE", f"{CRDS}/widgets.ex.io")
    await api.until("widgets.ex.io", lambda seen: seen is None)

    async def is_gone() -> bool:
        return (await api.call("GET", f"{path}/v1.ex.io"))[0] == 404

    await eventually(is_gone)


async def test_what_others_write_into_a_status(api: Api):
    made = await api.declare(definition())
    others = {"type": "Audited", "status": "True", "reason": "Test", "message": ""}
    made["status"]["conditions"].append(others)
    status, answer = await api.call("PUT", f"{CRDS}/widgets.ex.io/status", made)
    assert (status, condition(answer, "Audited")) == (200, "True")
    await api.patch(f"{CRDS}/widgets.ex.io/status", {"status": {"conditions": [others]}})
    crd = await api.until("widgets.ex.io", lambda seen: condition(seen, "Established") == "True")
    assert [each["type"] for each in crd["status"]["conditions"]] == ["Audited", "NamesAccepted", "Established"]
    assert (await api.call("GET", WIDGETS))[0] == 200
    status, answer = await api.call(
        "PATCH",
        f"{CRDS}/widgets.ex.io/status",
        {"status": {"storedVersions": []}},
        Content_Type="application/merge-patch+json",
    )
    assert (status, "must have at least one stored version" in answer["message"]) == (422, True)


async def test_unknown_fields_of_embedded_metadata(api: Api):
    template = {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": {"type": "object"}}}
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"template": template}}},
    }
    await api.declare(definition({**version(), "schema": {"openAPIV3Schema": schema}}))
    inner = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "odd": 1, "creationTimestamp": None}}
    body = widget(template={**inner, "extra": 1})
    body["metadata"]["odd"] = 1
    status, answer = await api.call("POST", f"{WIDGETS}?fieldValidation=Strict", body)
    assert status == 400
    for path in ("metadata.odd", "spec.template.extra", "spec.template.metadata.odd"):
        assert f'unknown field "{path}"' in answer["message"]
    made = await api.create(WIDGETS, body)
    assert made["spec"] == {"template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}}
    body["metadata"]["name"] = "b"
    del body["spec"]["template"]["kind"]
    body["spec"]["template"]["metadata"] = {"name": "x", "labels": {"a b": "c"}}
    status, answer = await api.call("POST", WIDGETS, body)
    causes = [each["field"] for each in answer["details"]["causes"]]
    assert (status, causes) == (422, ["spec.template.kind", "spec.template.metadata.labels"])


async def test_bodies_of_another_type(api: Api):
    await api.declare(definition())
    status, answer = await api.call("POST", WIDGETS, {**widget(), "apiVersion": "ex.io/v2"})
    said = "the API version in the data (ex.io/v2) does not match the expected API version (ex.io/v1)"
    assert (status, answer["message"]) == (400, said)
    status, answer = await api.call("POST", WIDGETS, {**widget(), "kind": "Gadget"})
    said = 'Widget.ex.io "a" is invalid: kind: Invalid value: "Gadget": must be Widget'
    assert (status, answer["message"]) == (422, said)
