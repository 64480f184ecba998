"""The rules of a CustomResourceDefinition's spec, with the texts of apiextensions/v1."""

from __future__ import annotations

from typing import Any

from apiserver.errors import Cause
from apiserver.kinds.custom.expressions import check_expressions
from apiserver.kinds.custom.whole_objects import decode_custom, validate_embedded
from apiserver.meta import (
    DecodeError,
    at,
    check_dns1035_label,
    check_dns1123_subdomain,
    child,
    deep_copy,
    duplicate,
    forbidden,
    immutable,
    invalid,
    not_supported,
    required,
)
from apiserver.meta.structural import (
    PathError,
    Schema,
    check_schema,
    compile_path,
    field_path,
    find_causes,
    parse_schema,
    prune,
)

Object = dict[str, Any]

SCOPES = ("Cluster", "Namespaced")
COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
MAX_SELECTABLE_FIELDS = 8
MAX_DEPRECATION_WARNING = 256
NO_WEBHOOKS = "conversion webhooks are not supported by this server; only the strategy None is"


def validate_spec(spec: Object, path: str) -> list[Cause]:
    causes = _validate_group(spec.get("group", ""), child(path, "group"))
    scope = spec.get("scope", "")
    if not scope:
        causes.append(required(child(path, "scope")))
    elif scope not in SCOPES:
        causes.append(not_supported(child(path, "scope"), scope, SCOPES))
    if spec.get("preserveUnknownFields"):
        why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        causes.append(invalid(child(path, "preserveUnknownFields"), True, why))
    causes += _validate_versions(spec.get("versions") or [], child(path, "versions"))
    names = spec.get("names") or {}
    for field in ("plural", "singular", "kind", "listKind"):
        if not names.get(field):
            causes.append(required(child(child(path, "names"), field)))
    causes += validate_names(names, child(path, "names"))
    strategy = (spec.get("conversion") or {}).get("strategy", "")
    where = child(child(path, "conversion"), "strategy")
    if not strategy:
        causes.append(required(where))
    elif strategy == "Webhook":
        causes.append(forbidden(where, NO_WEBHOOKS))
    elif strategy != "None":
        causes.append(not_supported(where, strategy, ("None", "Webhook")))
    elif spec["conversion"].get("webhook") is not None:
        why = "should not be set when strategy is not set to Webhook"
        causes.append(forbidden(child(child(path, "conversion"), "webhook"), why))
    return causes


def validate_spec_update(spec: Object, old: Object, path: str, *, is_established: bool) -> list[Cause]:
    """What an update may not change."""
    causes = []
    names, before = spec.get("names") or {}, old.get("names") or {}
    if is_established:
        if spec.get("scope") != old.get("scope"):
            causes.append(immutable(child(path, "scope"), spec.get("scope", "")))
        if names.get("kind") != before.get("kind"):
            causes.append(immutable(child(child(path, "names"), "kind"), names.get("kind", "")))
    if spec.get("group") != old.get("group"):
        causes.append(immutable(child(path, "group"), spec.get("group", "")))
    if names.get("plural") != before.get("plural"):
        causes.append(immutable(child(child(path, "names"), "plural"), names.get("plural", "")))
    return causes


def _validate_group(group: str, path: str) -> list[Cause]:
    if not group:
        return [required(path)]
    wrong = check_dns1123_subdomain(group)
    if wrong:
        return [invalid(path, group, ",".join(wrong))]
    return [] if "." in group else [invalid(path, group, "should be a domain with at least one dot")]


