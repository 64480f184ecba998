"""Custom resources in OpenAPI documents: the schema that their definition declares, with what every object has.

    published_name(resource)     "com.example.stable.v1.CronTab" of CronTab in stable.example.com/v1
    published_schema(resource)   for OpenAPI v3; `for_v2` without what OpenAPI v2 cannot say

Version 2 knows no alternatives and no null: allOf, anyOf, oneOf, not and nullable are left out, and whatever preserves unknown
fields is published without a schema, as kube-apiserver does for the clients that validate by it.
"""

from __future__ import annotations

from typing import Any

from apiserver.kinds.resource import Resource

Object = dict[str, Any]

GVK = "x-kubernetes-group-version-kind"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_NOT_IN_V2 = (
    "allOf", "anyOf", "oneOf", "not", "nullable", "exclusiveMinimum", "exclusiveMaximum",
    "x-kubernetes-validations",
)  # fmt: skip
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
    group = ".".join(reversed(resource.group.split(".")))
    return f"{group}.{resource.version}.{resource.kind}"


def published_schema(resource: Resource, *, for_v2: bool = False) -> Object:
    """The schema of the whole object, under its `published_name`."""
    ref = "#/definitions/" if for_v2 else "#/components/schemas/"
    schema = _publish(dict(resource.openapi_schema or {}), ref, for_v2)
    schema.setdefault("type", "object")
    if not (for_v2 and (resource.openapi_schema or {}).get(_PRESERVE)):
        _add_whole_object(schema, ref, for_v2)
    schema[GVK] = [{"group": resource.group, "version": resource.version, "kind": resource.kind}]
    if resource.field_labels:
        schema["x-kubernetes-selectable-fields"] = [{"fieldPath": path} for path in resource.field_labels]
    return schema


def _publish(source: Object, ref: str, for_v2: bool) -> Object:
    """A copy of a node, and of what is below it."""
    if for_v2 and source.get(_PRESERVE):
        kept = {key: source[key] for key in ("description", _PRESERVE) if key in source}
        return {**kept, "type": "object"} if source.get("type") == "object" and _EMBEDDED in source else kept
    made = {key: value for key, value in source.items() if not (for_v2 and key in _NOT_IN_V2)}
    for key in ("properties",):
        if key in made:
            made[key] = {name: _publish(inner, ref, for_v2) for name, inner in made[key].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = _publish(made[key], ref, for_v2)
    if source.get(_EMBEDDED):
        _add_whole_object(made, ref, for_v2)
    return made


def _add_whole_object(schema: Object, ref: str, for_v2: bool) -> None:
    meta: Object = {"$ref": f"{ref}{_META}.ObjectMeta"}
    described: Object = meta if for_v2 else {"allOf": [meta]}
    schema["properties"] = {
        **schema.get("properties", {}),
        "apiVersion": {"description": _TYPE_TEXTS["apiVersion"], "type": "string"},
        "kind": {"description": _TYPE_TEXTS["kind"], "type": "string"},
        "metadata": {"description": _TYPE_TEXTS["metadata"], **described},
    }
