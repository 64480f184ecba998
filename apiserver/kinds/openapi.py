"""OpenAPI v3: the schemas and operations that kubectl reads before it writes.

kubectl needs of it: for each kind a schema with `x-kubernetes-group-version-kind` and, on its lists, the patch strategy
and merge key (client-side apply); and on the PATCH operation of each kind the query parameter fieldValidation (else it
refuses to validate on the server). Descriptions are absent: they are not in the type table.

One document for each group version, made and encoded when first asked for and kept with the catalog. The index names
each with a hash of its bytes, so that clients may cache a document for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from apiserver.kinds.catalogs import Catalog
from apiserver.kinds.openapi_custom import published_name, published_schema
from apiserver.kinds.resource import Resource, Subresource
from apiserver.kinds.schemas import find_type, openapi_name, table, types
from apiserver.meta import Field, Type, join_api_version

Object = dict[str, Any]

_REF = "#/components/schemas/"
_PKG = "io.k8s.apimachinery.pkg"
_META = f"{_PKG}.apis.meta.v1"
_JSON = "application/json"
_PATCH_TYPES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)


class OpenApiDocument(NamedTuple):
    """body: JSON; digest: SHA-512 in upper case hex, for the ETag and the `hash` parameter."""

    body: bytes
    digest: str


def document_path(group: str, version: str) -> str:
    """ "api/v1" or "apis/apps/v1": a document's key in the index, and its path below /openapi/v3/."""
    return f"apis/{group}/{version}" if group else f"api/{version}"


def openapi_index(catalog: Catalog) -> Object:
    """`/openapi/v3`. Makes all documents, since it names their hashes."""
    paths = {}
    for group, versions in catalog.groups():
        for version in versions:
            path = document_path(group, version)
            digest = openapi_document(catalog, group, version).digest
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def openapi_document(catalog: Catalog, group: str, version: str) -> OpenApiDocument:
    """The document of a group version. Raises KeyError for one that is not served."""
    key = f"openapi/{group}/{version}"
    found = catalog.documents.get(key)
    if found is None:
        resources = catalog.resources(group, version)
        if not resources:
            raise KeyError(join_api_version(group, version))
        body = orjson.dumps(_build(resources))
        found = OpenApiDocument(body, hashlib.sha512(body).hexdigest().upper())
        catalog.documents[key] = found
    assert isinstance(found, OpenApiDocument)
    return found


def _build(resources: Iterable[Resource]) -> Object:
    schemas: dict[str, Object] = {}
    paths: dict[str, Object] = {}
    for name in ("meta.v1.DeleteOptions", "meta.v1.Status", "meta.v1.ListMeta"):
        _add_schema(name, schemas)
    for resource in resources:
        if resource.openapi_schema is None:
            _add_schema(resource.schema_name, schemas)
            schemas[_name_of(resource)][_GVK] = [_gvk(resource.group, resource.version, resource.kind)]
        else:
            _add_schema("meta.v1.ObjectMeta", schemas)
            schemas[_name_of(resource)] = published_schema(resource)
        schemas[_name_of(resource) + "List"] = _list_schema(resource)
        paths.update(_resource_paths(resource))
        for sub in resource.subresources:
            name = _subresource_schema(resource, sub)
            kind = _gvk(sub.group, sub.version, sub.kind) if sub.version else _own_gvk(resource, sub.kind)
            if name in types():
                _add_schema(name, schemas)
                name = openapi_name(name)
                schemas[name].setdefault(_GVK, [kind])
            elif name != _name_of(resource):
                continue  # a tunnel to a pod or a service: no object goes through it
            paths[f"{_item_path(resource)}/{sub.name}"] = _subresource_path(resource, sub, name, kind)
    _add_primitives(schemas)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": f"v{table()['kubernetes']}"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


# Schemas ------------------------------------------------------------------------------------------------------------

_GVK = "x-kubernetes-group-version-kind"
_ACTION = "x-kubernetes-action"

