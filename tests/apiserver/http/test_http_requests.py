"""Requests over the socket: pages, forms, discovery, and what is answered to nonsense."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


async def test_pages_come_from_one_revision(http):
    for number in range(7):
        await http.make(f"p{number}")
    _, first, _ = await http.call("GET", f"{CONFIGMAPS}?limit=3")
    assert [item["metadata"]["name"] for item in first["items"]] == ["p0", "p1", "p2"]
    assert first["metadata"]["remainingItemCount"] == 4
    await http.make("p2a")
    await http.call("DELETE", f"{CONFIGMAPS}/p6")
    names, token = [], first["metadata"]["continue"]
    while token:
        _, page, _ = await http.call("GET", f"{CONFIGMAPS}?limit=3&continue={token}")
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue")
    assert names == ["p3", "p4", "p5", "p6"]


async def test_a_page_of_a_compacted_revision_is_410_with_a_way_on(http):
    for number in range(4):
        await http.make(f"p{number}")
    _, first, _ = await http.call("GET", f"{CONFIGMAPS}?limit=2")
    made = await http.make("later")
    await http.store.client().compact(int(made["metadata"]["resourceVersion"]))
    status, gone, _ = await http.call("GET", f"{CONFIGMAPS}?limit=2&continue={first['metadata']['continue']}")
    assert (status, gone["reason"]) == (410, "Expired")
    status, rest, _ = await http.call("GET", f"{CONFIGMAPS}?continue={gone['metadata']['continue']}")
    assert status == 200
    assert [item["metadata"]["name"] for item in rest["items"]] == ["p2", "p3"]


async def test_selectors_and_limits_together(http):
    for number in range(6):
        await http.make(f"s{number}", {"parity": str(number % 2)})
    _, page, _ = await http.call("GET", f"{CONFIGMAPS}?labelSelector=parity%3D1&limit=2")
    assert [item["metadata"]["name"] for item in page["items"]] == ["s1", "s3"]
    assert "remainingItemCount" not in page["metadata"]
    _, rest, _ = await http.call(
        "GET", f"{CONFIGMAPS}?labelSelector=parity%3D1&continue={page['metadata']['continue']}"
    )
    assert [item["metadata"]["name"] for item in rest["items"]] == ["s5"]


async def test_a_list_across_namespaces_comes_in_every_form(http):
    """Three steps below /api: no discovery document, whatever the client accepts."""
    for form, kind in (("Table", "Table"), ("PartialObjectMetadataList", "PartialObjectMetadataList")):
        accept = f"application/json;as={form};v=v1;g=meta.k8s.io"
        status, listed, _ = await http.call("GET", "/api/v1/configmaps", Accept=accept)
        assert (status, listed["kind"]) == (200, kind)


async def test_forms_of_a_list(http):
    await http.make("a")
    _, table, _ = await http.call(
        "GET", CONFIGMAPS, Accept="application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    )
    assert table["kind"] == "Table"
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    _, partial, _ = await http.call("GET", CONFIGMAPS, Accept=accept)
    assert partial["kind"] == "PartialObjectMetadataList"
    status, refused, _ = await http.call("GET", CONFIGMAPS, Accept="application/msgpack")
    assert (status, refused["reason"]) == (406, "NotAcceptable")


async def test_yaml_bodies_are_taken(http):
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: y\ndata:\n  k: v\n"
    status, made, _ = await http.call("POST", CONFIGMAPS, body, Content_Type="application/yaml")
    assert status == 201
    assert made["data"] == {"k": "v"}


async def test_discovery_both_ways(http):
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    status, groups, headers = await http.call("GET", "/apis", Accept=accept)
    assert status == 200
    assert headers["Content-Type"] == accept
    assert "apps" in [item["metadata"]["name"] for item in groups["items"]]
    status, _, _ = await http.call("GET", "/apis", Accept=accept, If_None_Match=headers["ETag"])
    assert status == 304
    for path, kind in (
        ("/api", "APIVersions"),
        ("/apis", "APIGroupList"),
        ("/apis/apps", "APIGroup"),
        ("/api/v1", "APIResourceList"),
        ("/apis/apps/v1", "APIResourceList"),
    ):
        _, document, _ = await http.call("GET", path)
        assert document["kind"] == kind, path


async def test_everything_discovered_can_be_listed_and_watched(http):
    """The garbage collector of a real controller manager blocks on a resource that is listed and is not there."""
    paths = ["/api/v1"]
    _, groups, _ = await http.call("GET", "/apis")
    paths += [f"/apis/{version['groupVersion']}" for group in groups["groups"] for version in group["versions"]]

    async def look(path: str, resource: dict[str, Any]) -> None:
        status, listed, _ = await http.call("GET", f"{path}/{resource['name']}")
        assert status == 200, resource["name"]
        if "watch" in resource["verbs"]:
            query = f"watch=1&timeoutSeconds=1&resourceVersion={listed['metadata']['resourceVersion']}"
            status, _, _ = await http.call("GET", f"{path}/{resource['name']}?{query}&fieldSelector=metadata.name%3Dx")
            assert status == 200, resource["name"]

    looks = []
    for path in paths:
        _, document, _ = await http.call("GET", path)
        looks += [look(path, resource) for resource in document["resources"] if "list" in resource["verbs"]]
    await asyncio.gather(*looks)


async def test_openapi_documents_have_names_that_stay(http):
    _, index, _ = await http.call("GET", "/openapi/v3")
    address = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
    status, document, headers = await http.call("GET", address)
    assert status == 200
    assert "immutable" in headers["Cache-Control"]
    assert document["openapi"].startswith("3.")
    status, _, _ = await http.call("GET", "/openapi/v3/apis/none/v1")
    assert status == 404


async def test_health_and_version(http):
    for path in ("/healthz", "/livez", "/readyz"):
        assert (await http.call("GET", path))[:2] == (200, "ok")
    _, verbose, _ = await http.call("GET", "/readyz?verbose")
    assert "[+]store ok" in verbose
    _, version, headers = await http.call("GET", "/version")
    assert version["gitVersion"].startswith("v1.36.2")
    assert headers["Cache-Control"] == "no-cache, private"
    assert headers["Audit-Id"]
    status, text, _ = await http.call("GET", "/nope")
    assert (status, text) == (404, "404 page not found\n")


DEEP = b'{"metadata":{"name":"d"},"data":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b'"text"', 400),
        (b"\xff\xfe\x00", 400),
        (b'{"metadata": 5}', 400),
        (b'{"metadata": {"name": 5}}', 400),
        (b'{"metadata": {"name": "x"}, "data": []}', 400),
        (b'{"kind": 7}', 400),
        (DEEP, 400),
        (b'{"metadata":{"name":"x"},"data":{"k":"' + b"v" * (3 * 1024 * 1024) + b'"}}', 413),
    ],
)
async def test_bad_bodies_get_a_status_and_change_nothing(http, body: bytes, status: int):
    answered, said, _ = await http.call("POST", CONFIGMAPS, body, Content_Type="application/json")
    assert answered == status, said
    assert said["kind"] == "Status"
    _, listed, _ = await http.call("GET", CONFIGMAPS)
    assert listed["items"] == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NONSENSE"])
@pytest.mark.parametrize(
    "path", [f"{CONFIGMAPS}/x/status", "/api/v1/namespaces/default/pods/p/binding", CONFIGMAPS, "/version"]
)
async def test_odd_methods_never_break_the_server(http, method: str, path: str):
    status, _, _ = await http.call(method, path, b"{}")
    assert status < 500
    assert (await http.call("GET", "/livez"))[0] == 200


@pytest.mark.parametrize("kind", ["json", "merge", "strategic"])
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[", b"7", b"null", b'[{"op":"remove","path":"/metadata"}]', b'{"metadata":null}']
)
async def test_bad_patches_change_nothing(http, kind: str, body: bytes):
    made = await http.make("a", k="1")
    types = {"json": "json-patch", "merge": "merge-patch", "strategic": "strategic-merge-patch"}
    status, said, _ = await http.call("PATCH", f"{CONFIGMAPS}/a", body, Content_Type=f"application/{types[kind]}+json")
    _, now, _ = await http.call("GET", f"{CONFIGMAPS}/a")
    assert status < 500, said
    assert now["data"] == {"k": "1"}
    assert now["metadata"]["uid"] == made["metadata"]["uid"]


async def test_warnings_are_headers(http):
    body = {"metadata": {"name": "w"}, "nonsense": 1}
    _, _, headers = await http.call("POST", CONFIGMAPS, body)
    assert headers["Warning"] == '299 - "unknown field \\"nonsense\\""'
    status, said, _ = await http.call("POST", f"{CONFIGMAPS}?fieldValidation=Strict", body)
    assert status == 400
    assert 'unknown field "nonsense"' in said["message"]


async def test_values_are_stored_as_kubernetes_lays_them_out(http):
    await http.make("a", k="1")
    stored = (await http.store.client().get(b"/registry/configmaps/default/a")).kv
    value = json.loads(stored.value)
    assert list(value)[:3] == ["kind", "apiVersion", "metadata"]
    assert "resourceVersion" not in value["metadata"]


async def test_what_is_unwise_is_warned_of_once(http):
    deployments = "/apis/apps/v1/namespaces/default/deployments"
    variables = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "nginx", "env": variables}]},
    }
    body = {"metadata": {"name": "x"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    status, made, headers = await http.call("POST", deployments, body)
    assert status == 201, made
    assert headers.getall("Warning") == [
        '299 - "spec.template.spec.containers[0].env[1]: hides previous definition of \\"A\\", which may be dropped when '
        'using apply"'
    ]
    label = {"metadata": {"labels": {"k": "v"}}}
    status, _, headers = await http.call(
        "PATCH", f"{deployments}/x", label, Content_Type="application/merge-patch+json"
    )
    assert (status, headers.getall("Warning", [])) == (200, [])
    scaled = {"spec": {"replicas": 3}}
    _, _, headers = await http.call("PATCH", f"{deployments}/x", scaled, Content_Type="application/merge-patch+json")
    assert len(headers.getall("Warning")) == 1
