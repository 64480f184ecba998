"""What can be wrong with a field, in the words of Kubernetes (apimachinery util/validation/field).

A path is text such as "spec.containers[0].image"; `child` and `at` extend one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from apiserver.errors import Cause


def child(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def at(path: str, index: int | str) -> str:
    """An item of a list or of a map."""
    return f"{path}[{index}]"


def shown(value: Any) -> str:
    """A value inside a message: text quoted, numbers bare, everything else as JSON."""
    return orjson.dumps(value).decode()


def required(path: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", f"Required value: {detail}" if detail else "Required value", path)


def invalid(path: str, value: Any, detail: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {shown(value)}: {detail}", path)


def not_supported(path: str, value: Any, supported: Iterable[str]) -> Cause:
    choices = ", ".join(shown(choice) for choice in supported)
    return Cause("FieldValueNotSupported", f"Unsupported value: {shown(value)}: supported values: {choices}", path)


def duplicate(path: str, value: Any) -> Cause:
    return Cause("FieldValueDuplicate", f"Duplicate value: {shown(value)}", path)


def forbidden(path: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {detail}", path)


def not_found_value(path: str, value: Any) -> Cause:
    return Cause("FieldValueNotFound", f"Not found: {shown(value)}", path)


def too_long(path: str, limit: int) -> Cause:
    """`limit` in bytes."""
    return Cause("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", path)


def immutable(path: str, value: Any) -> Cause:
    return invalid(path, value, "field is immutable")
