"""The catalog, and the documents made of it: discovery and OpenAPI, shaped as kube-apiserver shapes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from apiserver.kinds import (
    BUILTIN,
    Catalog,
    aggregated_discovery,
    api_group_list,
    api_versions,
    catalog,
    find_api_group,
    find_api_resource_list,
    find_type,
    openapi_document,
    openapi_index,
)
from apiserver.kinds.catalogs import GROUP_ORDER


def test_resources_are_found_by_plural_and_by_kind():
    pods = catalog.find("", "v1", "pods")
    assert pods is not None
    assert catalog.find_kind("", "v1", "Pod") is pods
    assert catalog.find("apps", "v1", "pods") is None
    assert catalog.find_kind("", "v2", "Pod") is None
    assert (pods.api_version, pods.list_kind, pods.gvk) == ("v1", "PodList", ("", "v1", "Pod"))


def test_groups_are_in_the_order_of_kubernetes():
    groups = [group for group, _ in catalog.groups()]
    assert groups == [group for group in GROUP_ORDER if group in groups]


def test_a_name_can_be_taken_only_once():
    with pytest.raises(ValueError, match="same name"):
        Catalog([*BUILTIN, BUILTIN[0]])


def test_storage_prefixes_are_the_ones_of_kubernetes():
    stored = [resource for resource in BUILTIN if resource.hub is None and not resource.is_virtual]
    prefixes = {resource.plural: resource.storage_prefix for resource in stored}
    assert prefixes["nodes"] == "/registry/minions"
    assert prefixes["services"] == "/registry/services/specs"
    assert prefixes["endpoints"] == "/registry/services/endpoints"
    assert prefixes["replicationcontrollers"] == "/registry/controllers"
    assert prefixes["ingresses"] == "/registry/ingress"
    crds = "/registry/apiextensions.k8s.io/customresourcedefinitions"
    assert prefixes["customresourcedefinitions"] == crds
    assert len(set(prefixes.values())) == len(prefixes) == len(stored)


@pytest.mark.parametrize("resource", BUILTIN, ids=lambda resource: resource.plural)
def test_a_declaration_is_complete(resource: Any):
    assert resource.schema.fields.keys() >= {"apiVersion", "kind", "metadata"}
    assert resource.has_status == (resource.find_subresource("status") is not None)
    assert (resource.scale is not None) == (resource.find_subresource("scale") is not None)
    assert resource.tracks_generation or resource.generation_changed
    cells = resource.row({"metadata": {"name": "x"}}, 0.0)
    assert len(cells) == len(resource.columns)
    assert "x" in cells


# Legacy discovery ---------------------------------------------------------------------------------------------------


def test_root_documents():
    assert api_versions(catalog, "127.0.0.1:6443") == {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}],
    }
    apps = find_api_group(catalog, "apps")
    assert apps == {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": "apps",
        "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
        "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
    }
    groups = api_group_list(catalog)
    assert groups["kind"] == "APIGroupList"
    assert [group["name"] for group in groups["groups"]][:2] == ["apiregistration.k8s.io", "apps"]
    assert find_api_group(catalog, "none.io") is None
    assert find_api_group(catalog, "") is None


def test_resource_lists():
    core = find_api_resource_list(catalog, "", "v1")
    assert core is not None
    assert core["groupVersion"] == "v1"
    assert "apiVersion" not in core  # the real one has none either
    listed = {entry["name"]: entry for entry in core["resources"]}
    assert listed["pods"] == {
        "name": "pods",
        "singularName": "pod",
        "namespaced": True,
        "kind": "Pod",
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        "shortNames": ["po"],
        "categories": ["all"],
        "storageVersionHash": "xPOwRZ+Yhw8=",
    }
    assert "storageVersionHash" not in listed["bindings"]
    assert listed["pods/eviction"] == {
        "name": "pods/eviction",
        "singularName": "",
        "namespaced": True,
        "kind": "Eviction",
        "verbs": ["create"],
        "group": "policy",
        "version": "v1",
    }
    names = [entry["name"] for entry in core["resources"]]
    assert names == sorted(names)
    assert find_api_resource_list(catalog, "none.io", "v1") is None


# Aggregated discovery -----------------------------------------------------------------------------------------------


def test_aggregated_discovery():
    core = aggregated_discovery(catalog, core=True)
    assert core["kind"] == "APIGroupDiscoveryList"
    (group,) = core["items"]
    assert group["metadata"] == {}
    (version,) = group["versions"]
    assert (version["version"], version["freshness"]) == ("v1", "Current")
    (namespaces,) = [entry for entry in version["resources"] if entry["resource"] == "namespaces"]
    assert namespaces == {
        "resource": "namespaces",
        "responseKind": {"group": "", "version": "", "kind": "Namespace"},
        "scope": "Cluster",
        "singularResource": "namespace",
        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
        "shortNames": ["ns"],
        "subresources": [
            {
                "subresource": "finalize",
                "responseKind": {"group": "", "version": "", "kind": "Namespace"},
                "verbs": ["update"],
            },
            {
                "subresource": "status",
                "responseKind": {"group": "", "version": "", "kind": "Namespace"},
                "verbs": ["get", "patch", "update"],
            },
        ],
    }
    others = aggregated_discovery(catalog, core=False)
    assert [item["metadata"]["name"] for item in others["items"]] == [group for group, _ in catalog.groups()][1:]
    assert aggregated_discovery(catalog, core=True) is core  # made once


# OpenAPI ------------------------------------------------------------------------------------------------------------


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):  # JSONSchemaProps has a property of that name
            yield value["$ref"].rpartition("/")[2]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


GROUP_VERSIONS = [(group, version) for group, versions in catalog.groups() for version in versions]


@pytest.mark.parametrize(("group", "version"), GROUP_VERSIONS)
def test_openapi_documents(group: str, version: str):
    document = json.loads(openapi_document(catalog, group, version).body)
    schemas = document["components"]["schemas"]
    assert {name for name in _references(document) if name not in schemas} == set()
    for resource in catalog.resources(group, version):
        gvk = {"group": group, "version": version, "kind": resource.kind}
        assert any(gvk in schema.get("x-kubernetes-group-version-kind", []) for schema in schemas.values())
        if "patch" not in resource.verbs:
            continue
        patches = [
            path["patch"]
            for path in document["paths"].values()
            if "patch" in path and path["patch"]["x-kubernetes-group-version-kind"] == gvk
        ]
        assert patches, f"kubectl finds no PATCH of {resource.kind}"
        for patch in patches:
            assert "fieldValidation" in [parameter["name"] for parameter in patch["parameters"]]


def test_schemas_carry_what_a_strategic_merge_needs():
    schemas = json.loads(openapi_document(catalog, "", "v1").body)["components"]["schemas"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    containers.pop("description", None)  # where the extra `explain` is installed
    assert containers == {
        "type": "array",
        "items": {"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"},
        "x-kubernetes-patch-strategy": "merge",
        "x-kubernetes-patch-merge-key": "name",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }


def test_the_index_names_each_document_by_its_hash():
    paths = openapi_index(catalog)["paths"]
    assert list(paths)[:2] == ["api/v1", "apis/apiregistration.k8s.io/v1"]
    digest = openapi_document(catalog, "apps", "v1").digest
    assert paths["apis/apps/v1"] == {"serverRelativeURL": f"/openapi/v3/apis/apps/v1?hash={digest}"}
    with pytest.raises(KeyError):
        openapi_document(catalog, "none.io", "v1")


def test_types_outside_the_table_are_not_there():
    with pytest.raises(KeyError):
        find_type("extensions.v1beta1.Ingress")
