"""Discovery: what is served, said in the two ways that clients ask for.

Legacy: one document a level (`/api`, `/apis`, `/apis/G`, `/api/v1`, `/apis/G/V`). Aggregated: everything below `/api` or
`/apis` in one APIGroupDiscoveryList, asked for by `Accept: …;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`. A
client believes the aggregated form only if both roots answer it.

Documents are made when first asked for and kept with the catalog; treat them as read-only. Shapes and omissions (a core
document without apiVersion, empty groups of response kinds) are kube-apiserver's.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from apiserver.kinds.catalogs import Catalog
from apiserver.kinds.resource import Resource, Subresource
from apiserver.meta import join_api_version

Document = dict[str, Any]

AGGREGATED_MEDIA_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def _cached(catalog: Catalog, key: str, build: Callable[[], Document]) -> Document:
    found = catalog.documents.get(key)
    if found is None:
        found = catalog.documents[key] = build()
    assert isinstance(found, dict)
    return found


def api_versions(catalog: Catalog, server_address: str) -> Document:
    """`/api`. server_address: "host:port", where clients of any network reach this server."""
    versions = dict(catalog.groups()).get("", ())
    return {
        "kind": "APIVersions",
        "versions": list(versions),
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
    }


def api_group_list(catalog: Catalog) -> Document:
    """`/apis`."""
    groups = [_group(group, versions) for group, versions in catalog.groups() if group]
    return _cached(catalog, "groups", lambda: {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})


def find_api_group(catalog: Catalog, group: str) -> Document | None:
    """`/apis/G`."""
    versions = dict(catalog.groups()).get(group)
    if not group or versions is None:
        return None
    return _cached(
        catalog, f"group/{group}", lambda: {"kind": "APIGroup", "apiVersion": "v1", **_group(group, versions)}
    )


def find_api_resource_list(catalog: Catalog, group: str, version: str) -> Document | None:
    """`/api/v1` and `/apis/G/V`."""
    resources = catalog.resources(group, version)
    if not resources:
        return None

    def build() -> Document:
        listed = [entry for resource in resources for entry in _legacy_entries(resource)]
        head: Document = {"kind": "APIResourceList"} if not group else {"kind": "APIResourceList", "apiVersion": "v1"}
        return {**head, "groupVersion": join_api_version(group, version), "resources": listed}

    return _cached(catalog, f"resources/{group}/{version}", build)


def aggregated_discovery(catalog: Catalog, *, core: bool) -> Document:
    """`/api` (core) or `/apis` (all other groups) as an APIGroupDiscoveryList."""

    def build() -> Document:
        items = [_aggregated_group(catalog, group, versions) for group, versions in catalog.groups()
                 if (group == "") is core]  # fmt: skip
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {},
            "items": items,
        }

    return _cached(catalog, f"aggregated/{core}", build)


def _group(group: str, versions: tuple[str, ...]) -> Document:
    listed = [{"groupVersion": join_api_version(group, version), "version": version} for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def _legacy_entries(resource: Resource) -> list[Document]:
    entry: Document = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if not resource.is_virtual:
        entry["storageVersionHash"] = _storage_version_hash(resource)
    entries = [entry]
    for sub in sorted(resource.subresources):
        listed: Document = {
            "name": f"{resource.plural}/{sub.name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": sub.kind,
            "verbs": list(sub.verbs),
        }
        if sub.version:
            listed["group"], listed["version"] = sub.group, sub.version
        entries.append(listed)
    return entries


def _storage_version_hash(resource: Resource) -> str:
    """Of the version that the objects are stored in: the same for all versions that they are served in."""
    stored = resource.stored
    text = f"{stored.group}/{stored.version}/{stored.kind}"
    return b64encode(sha256(text.encode()).digest()[:8]).decode()


def _aggregated_group(catalog: Catalog, group: str, versions: tuple[str, ...]) -> Document:
    listed = [
        {
            "version": version,
            "resources": [_aggregated_resource(resource) for resource in catalog.resources(group, version)],
            "freshness": "Current",
        }
        for version in versions
    ]
    return {"metadata": {"name": group} if group else {}, "versions": listed}


def _aggregated_resource(resource: Resource) -> Document:
    entry: Document = {
        "resource": resource.plural,
        "responseKind": {"group": "", "version": "", "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [_aggregated_subresource(sub) for sub in sorted(resource.subresources)]
    return entry


def _aggregated_subresource(sub: Subresource) -> Document:
    return {
        "subresource": sub.name,
        "responseKind": {"group": sub.group, "version": sub.version, "kind": sub.kind},
        "verbs": list(sub.verbs),
    }