def validate_names(names: Object, path: str) -> list[Cause]:
    causes = []
    for field in ("plural", "singular"):
        wrong = check_dns1035_label(names.get(field, "")) if names.get(field) else []
        if wrong:
            causes.append(invalid(child(path, field), names[field], ",".join(wrong)))
    for field in ("kind", "listKind"):
        wrong = check_dns1035_label(names[field].lower()) if names.get(field) else []
        if wrong:
            why = f"may have mixed case, but should otherwise match: {','.join(wrong)}"
            causes.append(invalid(child(path, field), names[field], why))
    for field in ("shortNames", "categories"):
        for index, name in enumerate(names.get(field) or ()):
            wrong = check_dns1035_label(name)
            if wrong:
                causes.append(invalid(at(child(path, field), index), name, ",".join(wrong)))
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        why = "kind and listKind may not be the same"
        causes.append(invalid(child(path, "listKind"), names["listKind"], why))
    return causes


# Versions -----------------------------------------------------------------------------------------------------------


def _validate_versions(versions: list[Object], path: str) -> list[Cause]:
    causes: list[Cause] = []
    seen = [version.get("name", "") for version in versions]
    for index, version in enumerate(versions):
        where = at(path, index)
        wrong = check_dns1035_label(version.get("name", ""))
        if wrong:
            causes.append(invalid(child(where, "name"), version.get("name", ""), ",".join(wrong)))
        causes += _validate_deprecation(version, where)
    shown = [{key: value for key, value in version.items() if key != "schema"} for version in versions]
    if len(dict.fromkeys(seen)) != len(seen):
        causes.append(invalid(path, shown, "must contain unique version names"))
    if sum(1 for version in versions if version.get("storage")) != 1:
        causes.append(invalid(path, shown, "must have exactly one version marked as storage version"))
    for index, version in enumerate(versions):
        causes += _validate_version(version, at(path, index))
    return causes


def _validate_deprecation(version: Object, path: str) -> list[Cause]:
    warning = version.get("deprecationWarning")
    if warning is None:
        return []
    where = child(path, "deprecationWarning")
    if not version.get("deprecated"):
        return [invalid(where, warning, "can only be set for deprecated versions")]
    if len(warning.encode()) > MAX_DEPRECATION_WARNING:
        return [invalid(where, warning, f"must be <= {MAX_DEPRECATION_WARNING} characters long")]
    if not warning.strip():
        return [invalid(where, warning, "must not be empty")]
    if not warning.isprintable():
        return [invalid(where, warning, "must only contain printable UTF-8 characters")]
    return []


def _validate_version(version: Object, path: str) -> list[Cause]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    where = f"{path}.schema.openAPIV3Schema"
    causes: list[Cause] = []
    parsed: Schema | None = None
    if schema is None:
        causes.append(required(where))
    else:
        causes += check_schema(schema, where)
        if not causes:
            parsed = parse_schema(schema)
            causes += _validate_defaults(parsed, where, is_whole=True)
            causes += check_expressions(parsed, where)
    causes += _validate_subresources(version.get("subresources") or {}, child(path, "subresources"))
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        causes += _validate_column(column, at(child(path, "additionalPrinterColumns"), index))
    fields = version.get("selectableFields") or []
    if fields and parsed is not None:
        causes += _validate_selectable_fields(fields, parsed, child(path, "selectableFields"))
    return causes


def _validate_subresources(subresources: Object, path: str) -> list[Cause]:
    scale = subresources.get("scale")
    if scale is None:
        return []
    causes: list[Cause] = []
    for field, parent in (("specReplicasPath", ".spec"), ("statusReplicasPath", ".status"), ("labelSelectorPath", "")):
        where, text = child(child(path, "scale"), field), scale.get(field, "")
        if not text:
            if parent:
                causes.append(required(where))
            continue
        wrong = _validate_path(text, where)
        if wrong:
            causes += wrong
        elif parent and not text.startswith(f"{parent}."):
            causes.append(invalid(where, text, f"should be a json path under {parent}"))
        elif not parent and not text.startswith((".status.", ".spec.")):
            causes.append(invalid(where, text, "should be a json path under either .spec or .status"))
    return causes


def _validate_path(text: str, path: str) -> list[Cause]:
    if not text.startswith("."):
        return [invalid(path, text, "must be a simple json path starting with .")]
    if field_path(text) is None:
        return [invalid(path, text, "must be a json path in the dot notation")]
    return []


