"""Types as OpenAPI schemas, in the two dialects that clients read: v3, and the older v2.

    v3  references stand below #/components/schemas/, and alone: what else is said of a field stands around an `allOf`
    v2  references stand below #/definitions/, with siblings; a value of two types is text with a format

kubectl needs of a schema: `x-kubernetes-group-version-kind`, the fields and their types, on lists the patch strategy and merge
key. Schemas of one definition are made once in a dialect and shared; nobody changes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from apiserver.kinds.descriptions import describe
from apiserver.kinds.schemas import find_type, openapi_name
from apiserver.meta import Field, Type

Schema = dict[str, Any]

V2, V3 = "#/definitions/", "#/components/schemas/"
"""A dialect is where its references point to."""
GVK = "x-kubernetes-group-version-kind"
PKG = "io.k8s.apimachinery.pkg"
META = f"{PKG}.apis.meta.v1"
PATCH = f"{META}.Patch"

# kind: (published name, schema in v2, in v3)
_NAMED: dict[str, tuple[str, Schema, Schema]] = {
    "quantity": (
        f"{PKG}.api.resource.Quantity",
        {"type": "string"},
        {"oneOf": [{"type": "string"}, {"type": "number"}]},
    ),
    "time": (f"{META}.Time", {"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
    "microtime": (
        f"{META}.MicroTime",
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date-time"},
    ),
    "int-or-string": (
        f"{PKG}.util.intstr.IntOrString",
        {"type": "string", "format": "int-or-string"},
        {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    ),
}
_PLAIN: dict[str, Schema] = {
    "string": {"type": "string"},
    "bytes": {"type": "string", "format": "byte"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "double": {"type": "number", "format": "double"},
    "boolean": {"type": "boolean"},
}
# Any JSON is called by three names, for what it is there for.
_RAW_EXTENSION, _FIELDS, _ANY_JSON = f"{PKG}.runtime.RawExtension", f"{META}.FieldsV1", "apiextensions.v1."


def gvk(group: str, version: str, kind: str) -> Schema:
    return {"group": group, "version": version, "kind": kind}


def reference(dialect: str, name: str) -> Schema:
    return {"$ref": dialect + name}


def add_definitions(names: Iterable[str], dialect: str, schemas: dict[str, Schema]) -> None:
    """Adds definitions (named as in the type table) and everything they reach, under their published names."""
    waiting = [find_type(name) for name in names]
    while waiting:
        type_ = waiting.pop()
        while type_.item is not None:
            type_ = type_.item
        name = _NAMED[type_.kind][0] if type_.kind in _NAMED else openapi_name(type_.name)
        if name in schemas or (type_.kind != "struct" and type_.kind not in _NAMED):
            continue
        if type_.kind in _NAMED:
            _, in_v2, in_v3 = _NAMED[type_.kind]
            schemas[name] = in_v2 if dialect == V2 else in_v3
            continue
        schemas[name] = definition(type_.name, dialect)
        for field in type_.fields.values():
            if _innermost(field.type).kind == "raw":
                raw = _raw_name(type_.name, field.name)
                schemas[raw] = {"type": "object"} if not raw.endswith(".JSON") else {}
            waiting.append(field.type)


def _innermost(type_: Type) -> Type:
    while type_.item is not None:
        type_ = type_.item
    return type_


def _raw_name(definition_name: str, field: str) -> str:
    if field == "fieldsV1":
        return _FIELDS
    return openapi_name("apiextensions.v1.JSON") if definition_name.startswith(_ANY_JSON) else _RAW_EXTENSION


@cache
def definition(name: str, dialect: str) -> Schema:
    """The schema of one definition, without a group, version and kind."""
    type_ = find_type(name)
    published = openapi_name(name)
    schema: Schema = {}
    text = describe(published)
    if text:
        schema["description"] = text
    schema["type"] = "object"
    if type_.fields:
        schema["properties"] = {field.name: _field(type_.name, field, dialect) for field in type_.fields.values()}
    if type_.required:
        schema["required"] = sorted(type_.required)
    if type_.is_atomic:
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def _type(type_: Type, raw: str, dialect: str) -> Schema:
    if type_.item is not None:
        inner = _type(type_.item, raw, dialect)
        return (
            {"type": "array", "items": inner}
            if type_.kind == "list"
            else {"type": "object", "additionalProperties": inner}
        )
    if type_.kind == "struct":
        return reference(dialect, openapi_name(type_.name))
    if type_.kind in _NAMED:
        return reference(dialect, _NAMED[type_.kind][0])
    return reference(dialect, raw) if type_.kind == "raw" else dict(_PLAIN[type_.kind])


def _field(definition_name: str, field: Field, dialect: str) -> Schema:
    schema = _type(field.type, _raw_name(definition_name, field.name), dialect)
    if "$ref" in schema and dialect == V3:
        schema = {"allOf": [schema]}  # a reference has no siblings, and a field may need extensions
    text = describe(openapi_name(definition_name), field.name)
    if text:
        schema["description"] = text
    if field.patch_strategy:
        schema["x-kubernetes-patch-strategy"] = field.patch_strategy
    if field.merge_key:
        schema["x-kubernetes-patch-merge-key"] = field.merge_key
    if field.list_type:
        extension = "x-kubernetes-map-type" if field.type.kind in ("map", "struct") else "x-kubernetes-list-type"
        schema[extension] = field.list_type
    if field.list_map_keys:
        schema["x-kubernetes-list-map-keys"] = list(field.list_map_keys)
    return schema


def list_schema(item: str, kind: Schema, dialect: str) -> Schema:
    """The schema of a list of `item` (a published name); kind: the list's own."""
    metadata: Schema = reference(dialect, f"{META}.ListMeta")
    return {
        "description": f"{kind['kind']} is a list of {kind['kind'].removesuffix('List')}",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": metadata if dialect == V2 else {"allOf": [metadata]},
            "items": {"type": "array", "items": reference(dialect, item)},
        },
        GVK: [kind],
    }
