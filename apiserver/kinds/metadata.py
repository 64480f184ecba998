"""The rules of `metadata`, the same for every kind but for what a name may be.

Texts: apimachinery api/validation/objectmeta.go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.errors import MAX_CAUSES, Cause
from apiserver.meta import (
    MAX_ANNOTATIONS_BYTES,
    at,
    check_dns1123_label,
    check_dns1123_subdomain,
    check_label_value,
    check_qualified_name,
    child,
    forbidden,
    immutable,
    invalid,
    required,
    too_long,
)

Object = dict[str, Any]
CheckName = Callable[[str], list[str]]

# Finalizers of one word that garbage collection gave a meaning before names had to be qualified.
_STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")


def check_path_segment(name: str) -> list[str]:
    """The rule of names that need only fit into a URL: "system:node"."""
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{char}'" for char in "/%" if char in name]


def no_rules(obj: Object) -> list[Cause]:
    return []


class Validator:
    """A `validate` hook: the metadata's rules, then the kind's own. `metadata`: of an object of which nothing else changed."""

    __slots__ = ("_rules", "_check_name", "_namespaced")

    def __init__(self, rules: Callable[[Object], list[Cause]], check_name: CheckName, namespaced: bool) -> None:
        self._rules = rules
        self._check_name = check_name
        self._namespaced = namespaced

    def __call__(self, obj: Object) -> list[Cause]:
        return self.metadata(obj) + self._rules(obj)

    def metadata(self, obj: Object) -> list[Cause]:
        return validate_metadata(obj.get("metadata") or {}, self._check_name, self._namespaced)


def validator(
    rules: Callable[[Object], list[Cause]] = no_rules,
    *,
    check_name: CheckName = check_dns1123_subdomain,
    namespaced: bool = True,
) -> Callable[[Object], list[Cause]]:
    """A `validate` hook: the metadata's rules, then the kind's own."""
    return Validator(rules, check_name, namespaced)


def update_validator(
    rules: Callable[[Object, Object], list[Cause]] = lambda obj, old: [],
) -> Callable[[Object, Object], list[Cause]]:
    """A `validate_update` hook: the metadata's rules, then the kind's own."""
    return lambda obj, old: validate_metadata_update(obj["metadata"], old["metadata"]) + rules(obj, old)


def validate_metadata(metadata: Object, check_name: CheckName, namespaced: bool, path: str = "metadata") -> list[Cause]:
    causes = _validate_name(metadata, check_name, path)
    namespace = metadata.get("namespace", "")
    if namespaced:
        if not namespace:
            causes.append(required(child(path, "namespace")))
        else:
            problems = check_dns1123_label(namespace)
            if problems:
                causes += [invalid(child(path, "namespace"), namespace, why) for why in problems]
    elif namespace:
        causes.append(forbidden(child(path, "namespace"), "not allowed on this type"))
    if metadata.get("generation", 0) < 0:
        causes.append(invalid(child(path, "generation"), metadata["generation"], "must be greater than or equal to 0"))
    if metadata.get("labels"):
        causes += validate_labels(metadata["labels"], child(path, "labels"))
    if metadata.get("annotations"):
        causes += validate_annotations(metadata["annotations"], child(path, "annotations"))
    if metadata.get("ownerReferences"):
        causes += _validate_owners(metadata["ownerReferences"], child(path, "ownerReferences"))
    for finalizer in metadata.get("finalizers") or ():
        causes += validate_finalizer(finalizer, child(path, "finalizers"))
    return causes


def _validate_name(metadata: Object, check_name: CheckName, path: str) -> list[Cause]:
    causes = []
    base, name = metadata.get("generateName", ""), metadata.get("name", "")
    if base:
        # A trailing dash is fine in a base: characters follow it.
        causes += [invalid(child(path, "generateName"), base, why) for why in check_name(f"{base.rstrip('-.')}a")]
    if not name:
        causes.append(required(child(path, "name"), "name or generateName is required"))
    else:
        causes += [invalid(child(path, "name"), name, why) for why in check_name(name)]
    return causes


def validate_labels(labels: Object, path: str) -> list[Cause]:
    """Keys are qualified names, values label values."""
    causes = []
    for key, value in labels.items():
        problems = check_qualified_name(key)
        if problems:
            causes += [invalid(path, key, why) for why in problems]
        problems = check_label_value(value)
        if problems:
            causes += [invalid(path, value, why) for why in problems]
            if len(causes) > MAX_CAUSES:
                break  # nobody reads more, and a small body can hold very many
    return causes


def validate_annotations(annotations: Object, path: str) -> list[Cause]:
    causes = []
    size_bytes = 0
    for key, value in annotations.items():
        causes += [invalid(path, key, why) for why in check_qualified_name(key.lower())]
        size_bytes += len(key.encode()) + len(value.encode())
    if size_bytes > MAX_ANNOTATIONS_BYTES:
        causes.append(too_long(path, MAX_ANNOTATIONS_BYTES))
    return causes


def _validate_owners(owners: list[Object], path: str) -> list[Cause]:
    causes = []
    controllers = []
    for index, owner in enumerate(owners):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                why = "version must not be empty" if field == "apiVersion" else "must not be empty"
                causes.append(invalid(child(at(path, index), field), "", why))
        if owner.get("controller"):
            controllers.append(f"{owner.get('kind')}/{owner.get('name')}")
    if len(controllers) > 1:
        why = (
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{controllers[0]} and {controllers[1]}"
        )
        causes.append(invalid(path, owners, why))
    return causes


def validate_finalizer(finalizer: str, path: str) -> list[Cause]:
    causes = [invalid(path, finalizer, why) for why in check_qualified_name(finalizer)]
    if not causes and "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
        why = "name is neither a standard finalizer name nor is it fully qualified"
        causes.append(invalid(path, finalizer, why))
    return causes


def validate_metadata_update(metadata: Object, old: Object, path: str = "metadata") -> list[Cause]:
    """What no update may change. Fields the server owns are its own to restore before this is asked."""
    causes = []
    for field in ("name", "namespace", "uid", "creationTimestamp"):
        if metadata.get(field) != old.get(field):
            causes.append(immutable(child(path, field), metadata.get(field, "")))
    if old.get("deletionTimestamp"):
        added = [name for name in metadata.get("finalizers") or () if name not in (old.get("finalizers") or ())]
        if added:
            shown = ", ".join(f'"{name}"' for name in added)
            why = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{shown}}}"  # noqa: E501
            causes.append(forbidden(child(path, "finalizers"), why))
    return causes