_NAMED_PRIMITIVES: dict[str, tuple[str, Object]] = {
    "quantity": (f"{_PKG}.api.resource.Quantity", {"oneOf": [{"type": "string"}, {"type": "number"}]}),
    "time": (f"{_META}.Time", {"type": "string", "format": "date-time"}),
    "microtime": (f"{_META}.MicroTime", {"type": "string", "format": "date-time"}),
    "int-or-string": (
        f"{_PKG}.util.intstr.IntOrString",
        {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    ),
    "raw": (f"{_PKG}.runtime.RawExtension", {"type": "object"}),
}

_PLAIN_PRIMITIVES: dict[str, Object] = {
    "string": {"type": "string"},
    "bytes": {"type": "string", "format": "byte"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "double": {"type": "number", "format": "double"},
    "boolean": {"type": "boolean"},
}


def _gvk(group: str, version: str, kind: str) -> Object:
    return {"group": group, "version": version, "kind": kind}


def _own_gvk(resource: Resource, kind: str) -> Object:
    return _gvk(resource.group, resource.version, kind)


def _name_of(resource: Resource) -> str:
    """Of the schema of a resource's objects."""
    return published_name(resource) if resource.is_custom else openapi_name(resource.schema_name)


def _add_primitives(schemas: dict[str, Object]) -> None:
    for name, schema in _NAMED_PRIMITIVES.values():
        schemas[name] = schema
    schemas[f"{_META}.Patch"] = {"type": "object"}


def _add_schema(name: str, schemas: dict[str, Object]) -> None:
    """Adds a definition and everything it reaches."""
    waiting = [find_type(name)]
    while waiting:
        type_ = waiting.pop()
        while type_.item is not None:
            type_ = type_.item
        full = openapi_name(type_.name)
        if type_.kind != "struct" or full in schemas:
            continue
        schema: Object = {"type": "object"}
        if type_.fields:
            schema["properties"] = {field.name: _field_schema(field) for field in type_.fields.values()}
        if type_.required:
            schema["required"] = sorted(type_.required)
        if type_.is_atomic:
            schema["x-kubernetes-map-type"] = "atomic"
        schemas[full] = schema
        waiting += [field.type for field in type_.fields.values()]


def _type_schema(type_: Type) -> Object:
    if type_.kind == "struct":
        return {"$ref": _REF + openapi_name(type_.name)}
    if type_.kind == "list":
        assert type_.item is not None
        return {"type": "array", "items": _type_schema(type_.item)}
    if type_.kind == "map":
        assert type_.item is not None
        return {"type": "object", "additionalProperties": _type_schema(type_.item)}
    if type_.kind in _NAMED_PRIMITIVES:
        return {"$ref": _REF + _NAMED_PRIMITIVES[type_.kind][0]}
    return dict(_PLAIN_PRIMITIVES[type_.kind])


def _field_schema(field: Field) -> Object:
    schema = _type_schema(field.type)
    if "$ref" in schema:
        schema = {"allOf": [schema]}  # a reference has no siblings, and a field may need extensions
    if field.patch_strategy:
        schema["x-kubernetes-patch-strategy"] = field.patch_strategy
    if field.merge_key:
        schema["x-kubernetes-patch-merge-key"] = field.merge_key
    if field.list_type:
        extension = "x-kubernetes-list-type" if field.type.kind == "list" else "x-kubernetes-map-type"
        schema[extension] = field.list_type
    if field.list_map_keys:
        schema["x-kubernetes-list-map-keys"] = list(field.list_map_keys)
    return schema


def _list_schema(resource: Resource) -> Object:
    return {
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"allOf": [{"$ref": f"{_REF}{_META}.ListMeta"}]},
            "items": {"type": "array", "items": {"$ref": _REF + _name_of(resource)}},
        },
        _GVK: [_own_gvk(resource, resource.list_kind)],
    }


# Operations ---------------------------------------------------------------------------------------------------------


def _query(name: str, kind: str = "string") -> Object:
    return {"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": True}}


_WRITE_QUERY = [_query(name) for name in ("dryRun", "fieldManager", "fieldValidation")]
_PATCH_QUERY = [*_WRITE_QUERY, _query("force", "boolean")]
_DELETE_QUERY = [
    _query("dryRun"),
    _query("gracePeriodSeconds", "integer"),
    _query("orphanDependents", "boolean"),
    _query("propagationPolicy"),
]
_LIST_QUERY = [
    _query("allowWatchBookmarks", "boolean"),
    _query("continue"),
    _query("fieldSelector"),
    _query("labelSelector"),
    _query("limit", "integer"),
    _query("resourceVersion"),
    _query("resourceVersionMatch"),
    _query("sendInitialEvents", "boolean"),
    _query("timeoutSeconds", "integer"),
    _query("watch", "boolean"),
]

