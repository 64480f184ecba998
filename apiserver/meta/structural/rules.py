"""What a schema itself must be: structural, and within what Kubernetes takes of OpenAPI v3.

Structural: the type of each field is said once, outside of allOf, anyOf, oneOf and not; what stands inside those only
restricts values of fields that are known from outside. The one exception is the pair integer/string of an int-or-string.

Texts: apiextensions/v1 and its structural schema validation in 1.36. `check_schema` says everything wrong with a schema,
`check_structural` only what is not structural (the condition NonStructuralSchema).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiserver.errors import Cause
from apiserver.meta.causes import at, child, duplicate, forbidden, invalid, not_supported, required
from apiserver.meta.structural.patterns import PatternError, compile_pattern
from apiserver.meta.structural.schema import ATOMIC, MAP, SET

Object = dict[str, Any]

TYPES = ("array", "boolean", "integer", "number", "object", "string")
SCALARS = ("boolean", "integer", "number", "string")
LIST_TYPES = (ATOMIC, MAP, SET)
MAP_TYPES = (ATOMIC, "granular")
REASONS = ("FieldValueRequired", "FieldValueInvalid", "FieldValueForbidden", "FieldValueDuplicate")

_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_ROOT, _ITEM, _FIELD = "root", "item", "field"
_NO_TYPE = {
    _ROOT: "must not be empty at the root",
    _ITEM: "must not be empty for specified array items",
    _FIELD: "must not be empty for specified object fields",
}
_EMPTY_TO_BE_STRUCTURAL = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "externalDocs": "must be undefined to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}


def check_schema(schema: Object, path: str) -> list[Cause]:
    """Everything wrong with an openAPIV3Schema but its defaults and its rules' expressions."""
    causes = _check_node(schema, path, is_root=True, no_default="")
    return causes + check_structural(schema, path)


def check_structural(schema: Object, path: str) -> list[Cause]:
    """In the order of the texts, as kube-apiserver sorts them."""
    causes = _invariants(schema, _ROOT, path) + _completeness(schema, schema, path)
    return sorted(dict.fromkeys(causes), key=lambda cause: (cause.field, cause.message))


def _operators(schema: Object) -> Iterable[tuple[str, Object]]:
    for name in ("allOf", "anyOf", "oneOf"):
        for index, inner in enumerate(schema.get(name) or ()):
            yield f"{name}[{index}]", inner
    if isinstance(schema.get("not"), dict):
        yield "not", schema["not"]


# What Kubernetes takes of OpenAPI -----------------------------------------------------------------------------------


def _check_node(schema: Object, path: str, *, is_root: bool, no_default: str) -> list[Cause]:
    causes: list[Cause] = []
    if no_default and schema.get("default") is not None:
        causes.append(forbidden(child(path, "default"), f"must not be set {no_default}"))
    causes += [forbidden(child(path, name), f"{name} is not supported") for name in _UNSUPPORTED if schema.get(name)]
    kind = schema.get("type") or ""
    if kind == "null":
        causes.append(forbidden(child(path, "type"), "type cannot be set to null, use nullable as an alternative"))
    elif kind and kind not in TYPES:
        causes.append(not_supported(child(path, "type"), kind, TYPES))
    if isinstance(schema.get("items"), list):
        causes.append(forbidden(child(path, "items"), "items must be a schema object and not an array"))
    if schema.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        causes.append(forbidden(child(path, "uniqueItems"), why))
    additional = schema.get("additionalProperties")
    if additional is False:
        causes.append(forbidden(child(path, "additionalProperties"), "additionalProperties cannot be set to false"))
    if additional is not None and additional is not True and schema.get("properties"):
        why = "additionalProperties and properties are mutual exclusive"
        causes.append(forbidden(child(path, "additionalProperties"), why))
    causes += _check_extensions(schema, kind, path)
    for name, inner in (schema.get("properties") or {}).items():
        why = "in top-level metadata" if is_root and name == "metadata" else no_default
        causes += _check_node(inner, at(child(path, "properties"), name), is_root=False, no_default=why)
    if isinstance(additional, dict):
        inside = no_default and "inside additionalProperties applying to object metadata"
        causes += _check_node(additional, child(path, "additionalProperties"), is_root=False, no_default=inside)
    if isinstance(schema.get("items"), dict):
        causes += _check_node(schema["items"], child(path, "items"), is_root=False, no_default=no_default)
    for name, inner in _operators(schema):
        causes += _check_node(inner, child(path, name), is_root=False, no_default="")
    return causes


