"""The hooks of CustomResourceDefinition, a resource like any other: what it defaults to, who may change what of it.

Its status is the server's: acceptedNames and conditions come from `conditions`, storedVersions grows with each version that
was a storage version, and what is deleted waits, with a finalizer, until its objects are gone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from apiserver.errors import Cause
from apiserver.kinds.custom.conditions import DELETION_PENDING, FINALIZER, is_true, set_condition
from apiserver.kinds.custom.definition_rules import validate_names, validate_spec, validate_spec_update
from apiserver.kinds.metadata import validate_metadata, validate_metadata_update
from apiserver.kinds.schemas import find_type
from apiserver.meta import Type, at, check_dns1123_subdomain, child, decode_typed, invalid, required
from apiserver.meta.structural import is_known_format

Object = dict[str, Any]

_TYPE_NAME = "apiextensions.v1.CustomResourceDefinition"
_PROPS = "apiextensions.v1.JSONSchemaProps"
APPROVED = "api-approved.kubernetes.io"
_APPROVAL_TEXT = (
    'protected groups must have approval annotation "api-approved.kubernetes.io", see '
    "https://github.com/kubernetes/enhancements/pull/1111"
)
_APPROVAL_FORM = (
    'protected groups must have approval annotation "api-approved.kubernetes.io" with either a URL or a reason starting '
    'with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111'
)


@lru_cache(maxsize=1)
def definition_type() -> Type:
    """The type of the table, decoded further: schemas below items and additionalProperties are raw there."""
    table = find_type(_TYPE_NAME)
    made = Type(table.kind, table.name, table.go_name)
    made.fields, made.required, made.drops_zero = table.fields, table.required, table.drops_zero
    made.decode = _decode
    return made


def _decode(obj: Object) -> list[str]:
    unknown = decode_typed(obj, find_type(_TYPE_NAME))
    for index, version in enumerate((obj.get("spec") or {}).get("versions") or ()):
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is not None:
            _decode_raw(schema, f"{at('spec.versions', index)}.schema.openAPIV3Schema", unknown)
    return unknown


def _decode_raw(schema: Object, path: str, unknown: list[str]) -> None:
    """Decodes what the table calls raw, at any depth."""
    for name in ("items", "additionalProperties"):
        inner = schema.get(name)
        where = child(path, name)
        for each in inner if isinstance(inner, list) else [inner]:
            if isinstance(each, dict):
                unknown += [child(where, found) for found in decode_typed(each, find_type(_PROPS))]
                _decode_raw(each, where, unknown)
    for name in ("properties", "patternProperties", "definitions"):
        for key, inner in (schema.get(name) or {}).items():
            _decode_raw(inner, at(child(path, name), key), unknown)
    for name in ("allOf", "anyOf", "oneOf"):
        for index, inner in enumerate(schema.get(name) or ()):
            _decode_raw(inner, at(child(path, name), index), unknown)
    if schema.get("not") is not None:
        _decode_raw(schema["not"], child(path, "not"), unknown)


def defaults(definition: Object) -> None:
    spec = definition.setdefault("spec", {})
    names = spec.get("names") or {}
    kind = names.get("kind", "")
    if kind:
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", f"{kind}List")
    if not (spec.get("conversion") or {}).get("strategy"):
        spec["conversion"] = {**(spec.get("conversion") or {}), "strategy": "None"}
    service = ((spec["conversion"].get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None:
        service.setdefault("port", 443)
    if spec.get("preserveUnknownFields") is False:
        del spec["preserveUnknownFields"]


def prepare_create(definition: Object) -> None:
    definition["status"] = {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": _storage_versions(definition),
    }


def prepare_update(definition: Object, old: Object) -> None:
    status = {"conditions": None, **(old.get("status") or {})}
    stored = list(status.get("storedVersions") or [])
    status["storedVersions"] = stored + [name for name in _storage_versions(definition) if name not in stored]
    definition["status"] = status


def prepare_delete(definition: Object, now: str) -> None:
    finalizers = definition["metadata"].setdefault("finalizers", [])
    if FINALIZER not in finalizers:
        finalizers.append(FINALIZER)
    set_condition(definition.setdefault("status", {}), DELETION_PENDING, now)


def _storage_versions(definition: Object) -> list[str]:
    return [version.get("name", "") for version in definition["spec"].get("versions") or () if version.get("storage")]


def validate(definition: Object) -> list[Cause]:
    causes = validate_metadata(definition["metadata"], _check_name(definition), namespaced=False)
    causes += validate_spec(definition.get("spec") or {}, "spec")
    causes += _validate_approval(definition)
    return causes


def _check_name(definition: Object) -> Any:
    names, group = definition["spec"].get("names") or {}, definition["spec"].get("group", "")

    def check(name: str) -> list[str]:
        wrong = check_dns1123_subdomain(name)
        if name != f"{names.get('plural', '')}.{group}":
            wrong.append('must be spec.names.plural+"."+spec.group')
        return wrong

    return check


def validate_change(definition: Object, old: Object) -> list[Cause]:
    causes = validate_metadata_update(definition["metadata"], old["metadata"])
    spec, before = definition.get("spec") or {}, old.get("spec") or {}
    if spec != before:
        wrong = validate_spec(spec, "spec")
        # What was let in by rules of another day may stay as it is.
        before_wrong = validate_spec(before, "spec") if wrong else []
        causes += [cause for cause in wrong if cause not in before_wrong]
        causes += validate_spec_update(spec, before, "spec", is_established=is_true(old, "Established"))
    if _approval(definition) != _approval(old):
        causes += _validate_approval(definition)
    status = definition.get("status") or {}
    causes += validate_names(status.get("acceptedNames") or {}, "status.acceptedNames")
    return causes + _validate_stored_versions(spec, status)


def _validate_stored_versions(spec: Object, status: Object) -> list[Cause]:
    where = "status.storedVersions"
    stored = status.get("storedVersions") or []
    if not stored:
        return [invalid(where, stored, "must have at least one stored version")]
    known = [version.get("name", "") for version in spec.get("versions") or ()]
    causes = []
    for index, name in enumerate(stored):
        if name not in known:
            why = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions "
                f"until a storage migration ensures no data remains persisted in {name} and removes {name} from "
                "status.storedVersions"
            )
            causes.append(invalid(at(where, index), name, why))
    for version in spec.get("versions") or ():
        if version.get("storage") and version.get("name", "") not in stored:
            causes.append(invalid(where, stored, f"must have the storage version {version['name']}"))
    return causes


# Groups of the Kubernetes project -----------------------------------------------------------------------------------


def is_protected(group: str) -> bool:
    return any(group == name or group.endswith(f".{name}") for name in ("k8s.io", "kubernetes.io"))


def _approval(definition: Object) -> str | None:
    found: str | None = (definition["metadata"].get("annotations") or {}).get(APPROVED)
    return found


def approval_condition(definition: Object) -> Object | None:
    """The condition KubernetesAPIApprovalPolicyConformant; None for a group that anybody may use."""
    if not is_protected(definition["spec"].get("group", "")):
        return None
    said = _approval(definition)
    if not said:
        status, reason, message = "False", "MissingAnnotation", _APPROVAL_TEXT
    elif said.startswith("unapproved"):
        status, reason, message = "False", "UnapprovedAnnotation", f'not approved: "{said}"'
    elif "://" in said:
        status, reason, message = "True", "ApprovedAnnotation", f'approved in "{said}"'
    else:
        status, reason, message = "False", "InvalidAnnotation", _APPROVAL_FORM
    return {
        "type": "KubernetesAPIApprovalPolicyConformant", "status": status, "reason": reason, "message": message
    }  # fmt: skip


def _validate_approval(definition: Object) -> list[Cause]:
    condition = approval_condition(definition)
    where = at("metadata.annotations", APPROVED)
    if condition is None or condition["reason"] not in ("MissingAnnotation", "InvalidAnnotation"):
        return []
    if condition["reason"] == "MissingAnnotation":
        return [required(where, _APPROVAL_TEXT)]
    return [invalid(where, _approval(definition), _APPROVAL_FORM)]


# Warnings -----------------------------------------------------------------------------------------------------------


def warn(definition: Object, old: Object | None) -> list[str]:
    """Formats that mean nothing, each once."""
    found: dict[str, None] = {}

    def walk(schema: Any) -> None:
        if isinstance(schema, list):
            for inner in schema:
                walk(inner)
        elif isinstance(schema, dict):
            name = schema.get("format")
            if isinstance(name, str) and name and not is_known_format(name):
                found[name] = None
            for key, inner in schema.items():
                if key in ("properties", "patternProperties", "definitions"):
                    walk(list(inner.values()) if isinstance(inner, dict) else [])
                elif key not in ("default", "enum", "example"):
                    walk(inner)

    for version in (definition.get("spec") or {}).get("versions") or ():
        walk((version.get("schema") or {}).get("openAPIV3Schema"))
    return [f'unrecognized format "{name}"' for name in found]
