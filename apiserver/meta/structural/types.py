"""The types of a custom resource, for whoever merges by types: server-side apply, field by field.

A list is atomic unless the schema says map or set; a map with properties is a struct; where unknown fields are preserved
the struct has an item type, `raw`; where nothing is known at all the type is `raw`.
"""

from __future__ import annotations

from typing import Any

from apiserver.meta.schema import (
    BOOLEAN,
    DOUBLE,
    INT64,
    INT_OR_STRING,
    LIST,
    PRIMITIVES,
    RAW,
    STRING,
    STRUCT,
    Field,
    Type,
)
from apiserver.meta.schema import MAP as MAP_TYPE
from apiserver.meta.structural.schema import ATOMIC, Schema

_SCALARS = {"string": STRING, "integer": INT64, "number": DOUBLE, "boolean": BOOLEAN}
_PRIMITIVES = {kind: Type(kind, kind, kind) for kind in PRIMITIVES}


def build_type(schema: Schema, kind: str, object_meta: Type) -> Type:
    """The type of a whole object of the kind."""
    root = _struct(schema, kind, object_meta)
    _add_whole_object(root, object_meta)
    return root


def _struct(schema: Schema, name: str, object_meta: Type) -> Type:
    made = Type(STRUCT, name, name, _PRIMITIVES[RAW] if schema.preserve or schema.allows_additional else None)
    made.is_atomic = schema.map_type == ATOMIC
    made.required = frozenset(schema.required)
    for key, inner in schema.properties.items():
        made.fields[key] = Field(key, _type(inner, f"{name}.{key}", object_meta), _options(inner))
    if schema.embedded:
        _add_whole_object(made, object_meta)
    return made


def _add_whole_object(made: Type, object_meta: Type) -> None:
    text = _PRIMITIVES[STRING]
    for key, type_ in (("apiVersion", text), ("kind", text), ("metadata", object_meta)):
        made.fields[key] = Field(key, type_, {})


def _options(schema: Schema) -> dict[str, Any]:
    if schema.type == "array":
        return {"l": schema.list_type or ATOMIC, "m": schema.list_keys}
    if schema.map_type == ATOMIC:
        return {"l": ATOMIC}
    return {"d": schema.default} if schema.has_default and schema.type in _SCALARS else {}


def _type(schema: Schema, name: str, object_meta: Type) -> Type:
    if schema.int_or_string:
        return _PRIMITIVES[INT_OR_STRING]
    if schema.type in _SCALARS:
        return _PRIMITIVES[_SCALARS[schema.type]]
    if schema.type == "array" and schema.items is not None:
        made = Type(LIST, f"[{name}]", "[]interface {}", _type(schema.items, f"{name}[]", object_meta))
        made.list_type, made.list_map_keys = schema.list_type or ATOMIC, tuple(schema.list_keys)
        return made
    if schema.type != "object":
        return _PRIMITIVES[RAW]
    if schema.properties or schema.embedded:
        return _struct(schema, name, object_meta)
    if schema.preserve:
        return _PRIMITIVES[RAW]
    item = _PRIMITIVES[RAW] if schema.additional is None else _type(schema.additional, f"{name}{{}}", object_meta)
    made = Type(MAP_TYPE, f"{{{name}}}", "map[string]interface {}", item)
    made.is_atomic = schema.map_type == ATOMIC
    return made
