"""Pruning: a field that the schema does not name is not kept.

Where x-kubernetes-preserve-unknown-fields stands everything is kept, but what is named below it is pruned by its own
schema again. apiVersion, kind and metadata of a whole object (the root, and embedded resources) are never pruned here.
"""

from __future__ import annotations

from typing import Any

from apiserver.meta.structural.schema import Schema

WHOLE_OBJECT = ("apiVersion", "kind", "metadata")


def prune(value: Any, schema: Schema, unknown: list[str], *, is_whole: bool = False, path: str = "") -> None:
    """Removes unknown fields in place and appends their paths to `unknown`. is_whole: the value is a resource."""
    if isinstance(value, dict):
        _prune_map(value, schema, unknown, is_whole or schema.embedded, path)
    elif isinstance(value, list):
        items = schema.items
        if items is not None:
            for index, item in enumerate(value):
                prune(item, items, unknown, path=f"{path}[{index}]")
        elif not schema.preserve:
            for index, item in enumerate(value):
                _drop_all(item, unknown, f"{path}[{index}]")


def _prune_map(value: dict[str, Any], schema: Schema, unknown: list[str], is_whole: bool, path: str) -> None:
    properties, additional, preserve = schema.properties, schema.additional, schema.preserve
    dropped = []
    for key, inner in value.items():
        if is_whole and key in WHOLE_OBJECT:
            continue
        found = properties.get(key) or additional
        if found is not None:
            if isinstance(inner, dict | list):
                prune(inner, found, unknown, path=f"{path}.{key}" if path else key)
        elif preserve:
            continue
        elif schema.allows_additional:
            _drop_all(inner, unknown, f"{path}.{key}" if path else key)
        else:
            unknown.append(f"{path}.{key}" if path else key)
            dropped.append(key)
    for key in dropped:
        del value[key]


def _drop_all(value: Any, unknown: list[str], path: str) -> None:
    """Nothing is known of what is inside."""
    if isinstance(value, dict):
        unknown.extend(f"{path}.{key}" for key in value)
        value.clear()
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _drop_all(item, unknown, f"{path}[{index}]")
