"""Reading a field of a plain object by its dotted path, where every step may be absent.

This is for known paths of known types ("spec.nodeName"); keys that contain dots (labels) are read from their map.
"""

from __future__ import annotations

from typing import Any

Path = tuple[str, ...]


def parse_path(text: str) -> Path:
    """("spec", "replicas") of ".spec.replicas" or "spec.replicas"."""
    return tuple(part for part in text.split(".") if part)


def find_field(obj: Any, path: str | Path, default: Any = None) -> Any:
    """The value at `path`, or `default` where a step is absent, null or not a map."""
    for step in parse_path(path) if isinstance(path, str) else path:
        if not isinstance(obj, dict):
            return default
        obj = obj.get(step)
        if obj is None:
            return default
    return obj


def set_field(obj: dict[str, Any], path: str | Path, value: Any) -> None:
    """Sets the value at `path`, making the maps on the way."""
    *steps, last = parse_path(path) if isinstance(path, str) else path
    for step in steps:
        inner = obj.get(step)
        if not isinstance(inner, dict):
            inner = obj[step] = {}
        obj = inner
    obj[last] = value


def remove_field(obj: dict[str, Any], path: str | Path) -> None:
    """Removes the value at `path` if it is there."""
    *steps, last = parse_path(path) if isinstance(path, str) else path
    inner = find_field(obj, tuple(steps)) if steps else obj
    if isinstance(inner, dict):
        inner.pop(last, None)
