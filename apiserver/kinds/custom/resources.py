"""From a CustomResourceDefinition to the resources that a server serves for it: one for each served version.

All of them are views of one hub, which is what is stored, as it was written. Each view has the rules of its own version: it
prunes and defaults what it reads from the hub and what clients send, and validates by its schema. The conversion between
versions changes apiVersion and nothing else (strategy None; definitions with a conversion webhook are refused, and of one that
another server let in only the storage version is served).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

from apiserver.errors import Cause
from apiserver.kinds.custom.columns import build_columns
from apiserver.kinds.custom.expressions import Expressions, compile_rules
from apiserver.kinds.custom.whole_objects import (
    decode_custom,
    has_embedded,
    object_meta,
    repair_custom,
    validate_embedded,
)
from apiserver.kinds.metadata import validate_metadata, validate_metadata_update
from apiserver.kinds.resource import ALL_VERBS, Resource, ScalePaths, Subresource
from apiserver.kinds.versions import version_order
from apiserver.meta import Type, check_dns1123_subdomain, deep_copy, find_field, invalid, join_api_version
from apiserver.meta.structural import (
    Schema,
    build_type,
    field_path,
    find_causes,
    find_causes_of_change,
    find_duplicates,
    parse_schema,
    set_defaults,
)

Object = dict[str, Any]

_STATUS_VERBS = ("get", "patch", "update")
_TERMINATING_VERBS = ("delete", "deletecollection", "get", "list", "watch")
_INT32_MAX = 2**31 - 1
# Without these nothing sensible can be said by rules, so the rules are not asked (as in Kubernetes).
_BLOCKING = (
    "FieldValueRequired",
    "FieldValueTypeInvalid",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueNotFound",
)


def declare_custom(definition: Object) -> list[Resource]:
    """The views of the served versions, the preferred one first. The definition must be valid, with names accepted."""
    spec, names = definition["spec"], definition["status"]["acceptedNames"]
    group, plural = spec["group"], names["plural"]
    versions = sorted(spec["versions"], key=lambda version: version_order(version["name"]))
    storage = next(version["name"] for version in versions if version.get("storage"))
    facts: dict[str, Any] = {
        "group": group,
        "plural": plural,
        "singular": names.get("singular", ""),
        "kind": names["kind"],
        "namespaced": spec["scope"] == "Namespaced",
        "storage_prefix": f"/registry/{group}/{plural}",
        "short_names": tuple(names.get("shortNames") or ()),
        "categories": tuple(names.get("categories") or ()),
        "own_list_kind": names.get("listKind") or f"{names['kind']}List",
        "verbs": ALL_VERBS,
        "tracks_generation": True,
        "unconditional_update": False,
        "is_custom": True,
    }
    hub = Resource(version=storage, schema_name=f"{group}.{storage}.{names['kind']}", **facts)
    converts = (spec.get("conversion") or {}).get("strategy", "None") == "None"
    served = [version for version in versions if version.get("served") and (converts or version.get("storage"))]
    return [_declare_version(spec, version, hub, facts) for version in served]


def as_terminating(resources: list[Resource]) -> list[Resource]:
    """The same resources, of the same hub and so with the same watches, where nothing can be made any more."""
    return [replace(resource, verbs=_TERMINATING_VERBS) for resource in resources]


def _declare_version(spec: Object, version: Object, hub: Resource, facts: dict[str, Any]) -> Resource:
    name = version["name"]
    sub = version.get("subresources") or {}
    rules = VersionRules(version, hub, bool(facts["namespaced"]), "status" in sub)
    subresources = []
    if "status" in sub:
        subresources.append(Subresource("status", hub.kind, _STATUS_VERBS))
    if sub.get("scale"):
        subresources.append(Subresource("scale", "Scale", _STATUS_VERBS, "autoscaling", "v1"))
    columns, row = build_columns(version.get("additionalPrinterColumns") or [])
    return Resource(
        version=name,
        schema_name=f"{hub.group}.{name}.{hub.kind}",
        subresources=tuple(subresources),
        columns=columns,
        row=row,
        has_status="status" in sub,
        deprecation=_deprecation(spec, version, hub.kind),
        scale=rules.scale,
        defaults=rules.defaults,
        prepare_create=rules.prepare_create,
        prepare_update=rules.prepare_update,
        prepare_status_update=rules.prepare_status_update,
        validate=rules.validate,
        validate_change=rules.validate_change,
        generation_changed=rules.generation_changed,
        field_labels=_field_labels(version.get("selectableFields") or [], rules),
        own_type=lambda: rules.type,
        openapi_schema=rules.source,
        own_rules=True,
        hub=hub,
        to_hub=rules.to_hub,
        from_hub=rules.from_hub,
        **facts,
    )


class VersionRules:
    """The hooks of one version. Schema, type and rules are made when first needed: a server may have hundreds of definitions."""

    def __init__(self, version: Object, hub: Resource, namespaced: bool, has_status: bool) -> None:
        self.source: Object = (version.get("schema") or {}).get("openAPIV3Schema") or {"type": "object"}
        self.scale = _scale_paths((version.get("subresources") or {}).get("scale"))
        self._kind = hub.kind
        self._api_version = join_api_version(hub.group, version["name"])
        self._hub_version = hub.api_version
        self._namespaced = namespaced
        self._has_status = has_status

    @cached_property
    def schema(self) -> Schema:
        return parse_schema(self.source)

    @cached_property
    def type(self) -> Type:
        made = build_type(self.schema, self._kind, object_meta())
        made.decode = lambda obj: decode_custom(obj, self.schema)
        return made

    @cached_property
    def expressions(self) -> Expressions:
        return compile_rules(self.schema)

    @cached_property
    def _has_embedded(self) -> bool:
        return has_embedded(self.schema)

    def to_hub(self, obj: Object) -> Object:
        obj["apiVersion"] = self._hub_version
        return obj

    def from_hub(self, obj: Object) -> Object:
        obj["apiVersion"] = self._api_version
        repair_custom(obj, self.schema)
        set_defaults(obj, self.schema)
        return obj

    def defaults(self, obj: Object) -> None:
        set_defaults(obj, self.schema)

    def prepare_create(self, obj: Object) -> None:
        if self._has_status:
            obj.pop("status", None)

    def prepare_update(self, obj: Object, old: Object) -> None:
        if self._has_status:
            obj.pop("status", None)
            if "status" in old:
                obj["status"] = old["status"]

    def prepare_status_update(self, obj: Object, old: Object) -> None:
        """Only the status is taken, and what the server itself keeps in metadata."""
        metadata, has_status, status = obj["metadata"], "status" in obj, obj.get("status")
        obj.clear()
        obj.update(deep_copy(old))
        for field in ("managedFields", "resourceVersion"):
            obj["metadata"].pop(field, None)
            if field in metadata:
                obj["metadata"][field] = metadata[field]
        obj.pop("status", None)
        if has_status:
            obj["status"] = status

    def generation_changed(self, obj: Object, old: Object) -> bool:
        free = ("apiVersion", "kind", "metadata", "status") if self._has_status else ("apiVersion", "kind", "metadata")
        return {key: value for key, value in obj.items() if key not in free} != {
            key: value for key, value in old.items() if key not in free
        }

    def validate(self, obj: Object) -> list[Cause]:
        causes = validate_metadata(obj["metadata"], check_dns1123_subdomain, self._namespaced)
        if self._has_embedded:
            causes += validate_embedded(obj, self.schema)
        causes += find_causes(obj, self.schema)
        causes += find_duplicates(obj, self.schema)
        causes += self._validate_scale(obj)
        if not any(cause.reason in _BLOCKING for cause in causes):
            causes += self.expressions.validate(obj, None)
        return causes

    def validate_change(self, obj: Object, old: Object) -> list[Cause]:
        """What is wrong already may stay as it is."""
        causes = validate_metadata(obj["metadata"], check_dns1123_subdomain, self._namespaced)
        causes += validate_metadata_update(obj["metadata"], old["metadata"])
        if self._has_embedded:
            causes += [
                each for each in validate_embedded(obj, self.schema) if each not in validate_embedded(old, self.schema)
            ]
        causes += find_causes_of_change(obj, old, self.schema)
        if not find_duplicates(old, self.schema):
            causes += find_duplicates(obj, self.schema)
        causes += self._validate_scale(obj)
        if not any(cause.reason in _BLOCKING for cause in causes):
            causes += self.expressions.validate(obj, old)
        return causes

    def _validate_scale(self, obj: Object) -> list[Cause]:
        if self.scale is None:
            return []
        replicas = find_field(obj, self.scale.spec_replicas)
        where = f".{self.scale.spec_replicas}"
        if not isinstance(replicas, int) or isinstance(replicas, bool):
            return []  # the schema's matter
        if replicas < 0:
            return [invalid(where, replicas, "should be a non-negative integer")]
        if replicas > _INT32_MAX:
            return [invalid(where, replicas, f"should be less than or equal to {_INT32_MAX}")]
        return []


def _scale_paths(scale: Object | None) -> ScalePaths | None:
    if not scale:
        return None
    return ScalePaths(
        scale["specReplicasPath"].lstrip("."),
        scale["statusReplicasPath"].lstrip("."),
        (scale.get("labelSelectorPath") or "").lstrip("."),
        selector_is_text=True,
    )


def _deprecation(spec: Object, version: Object, kind: str) -> str:
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning"):
        return str(version["deprecationWarning"])
    group, name = spec["group"], version["name"]
    text = f"{group}/{name} {kind} is deprecated"
    newer = [
        other["name"]
        for other in spec["versions"]
        if other.get("served") and not other.get("deprecated") and version_order(other["name"]) < version_order(name)
    ]
    return f"{text}; use {group}/{min(newer, key=version_order)} {kind}" if newer else text


def _field_labels(fields: list[Object], rules: VersionRules) -> dict[str, Callable[[Object], str]]:
    labels = {}
    for field in fields:
        path = field_path(field["jsonPath"])
        if path:
            labels[".".join(path)] = _label(path, rules)
    return labels


def _label(path: tuple[str, ...], rules: VersionRules) -> Callable[[Object], str]:
    """Selectors look at what is stored, where a default that came later is not written."""

    def read(obj: Object) -> str:
        value = find_field(obj, path)
        if value is None:
            found: Schema | None = rules.schema
            for name in path:
                found = found.properties.get(name) if found is not None else None
            value = found.default if found is not None else None
        if value is None or isinstance(value, dict | list):
            return ""
        return ("true" if value else "false") if isinstance(value, bool) else str(value)

    return read