def _validate_column(column: Object, path: str) -> list[Cause]:
    causes = []
    if not column.get("name"):
        causes.append(required(child(path, "name")))
    choices = f"must be one of {','.join(COLUMN_TYPES)}"
    if not column.get("type"):
        causes.append(required(child(path, "type"), choices))
    elif column["type"] not in COLUMN_TYPES:
        causes.append(invalid(child(path, "type"), column["type"], choices))
    if column.get("format") and column["format"] not in COLUMN_FORMATS:
        choices = f"must be one of {','.join(COLUMN_FORMATS)}"
        causes.append(invalid(child(path, "format"), column["format"], choices))
    text = column.get("jsonPath", "")
    if not text:
        causes.append(required(child(path, "jsonPath")))
    elif not text.startswith("."):
        causes.append(invalid(child(path, "jsonPath"), text, "must be a simple json path starting with ."))
    else:
        try:
            compile_path(text)
        except PathError as problem:
            causes.append(invalid(child(path, "jsonPath"), text, f"must be a valid json path: {problem}"))
    return causes


def _validate_selectable_fields(fields: list[Object], schema: Schema, path: str) -> list[Cause]:
    causes: list[Cause] = []
    seen: dict[tuple[str, ...], None] = {}
    for index, field in enumerate(fields):
        where, text = child(at(path, index), "jsonPath"), field.get("jsonPath", "")
        if not text:
            causes.append(required(where))
            continue
        names = field_path(text)
        found: Schema | None = schema
        for name in names or ("",):
            found = found.properties.get(name) if found is not None else None
        if names is not None and names[:1] == ("metadata",):
            causes.append(invalid(at(path, index), text, "must not point to fields in metadata"))
        elif names is None or found is None:
            causes.append(invalid(where, text, "is an invalid path: does not refer to a valid field"))
        elif found.type not in ("string", "boolean", "integer"):
            why = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."  # noqa: E501
            causes.append(invalid(where, text, why))
        if names is not None and names in seen:
            causes.append(duplicate(where, text))
        seen[names or (text,)] = None
    if len(seen) > MAX_SELECTABLE_FIELDS:
        text = f"Too many: {len(seen)}: must have at most {MAX_SELECTABLE_FIELDS} items"
        causes.append(Cause("FieldValueTooMany", text, path))
    return causes


# Defaults -----------------------------------------------------------------------------------------------------------


def _validate_defaults(schema: Schema, path: str, *, is_whole: bool = False) -> list[Cause]:
    """A default must be a value that the schema takes, and nothing of it may be unknown."""
    causes: list[Cause] = []
    if schema.has_default:
        causes += _validate_default(schema, child(path, "default"))
    for name, inner in schema.properties.items():
        where = at(child(path, "properties"), name)
        if is_whole and name in ("apiVersion", "kind", "metadata"):
            continue
        causes += _validate_defaults(inner, where, is_whole=inner.embedded)
    for name, below in (("items", schema.items), ("additionalProperties", schema.additional)):
        if below is not None:
            causes += _validate_defaults(below, child(path, name), is_whole=below.embedded)
    return causes


def _validate_default(schema: Schema, path: str) -> list[Cause]:
    value = schema.default
    if isinstance(value, dict | list):
        pruned = deep_copy(value)
        unknown: list[str] = []
        prune(pruned, schema, unknown)
        if unknown:
            return [invalid(path, value, "must not have unknown fields")]
        if schema.embedded and isinstance(pruned, dict):
            try:
                decode_custom(pruned, schema)
            except DecodeError as problem:
                return [invalid(child(path, "metadata"), pruned.get("metadata"), str(problem))]
            wrong = validate_embedded(pruned, schema)
            if wrong:
                return [cause._replace(field=child(path, cause.field)) for cause in wrong]
    return [
        cause._replace(field=child(path, cause.field) if cause.field else path) for cause in find_causes(value, schema)
    ]
