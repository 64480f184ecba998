"""OpenAPI documents: what they name exists, hashes follow what they are made from, custom resources as clients can take them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from apiserver.kinds import Catalog, Resource, catalog, openapi_document, openapi_index, openapi_v2_document
from apiserver.kinds.openapi_custom import published_schema
from apiserver.kinds.openapi_schemas import V2, V3

SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "description": "what it is like",
            "properties": {
                "size": {"type": "integer", "nullable": True},
                "port": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"a": {"type": "string"}}},
                "template": {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"x": {"type": "string"}}},
            },
        }
    },
}  # fmt: skip


def custom(schema: dict[str, Any] | None = None, version: str = "v1") -> Resource:
    return Resource(
        group="stable.example.com",
        version=version,
        plural="shirts",
        singular="shirt",
        kind="Shirt",
        namespaced=True,
        schema_name=f"stable.example.com.{version}.Shirt",
        storage_prefix="/registry/stable.example.com/shirts",
        is_custom=True,
        openapi_schema=schema,
    )


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rpartition("/")[2]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_v2_is_whole():
    document = json.loads(openapi_v2_document(catalog).body)
    assert set(references(document)) <= set(document["definitions"])
    operations = [
        operation for path in document["paths"].values() for operation in path.values() if isinstance(operation, dict)
    ]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert {
        "createCoreV1NamespacedPod",
        "listCoreV1PodForAllNamespaces",
        "readAppsV1NamespacedDeploymentScale",
        "deleteRbacAuthorizationV1CollectionNamespacedRole",
        "createCoreV1NamespacedPodEviction",
        "connectGetCoreV1NamespacedPodExec",
        "replaceFlowcontrolApiserverV1FlowSchemaStatus",
    } <= set(ids)
    pod = document["definitions"]["io.k8s.api.core.v1.Pod"]
    assert pod["x-kubernetes-group-version-kind"] == [{"group": "", "version": "v1", "kind": "Pod"}]
    quantity = document["definitions"]["io.k8s.apimachinery.pkg.api.resource.Quantity"]
    assert quantity == {"type": "string"}


def test_documents_stay_when_others_change():
    with_shirts = Catalog([*catalog.resources(), custom(SCHEMA)])
    assert openapi_document(with_shirts, "apps", "v1") is openapi_document(catalog, "apps", "v1")
    before, after = openapi_index(catalog)["paths"], openapi_index(with_shirts)["paths"]
    assert {path for path in after if after[path] != before.get(path)} == {"apis/stable.example.com/v1"}
    other = Catalog([*catalog.resources(), custom({**SCHEMA, "description": "x"})])
    path = "apis/stable.example.com/v1"
    assert openapi_index(other)["paths"][path] != after[path]
    again = Catalog([*catalog.resources(), custom(json.loads(json.dumps(SCHEMA)))])
    assert openapi_index(again)["paths"][path] == after[path]
    assert openapi_v2_document(with_shirts).digest != openapi_v2_document(catalog).digest


def test_a_custom_resource_is_published():
    document = json.loads(openapi_document(Catalog([custom(SCHEMA)]), "stable.example.com", "v1").body)
    schemas = document["components"]["schemas"]
    assert set(references(document)) <= set(schemas)
    shirt = schemas["com.example.stable.v1.Shirt"]
    assert list(shirt["properties"]) == ["spec", "apiVersion", "kind", "metadata"]
    assert shirt["properties"]["metadata"]["allOf"][0]["$ref"].endswith("meta.v1.ObjectMeta")
    assert shirt["x-kubernetes-group-version-kind"] == [
        {"group": "stable.example.com", "version": "v1", "kind": "Shirt"}
    ]
    patch = document["paths"]["/apis/stable.example.com/v1/namespaces/{namespace}/shirts/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]
    assert patch["operationId"] == "patchStableExampleComV1NamespacedShirt"


def test_v2_says_of_a_custom_resource_what_it_can():
    spec = published_schema(custom(SCHEMA), V2)["properties"]["spec"]["properties"]
    assert spec["size"] == {}  # null, too
    assert spec["port"] == {"x-kubernetes-int-or-string": True}
    assert spec["any"] == {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    assert list(spec["template"]["properties"]) == ["x", "apiVersion", "kind", "metadata"]
    in_v3 = published_schema(custom(SCHEMA), V3)["properties"]["spec"]["properties"]
    assert in_v3["size"] == {"type": "integer", "nullable": True}
    assert in_v3["port"]["anyOf"]


def test_what_takes_anything_is_published_without_fields():
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    assert "properties" not in published_schema(custom(anything), V2)
    assert "properties" not in published_schema(custom(None), V2)
    assert published_schema(custom(None), V3)["x-kubernetes-preserve-unknown-fields"] is True
    assert "metadata" in published_schema(custom(anything), V3)["properties"]


def test_selectable_fields_are_published():
    resource = replace(custom(SCHEMA), field_labels={"spec.size": str})
    assert published_schema(resource)["x-kubernetes-selectable-fields"] == [{"fieldPath": "spec.size"}]