# verb: (method, action, query parameters)
_COLLECTION_VERBS = {
    "list": ("get", "list", _LIST_QUERY),
    "create": ("post", "post", _WRITE_QUERY),
    "deletecollection": ("delete", "deletecollection", [*_LIST_QUERY, *_DELETE_QUERY]),
}
_ITEM_VERBS = {
    "get": ("get", "get", []),
    "update": ("put", "put", _WRITE_QUERY),
    "patch": ("patch", "patch", _PATCH_QUERY),
    "delete": ("delete", "delete", _DELETE_QUERY),
}


def _collection_path(resource: Resource, *, all_namespaces: bool = False) -> str:
    root = f"/{document_path(resource.group, resource.version)}"
    inside = "/namespaces/{namespace}" if resource.namespaced and not all_namespaces else ""
    return f"{root}{inside}/{resource.plural}"


def _item_path(resource: Resource) -> str:
    return f"{_collection_path(resource)}/{{name}}"


def _path_parameters(resource: Resource, *names: str) -> list[Object]:
    wanted = [name for name in names if name != "namespace" or resource.namespaced]
    listed = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in wanted]
    return [*listed, _query("pretty")]


def _resource_paths(resource: Resource) -> dict[str, Object]:
    kind = _own_gvk(resource, resource.kind)
    schema = _name_of(resource)
    collection: Object = {"parameters": _path_parameters(resource, "namespace")}
    for verb, (method, action, query) in _COLLECTION_VERBS.items():
        if verb in resource.verbs:
            answer = {"list": f"{schema}List", "create": schema}.get(verb, f"{_META}.Status")
            collection[method] = _operation(resource, verb, action, kind, schema, answer, query)
    item: Object = {"parameters": _path_parameters(resource, "name", "namespace")}
    for verb, (method, action, query) in _ITEM_VERBS.items():
        if verb in resource.verbs:
            answer = f"{_META}.Status" if verb == "delete" else schema
            item[method] = _operation(resource, verb, action, kind, schema, answer, query)
    paths = {_collection_path(resource): collection, _item_path(resource): item}
    if resource.namespaced and "get" in collection:
        listing = {"parameters": [_query("pretty")], "get": collection["get"]}
        paths[_collection_path(resource, all_namespaces=True)] = listing
    return paths


def _subresource_schema(resource: Resource, sub: Subresource) -> str:
    if not sub.version:
        own = _name_of(resource) if resource.is_custom else resource.schema_name
        return own if sub.kind == resource.kind else f"core.v1.{sub.kind}"
    return f"{sub.group.partition('.')[0] or 'core'}.{sub.version}.{sub.kind}"


def _subresource_path(resource: Resource, sub: Subresource, schema: str, kind: Object) -> Object:
    path: Object = {"parameters": _path_parameters(resource, "name", "namespace")}
    for verb in sub.verbs:
        method, action, query = _ITEM_VERBS[verb] if verb in _ITEM_VERBS else _COLLECTION_VERBS[verb]
        path[method] = _operation(resource, verb, action, kind, schema, schema, query, sub.name)
    return path


def _operation(
    resource: Resource,
    verb: str,
    action: str,
    kind: Object,
    schema: str,
    answer: str,
    query: list[Object],
    subresource: str = "",
) -> Object:
    group = resource.group.partition(".")[0] or "core"
    tag = f"{group}_{resource.version}"
    scope = "Namespaced" if resource.namespaced else ""
    operation: Object = {
        "tags": [tag],
        "operationId": f"{verb}{tag.title().replace('_', '')}{scope}{resource.kind}{subresource.title()}",
        "parameters": query,
        "responses": {
            "200": {"description": "OK", "content": {_JSON: {"schema": {"$ref": _REF + answer}}}},
            "401": {"description": "Unauthorized"},
        },
        _ACTION: action,
        _GVK: kind,
    }
    if verb in ("create", "update"):
        operation["requestBody"] = {"required": True, "content": {"*/*": {"schema": {"$ref": _REF + schema}}}}
    elif verb == "patch":
        content = {media: {"schema": {"$ref": f"{_REF}{_META}.Patch"}} for media in _PATCH_TYPES}
        operation["requestBody"] = {"required": True, "content": content}
    elif verb in ("delete", "deletecollection"):
        content = {"*/*": {"schema": {"$ref": f"{_REF}{_META}.DeleteOptions"}}}
        operation["requestBody"] = {"content": content}
    return operation
