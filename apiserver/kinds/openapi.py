"""OpenAPI documents: v3, one for each group version with an index over them, and v2, one for everything.

A document is made when it is first asked for, and kept for as long as its resources are the same: a catalog with one more custom
resource makes the documents of that group version anew, and none else. The index names each with a hash, so that clients may
cache it for ever; the hash is of what a document is made from, so an index makes no documents.

What stands in them: openapi_schemas, openapi_custom (schemas) and openapi_paths (operations).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from apiserver.kinds import descriptions
from apiserver.kinds.catalogs import Catalog
from apiserver.kinds.openapi_custom import published_schema
from apiserver.kinds.openapi_paths import definition_name, resource_paths, subresource_schema
from apiserver.kinds.openapi_schemas import GVK, META, PATCH, V2, V3, add_definitions, gvk, list_schema
from apiserver.kinds.resource import Resource
from apiserver.kinds.schemas import openapi_name, table, types
from apiserver.meta import join_api_version

Object = dict[str, Any]

_FORM = 3
"""Goes up when documents are made differently from the same resources: then their hashes change, too."""
_ALWAYS = ("meta.v1.DeleteOptions", "meta.v1.Status", "meta.v1.ListMeta", "meta.v1.ObjectMeta")


class OpenApiDocument(NamedTuple):
    """body: JSON; digest: SHA-512 in upper case hex, for the ETag and the `hash` parameter."""

    body: bytes
    digest: str


def document_path(group: str, version: str) -> str:
    """ "api/v1" or "apis/apps/v1": a document's key in the index, and its path below /openapi/v3/."""
    return f"apis/{group}/{version}" if group else f"api/{version}"


def openapi_index(catalog: Catalog) -> Object:
    """`/openapi/v3`."""
    found = catalog.documents.get("openapi/index")
    if found is None:
        paths = {}
        for group, versions in catalog.groups():
            for version in versions:
                path = document_path(group, version)
                digest = _digest(_resources(catalog, group, version))
                paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
        found = catalog.documents["openapi/index"] = {"paths": paths}
    assert isinstance(found, dict)
    return found


def openapi_document(catalog: Catalog, group: str, version: str) -> OpenApiDocument:
    """The v3 document of a group version. Raises KeyError for one that is not served."""
    return _document(_resources(catalog, group, version))


def openapi_v2_document(catalog: Catalog) -> OpenApiDocument:
    """The v2 document of everything."""
    found = catalog.documents.get("openapi/v2")
    if found is None:
        resources = tuple(catalog.resources())
        found = OpenApiDocument(orjson.dumps(build_v2(resources)), _digest(resources))
        catalog.documents["openapi/v2"] = found
    assert isinstance(found, OpenApiDocument)
    return found


def _resources(catalog: Catalog, group: str, version: str) -> tuple[Resource, ...]:
    found = tuple(catalog.resources(group, version))
    if not found:
        raise KeyError(join_api_version(group, version))
    return found


@lru_cache(maxsize=256)
def _document(resources: tuple[Resource, ...]) -> OpenApiDocument:
    return OpenApiDocument(orjson.dumps(_build_v3(resources)), _digest(resources))


@lru_cache(maxsize=512)
def _digest(resources: tuple[Resource, ...]) -> str:
    """Of everything that a document depends on."""
    hashed = hashlib.sha512(orjson.dumps([_FORM, table()["kubernetes"], descriptions.are_there()]))
    for each in resources:
        names = [each.group, each.version, each.plural, each.kind, each.list_kind, each.schema_name]
        facts = [
            *names,
            each.namespaced,
            each.graceful,
            each.verbs,
            *map(list, each.subresources),
            each.openapi_schema,
            list(each.field_labels),
        ]
        hashed.update(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS))
    return hashed.hexdigest().upper()


def _build_v3(resources: Sequence[Resource]) -> Object:
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": f"v{table()['kubernetes']}"},
        "paths": _paths(resources, V3),
        "components": {"schemas": _schemas(resources, V3)},
    }


def build_v2(resources: Sequence[Resource]) -> Object:
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": f"v{table()['kubernetes']}"},
        "paths": _paths(resources, V2),
        "definitions": _schemas(resources, V2),
    }


def _paths(resources: Iterable[Resource], dialect: str) -> Object:
    paths: Object = {}
    for resource in resources:
        paths.update(resource_paths(resource, dialect))
    return paths


def _schemas(resources: Sequence[Resource], dialect: str) -> Object:
    schemas: dict[str, Object] = {PATCH: {"type": "object"}}
    names = list(_ALWAYS)
    kinds: dict[str, Object] = {}  # of definitions that a kind is served by
    for resource in resources:
        if not resource.is_custom:
            names.append(resource.schema_name)
            kinds[openapi_name(resource.schema_name)] = gvk(resource.group, resource.version, resource.kind)
        for sub in resource.subresources:
            name = subresource_schema(resource, sub)
            if name in types() and name not in names:
                names.append(name)
                kind = gvk(sub.group or resource.group, sub.version or resource.version, sub.kind)
                kinds.setdefault(openapi_name(name), kind)
    add_definitions(names, dialect, schemas)
    for name, kind in kinds.items():
        schemas[name] = {**schemas[name], GVK: [kind]}
    served = dict.fromkeys((("", "v1"), *((resource.group, resource.version) for resource in resources)))
    for name in ("DeleteOptions", "Status"):
        said = list(served) if name == "DeleteOptions" else [("", "v1")]
        schemas[f"{META}.{name}"] = {
            **schemas[f"{META}.{name}"],
            GVK: [gvk(group, version, name) for group, version in said],
        }
    for resource in resources:
        name = definition_name(resource)
        if resource.is_custom:
            schemas[name] = published_schema(resource, dialect)
        if "list" in resource.verbs:
            kind = gvk(resource.group, resource.version, resource.list_kind)
            schemas[f"{name}List"] = list_schema(name, kind, dialect)
    return schemas
