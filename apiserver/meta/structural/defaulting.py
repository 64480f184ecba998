"""Defaults of a schema, and nulls: a null that the schema does not allow is as good as absent.

    {"size": null} with size: {"type": "integer", "default": 1}                    → {"size": 1}
    {"size": null} with size: {"type": "integer"}                                  → {}
    {"size": null} with size: {"type": "integer", "nullable": true, "default": 1}  → {"size": null}

Defaults apply inside out of what is there: a default of a field inside an absent object is not looked at.
"""

from __future__ import annotations

from typing import Any

from apiserver.meta.codec import deep_copy
from apiserver.meta.structural.schema import Schema


def set_defaults(value: Any, schema: Schema) -> None:
    """In place. What a default brings is defaulted too."""
    if isinstance(value, dict):
        additional = schema.additional
        for key, found in schema.properties.items():
            if key not in value:
                if found.has_default:
                    value[key] = _copy(found.default)
                    set_defaults(value[key], found)
                continue
            inner = value[key]
            if inner is None and not found.nullable:
                if found.has_default:
                    value[key] = _copy(found.default)
                    set_defaults(value[key], found)
                else:
                    del value[key]
            elif isinstance(inner, dict | list):
                set_defaults(inner, found)
        if additional is not None:
            for key in [key for key in value if key not in schema.properties]:
                inner = value[key]
                if inner is None and not additional.nullable:
                    if additional.has_default:
                        value[key] = _copy(additional.default)
                    else:
                        del value[key]
                elif isinstance(inner, dict | list):
                    set_defaults(inner, additional)
    elif isinstance(value, list) and schema.items is not None:
        items = schema.items
        for index, item in enumerate(value):
            if item is None and not items.nullable and items.has_default:
                value[index] = _copy(items.default)
            elif isinstance(item, dict | list):
                set_defaults(item, items)


def _copy(value: Any) -> Any:
    return deep_copy(value) if isinstance(value, dict | list) else value
