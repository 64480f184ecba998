"""The schema of a custom resource as it is published: from its definition's openAPIV3Schema to OpenAPI v3 and v2.

    published_name(resource)             "com.example.stable.v1.CronTab" of CronTab in stable.example.com/v1
    published_schema(resource, V2)       the schema of the whole object, under that name

v3 says everything. v2 says less, for what is left out either does not exist there or makes kubectl refuse what the server takes:
values of several types lose their type, objects with unknown fields their properties, and logical combinations are dropped.
In both, `metadata` is ObjectMeta, and an embedded resource has apiVersion, kind and metadata. Source of the rules: Kubernetes
1.36, apiextensions-apiserver, controller/openapi/builder and v2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.kinds.openapi_schemas import GVK, META, V2, V3, Schema, gvk, reference
from apiserver.kinds.resource import Resource

_EMBEDDED = "x-kubernetes-embedded-resource"
_UNKNOWN = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_OBJECT_META = f"{META}.ObjectMeta"

# What a schema holds in itself, and how.
_IN_ONE = ("items", "additionalProperties", "not")
_IN_LISTS = ("allOf", "anyOf", "oneOf")
_BY_NAME = ("properties", "patternProperties")
# Not in v2, or not understood by the kubectl that reads v2.
_NOT_IN_V2 = ("nullable", "anyOf", "oneOf", "allOf", "not", "default", "x-kubernetes-validations")


_TYPE_TEXTS = {
    "apiVersion": (
        "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized "
        "schemas to the latest internal value, and may reject unrecognized values. More info: "
        "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources"
    ),
    "kind": (
        "Kind is a string value representing the REST resource this object represents. Servers may infer this from the "
        "endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: "
        "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds"
    ),
    "metadata": (
        "Standard object's metadata. More info: "
        "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
    ),
}


def published_name(resource: Resource) -> str:
    return ".".join((*reversed(resource.group.split(".")), resource.version, resource.kind))


def published_schema(resource: Resource, dialect: str = V3) -> Schema:
    """The schema of the whole object."""
    schema = resource.openapi_schema
    own: Schema = {GVK: [gvk(resource.group, resource.version, resource.kind)]}
    if resource.field_labels and dialect == V3:
        own["x-kubernetes-selectable-fields"] = [{"fieldPath": path} for path in resource.field_labels]
    if schema is None or (dialect == V2 and schema.get(_UNKNOWN)):
        # With properties, even these three, kubectl would take everything else for unknown.
        return {"type": "object", **({_UNKNOWN: True} if dialect == V3 else {}), **own}
    published = _convert(schema, dialect)
    published.setdefault("type", "object")
    published["properties"] = {**published.get("properties", {}), **_whole_object(dialect)}
    published.pop(_EMBEDDED, None)
    return {**published, **own}


def _convert(schema: Mapping[str, Any], dialect: str) -> Schema:
    made: Schema = {key: value for key, value in schema.items() if value is not None}
    for key in _BY_NAME:
        if key in made:
            made[key] = {name: _convert(inner, dialect) for name, inner in made[key].items()}
    for key in _IN_ONE:
        if isinstance(made.get(key), Mapping):
            made[key] = _convert(made[key], dialect)
    for key in _IN_LISTS:
        if key in made:
            made[key] = [_convert(inner, dialect) for inner in made[key]]
    if made.get(_EMBEDDED):
        made["properties"] = {**made.get("properties", {}), **_whole_object(dialect)}
        made["required"] = sorted({*made.get("required", ()), "apiVersion", "kind"})
    if dialect == V2:
        _reduce(made)
    return made


def _reduce(made: Schema) -> None:
    if made.get("nullable"):
        for key in ("type", "items", "properties", "additionalProperties"):
            made.pop(key, None)
    if made.get(_INT_OR_STRING):
        made.pop("type", None)
    if made.get(_UNKNOWN):
        for key in ("items", "properties", "additionalProperties"):
            made.pop(key, None)
    for key in _NOT_IN_V2:
        made.pop(key, None)


def _whole_object(dialect: str) -> dict[str, Schema]:
    """What every object has."""
    target = reference(dialect, _OBJECT_META)
    fields = {name: {"description": text, "type": "string"} for name, text in _TYPE_TEXTS.items()}
    metadata: Schema = target if dialect == V2 else {"allOf": [target]}
    return {**fields, "metadata": {"description": _TYPE_TEXTS["metadata"], **metadata}}