def _must_be(kind: str, wanted: str, path: str, why: str) -> list[Cause]:
    if kind == wanted:
        return []
    return [invalid(child(path, "type"), kind, why) if kind else required(child(path, "type"), why)]


def _check_extensions(schema: Object, kind: str, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        causes.append(invalid(child(path, "x-kubernetes-preserve-unknown-fields"), False, "must be true or undefined"))
    map_type = schema.get("x-kubernetes-map-type")
    if map_type is not None:
        causes += _must_be(kind, "object", path, "must be object if x-kubernetes-map-type is specified")
        if map_type not in MAP_TYPES:
            causes.append(not_supported(child(path, "x-kubernetes-map-type"), map_type, MAP_TYPES))
    list_type, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or []
    where = child(path, "x-kubernetes-list-type")
    if list_type is not None:
        causes += _must_be(kind, "array", path, "must be array if x-kubernetes-list-type is specified")
        if list_type not in LIST_TYPES:
            causes.append(not_supported(where, list_type, LIST_TYPES))
    if keys:
        why = "must be map if x-kubernetes-list-map-keys is non-empty"
        if list_type is None:
            causes.append(required(where, why))
        elif list_type != MAP:
            causes.append(invalid(where, list_type, why))
    items = schema.get("items")
    if list_type == MAP:
        causes += _check_list_map(items, keys, path)
    elif list_type == SET and isinstance(items, dict):
        causes += _check_list_set(items, path)
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        causes += _check_rule(rule, at(child(path, "x-kubernetes-validations"), index))
    return causes


def _check_list_map(items: Any, keys: list[str], path: str) -> list[Cause]:
    causes: list[Cause] = []
    where = child(path, "x-kubernetes-list-map-keys")
    if not keys:
        causes.append(required(where, "must not be empty if x-kubernetes-list-type is map"))
    if not isinstance(items, dict):
        return [*causes, required(child(path, "items"), "must have a schema if x-kubernetes-list-type is map")]
    inside = child(path, "items")
    kind = items.get("type") or ""
    causes += _must_be(kind, "object", inside, "must be object if parent array's x-kubernetes-list-type is map")
    properties, needed = items.get("properties") or {}, items.get("required") or ()
    seen: dict[str, None] = {}
    for index, key in enumerate(keys):
        if key in seen:
            causes.append(duplicate(at(where, index), key))
            continue
        seen[key] = None
        found = properties.get(key)
        if found is None:
            causes.append(invalid(at(where, index), key, "entries must all be names of item properties"))
            continue
        field = at(child(inside, "properties"), key)
        if (found.get("type") or "") not in SCALARS:
            why = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            causes.append(invalid(child(field, "type"), found.get("type") or "", why))
        if found.get("nullable"):
            why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
            causes.append(forbidden(child(field, "nullable"), why))
        if key not in needed and found.get("default") is None:
            why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            causes.append(required(child(field, "default"), why))
    return causes


def _check_list_set(items: Object, path: str) -> list[Cause]:
    inside = child(path, "items")
    causes: list[Cause] = []
    if items.get("nullable"):
        causes.append(forbidden(child(inside, "nullable"), "cannot be nullable when x-kubernetes-list-type is set"))
    for kind, name in (("object", "x-kubernetes-map-type"), ("array", "x-kubernetes-list-type")):
        if items.get("type") == kind and items.get(name) != ATOMIC:
            if kind == "array" and items.get(name) is None:
                continue  # a list is atomic unless it says otherwise
            said = items.get(name)
            why = f"must be atomic as item of a list with x-kubernetes-list-type={SET}"
            causes.append(invalid(child(inside, name), said, why) if said else required(child(inside, name), why))
    return causes


def _check_rule(rule: Object, path: str) -> list[Cause]:
    """The rule's form. Whether its expressions can be compiled is another question."""
    causes: list[Cause] = []
    text, message = rule.get("rule") or "", rule.get("message")
    if not text.strip():
        causes.append(required(child(path, "rule"), "rule is not specified"))
    if message is not None and not message.strip():
        causes.append(invalid(child(path, "message"), message, "message must be non-empty if specified"))
    elif message is not None and "\n" in message.strip():
        causes.append(invalid(child(path, "message"), message, "message must not contain line breaks"))
    elif message is None and "\n" in text.strip():
        why = "message must be specified if rule contains line breaks"
        causes.append(required(child(path, "message"), why))
    expression = rule.get("messageExpression")
    if expression is not None and not expression.strip():
        why = "messageExpression must be non-empty if specified"
        causes.append(required(child(path, "messageExpression"), why))
    reason = rule.get("reason")
    if reason is not None and reason not in REASONS:
        causes.append(not_supported(child(path, "reason"), reason, REASONS))
    return causes


# Structural ---------------------------------------------------------------------------------------------------------


def _is_int_or_string(alternatives: Any) -> bool:
    return bool(alternatives == _INT_OR_STRING)


def _invariants(schema: Object, level: str, path: str) -> list[Cause]:
    causes: list[Cause] = []
    kind, items, additional = schema.get("type") or "", schema.get("items"), schema.get("additionalProperties")
    if kind == "array" and items is None:
        causes.append(required(child(path, "items"), "must be specified"))
    if isinstance(items, dict):
        causes += _invariants(items, _ITEM, child(path, "items"))
    for name, inner in (schema.get("properties") or {}).items():
        causes += _invariants(inner, _FIELD, at(child(path, "properties"), name))
    if additional is not None:
        where = child(path, "additionalProperties")
        if level == _ROOT:
            causes.append(forbidden(where, "must not be used at the root"))
        if isinstance(additional, dict):
            causes += _invariants(additional, _FIELD, where)
    causes += _check_type_and_extensions(schema, kind, level, path)
    causes += _value_rules(schema, path, skip=_is_int_or_string(schema.get("anyOf")), skip_first=True)
    return causes


def _check_type_and_extensions(schema: Object, kind: str, level: str, path: str) -> list[Cause]:
    causes: list[Cause] = []
    embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    preserve = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    if schema.get("x-kubernetes-int-or-string"):
        for name, is_set in (("preserve-unknown-fields", preserve), ("embedded-resource", embedded)):
            if is_set:
                why = "must be false if x-kubernetes-int-or-string is true"
                causes.append(invalid(child(path, f"x-kubernetes-{name}"), True, why))
    if embedded and kind != "object":
        causes += _must_be(kind, "object", path, "must be object if x-kubernetes-embedded-resource is true")
    elif not kind and not schema.get("x-kubernetes-int-or-string") and not preserve:
        causes.append(required(child(path, "type"), _NO_TYPE[level]))
    if embedded and schema.get("additionalProperties") is not None:
        why = "must not be used if x-kubernetes-embedded-resource is set"
        causes.append(forbidden(child(path, "additionalProperties"), why))
    if level == _ROOT and kind and kind != "object":
        causes.append(invalid(child(path, "type"), kind, "must be object at the root"))
    properties = schema.get("properties") or {}
    if level == _ROOT or embedded:
        for name in ("kind", "apiVersion"):
            if name in properties and properties[name].get("type") != "string":
                where = child(at(child(path, "properties"), name), "type")
                causes.append(invalid(where, properties[name].get("type") or "", "must be string"))
        causes += _check_metadata(properties, level, at(child(path, "properties"), "metadata"))
    if embedded and not preserve and not properties:
        why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        causes.append(required(child(path, "properties"), why))
    return causes


def _check_metadata(properties: Object, level: str, path: str) -> list[Cause]:
    metadata = properties.get("metadata")
    if metadata is None:
        return []
    causes: list[Cause] = []
    if metadata.get("type") != "object":
        causes.append(invalid(child(path, "type"), metadata.get("type") or "", "must be object"))
    if level == _ROOT:
        inside = set(metadata.get("properties") or ())
        said = {name for name, value in metadata.items() if value and name not in ("type", "default", "properties")}
        if inside - {"name", "generateName"} or said - {"description", "title"}:
            why = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            causes.append(forbidden(path, why))
    return causes


def _value_rules(schema: Object, path: str, *, skip: bool = False, skip_first: bool = False) -> list[Cause]:
    causes: list[Cause] = []
    for name, inner in _operators(schema):
        if skip and name.startswith("anyOf"):
            continue
        is_exception = skip_first and name == "allOf[0]" and _is_int_or_string(inner.get("anyOf"))
        causes += _nested(inner, child(path, name), skip=is_exception)
    pattern = schema.get("pattern")
    if pattern:
        try:
            compile_pattern(pattern)
        except PatternError as problem:
            why = f"must be a valid regular expression, but isn't: {problem}"
            causes.append(invalid(child(path, "pattern"), pattern, why))
    return causes


def _nested(schema: Object, path: str, *, skip: bool = False) -> list[Cause]:
    """Below a logical operator: value rules only."""
    causes = _value_rules(schema, path, skip=skip)
    if isinstance(schema.get("items"), dict):
        causes += _nested(schema["items"], child(path, "items"))
    for name, inner in (schema.get("properties") or {}).items():
        where = at(child(path, "properties"), name)
        if name == "metadata":
            causes.append(forbidden(where, "must not be specified in a nested context"))
        causes += _nested(inner, where)
    for name, why in _EMPTY_TO_BE_STRUCTURAL.items():
        value = schema.get(name)
        if value not in (None, "", False, [], ()) or (name == "default" and value is not None):
            causes.append(forbidden(child(path, name), why))
    return causes


def _completeness(schema: Object, outside: Object, path: str) -> list[Cause]:
    """What an operator speaks of must be specified outside of it too."""
    causes: list[Cause] = []
    for name, inner in _operators(schema):
        causes += _is_known(inner, outside, path, child(path, name))
    for name, inner in (schema.get("properties") or {}).items():
        causes += _completeness(inner, inner, at(child(path, "properties"), name))
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            causes += _completeness(schema[name], schema[name], child(path, name))
    return causes


def _is_known(nested: Object, outside: Object | None, path: str, because: str) -> list[Cause]:
    """path: where it should be specified; because: where it is spoken of."""
    causes: list[Cause] = []
    if isinstance(nested.get("items"), dict):
        items = (outside or {}).get("items")
        where, why = child(path, "items"), child(because, "items")
        if not isinstance(items, dict):
            causes.append(required(where, f"because it is defined in {why}"))
        else:
            causes += _is_known(nested["items"], items, where, why)
    for name, inner in (nested.get("properties") or {}).items():
        found = ((outside or {}).get("properties") or {}).get(name)
        where, why = at(child(path, "properties"), name), at(child(because, "properties"), name)
        if found is None:
            causes.append(required(where, f"because it is defined in {why}"))
        else:
            causes += _is_known(inner, found, where, why)
    for name, inner in _operators(nested):
        causes += _is_known(inner, outside, path, child(because, name))
    return causes


def describe(causes: list[Cause]) -> str:
    """Several causes as one text, for a condition's message."""
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
