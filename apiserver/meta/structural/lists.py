"""x-kubernetes-list-type: items of a set are unique, items of a map are unique by their keys."""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.errors import Cause
from apiserver.meta.causes import at, child, duplicate, invalid
from apiserver.meta.structural.schema import MAP, SET, Schema


def find_duplicates(value: Any, schema: Schema, path: str = "") -> list[Cause]:
    """Each repeated item once, where it stands the second time."""
    if not _has_unique_lists(schema):
        return []
    causes: list[Cause] = []
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, dict | list):
                if key in schema.properties:
                    causes += find_duplicates(inner, schema.properties[key], child(path, key))
                elif schema.additional is not None:
                    causes += find_duplicates(inner, schema.additional, at(path, key))
    elif isinstance(value, list):
        if schema.list_type == SET:
            causes += _repeated(value, value, path)
        elif schema.list_type == MAP:
            causes += _repeated_keys(value, schema.list_keys, path)
        if schema.items is not None:
            for index, item in enumerate(value):
                if isinstance(item, dict | list):
                    causes += find_duplicates(item, schema.items, at(path, index))
    return causes


def _has_unique_lists(schema: Schema) -> bool:
    """Whether there is anything to look for at the node or below it."""
    if schema.holds_unique is None:
        schema.holds_unique = schema.list_type in (SET, MAP) or any(map(_has_unique_lists, schema.children))
    return schema.holds_unique


def _repeated_keys(items: list[Any], keys: tuple[str, ...], path: str) -> list[Cause]:
    for index, item in enumerate(items):
        if item is not None and not isinstance(item, dict):
            return [invalid(at(path, index), item, "must be an object for an array of list-type map")]
    found = [{key: item[key] for key in keys if key in item} if item else {} for item in items]
    return _repeated(found, found, path)


def _repeated(compared: list[Any], shown: list[Any], path: str) -> list[Cause]:
    seen: dict[bytes, int] = {}
    causes = []
    for index, item in enumerate(compared):
        text = orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
        seen[text] = seen.get(text, 0) + 1
        if seen[text] == 2:
            causes.append(duplicate(at(path, index), shown[index]))
    return causes
