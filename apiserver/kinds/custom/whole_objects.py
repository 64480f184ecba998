"""What custom resources, and resources embedded in them, have in common with all others: apiVersion, kind and metadata.

The schema of a definition says nothing of these (but of the name): metadata is decoded as ObjectMeta and has its rules,
wherever x-kubernetes-embedded-resource stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from apiserver.errors import Cause
from apiserver.kinds.metadata import validate_metadata
from apiserver.kinds.schemas import find_type
from apiserver.meta import DecodeError, Type, at, check_dns1035_label, child, decode_typed, invalid, required
from apiserver.meta.structural import Schema, prune

Object = dict[str, Any]


@lru_cache(maxsize=1)
def object_meta() -> Type:
    return find_type("meta.v1.ObjectMeta")


def decode_custom(obj: Object, schema: Schema) -> list[str]:
    """Prunes the object in place and brings metadata to canonical form; returns the paths of unknown fields.

    Raises DecodeError for metadata that cannot be read.
    """
    unknown: list[str] = []
    _decode_metadata(obj, "", unknown)
    prune(obj, schema, unknown, is_whole=True)
    for path, inner in embedded(obj, schema):
        for key in ("apiVersion", "kind"):
            if not isinstance(inner.get(key, ""), str):
                raise DecodeError(f"{path}.{key}: must be string")
        _decode_metadata(inner, path, unknown)
    return unknown


def repair_custom(obj: Object, schema: Schema) -> None:
    """The same for what is stored already: what cannot be read is dropped instead of refused."""
    prune(obj, schema, [], is_whole=True)
    for _, inner in embedded(obj, schema):
        try:
            _decode_metadata(inner, "", [])
        except DecodeError:
            inner.pop("metadata", None)


def _decode_metadata(obj: Object, path: str, unknown: list[str]) -> None:
    metadata = obj.get("metadata")
    if metadata is None:
        obj.pop("metadata", None)
        return
    found = decode_typed(metadata, object_meta())
    unknown += [child(child(path, "metadata"), each) for each in found]


def embedded(value: Any, schema: Schema, path: str = "") -> Iterator[tuple[str, Object]]:
    """(path, object) of each embedded resource that is there, outer ones first."""
    if not has_embedded(schema):
        return
    if isinstance(value, dict):
        if schema.embedded:
            yield path, value
        for key, inner in value.items():
            found = schema.properties.get(key) or schema.additional
            if found is not None and isinstance(inner, dict | list):
                yield from embedded(inner, found, child(path, key))
    elif isinstance(value, list) and schema.items is not None:
        for index, item in enumerate(value):
            yield from embedded(item, schema.items, at(path, index))


def has_embedded(schema: Schema) -> bool:
    """Whether there may be one at the node or below it."""
    if schema.holds_embedded is None:
        schema.holds_embedded = schema.embedded or any(map(has_embedded, schema.children))
    return schema.holds_embedded


def validate_embedded(obj: Object, schema: Schema) -> list[Cause]:
    """apiVersion and kind are there, and metadata follows its rules but for a name, which may be missing."""
    causes: list[Cause] = []
    for path, inner in embedded(obj, schema):
        version, kind = inner.get("apiVersion", ""), inner.get("kind", "")
        if not version.strip():
            causes.append(required(child(path, "apiVersion"), "must not be empty"))
        elif version.count("/") > 1:
            causes.append(invalid(child(path, "apiVersion"), version, f"unexpected GroupVersion string: {version}"))
        if not kind.strip():
            causes.append(required(child(path, "kind"), "must not be empty"))
        else:
            wrong = check_dns1035_label(kind.lower())
            if wrong:
                why = f"may have mixed case, but should otherwise match: {','.join(wrong)}"
                causes.append(invalid(child(path, "kind"), kind, why))
        metadata = inner.get("metadata")
        if isinstance(metadata, dict):
            where = child(path, "metadata")
            found = validate_metadata(metadata, _check_path_segment, bool(metadata.get("namespace")), where)
            causes += [cause for cause in found if cause.reason != "FieldValueRequired"]
    return causes


def _check_path_segment(name: str) -> list[str]:
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{char}'" for char in ("/", "%") if char in name]
