"""Decoding by type: what Go's JSON decoder does to an object on its way through the API server.

A plain object is brought, in place, to the form in which the API server would write it back: unknown fields and nulls
are dropped, empty lists and maps too (unless required), zero values where Go leaves them out, quantities and times get
their canonical text. What does not fit its type is refused with Go's words; unknown fields are only reported, the caller
decides whether they matter.

One walk, because every write pays for it.

    unknown = decode_typed(pod, types.get("core.v1.Pod"))        # ["spec.bogus", "spec.containers[0].x"]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from apiserver.meta.quantity import canonical_quantity
from apiserver.meta.remembered import Remembered
from apiserver.meta.schema import (
    BOOLEAN,
    BYTES,
    DOUBLE,
    INT32,
    INT64,
    INT_OR_STRING,
    LIST,
    MAP,
    MICRO_TIME,
    QUANTITY,
    RAW,
    STRING,
    STRUCT,
    TIME,
    Type,
)
from apiserver.meta.times import canonical_micro_time, canonical_time

MAX_UNKNOWN = 100
MAX_ITEMS = 10_000
"""Structs in one list. No kind has a use for so many; each of them is looked at by every step of a write."""

# A path is a chain of (parent, step): cheap to extend, rendered only when something is wrong. A step is a field name,
# a map key or a list index.
_Path = tuple[Any, Any] | None

_INT32_RANGE = (-(2**31), 2**31 - 1)
_INT64_RANGE = (-(2**63), 2**63 - 1)
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


class DecodeError(ValueError):
    """A value that its field's type cannot hold; the text is Go's."""


def decode_typed(obj: dict[str, Any], type_: Type) -> list[str]:
    """Brings `obj` to canonical form in place; returns the paths of unknown fields, at most 100.

    Raises DecodeError for the first value of a wrong type; the object is then half done and of no use.
    """
    if type_.decode is not None:
        return type_.decode(obj)
    unknown: list[str] = []
    field = type_.fields.get("spec")
    if field is None or field.type.kind is not STRUCT or type(obj) is not dict or type(obj.get("spec")) is not dict:
        _decode_struct(obj, type_, None, type_, unknown)
    else:
        _decode_with_spec(obj, type_, field.type, unknown)
    return unknown[:MAX_UNKNOWN]


_specs: Remembered[bytes] = Remembered()
"""Specs that were decoded without a complaint, as they came → as they became."""


def _decode_with_spec(obj: dict[str, Any], type_: Type, spec_type: Type, unknown: list[str]) -> None:
    """The spec last, and not walked through where the very same one was before: pods of a workload differ in their names."""
    spec = obj.pop("spec")
    _decode_struct(obj, type_, None, type_, unknown)
    key = _specs.key_of(spec_type, spec)
    known = _specs.find(key)
    if known is not None:
        spec.clear()
        spec.update(orjson.loads(known))
    else:
        found = len(unknown)
        _decode_struct(spec, spec_type, (None, "spec"), type_, unknown)
        if len(unknown) == found and key is not None:
            _specs.keep(key, orjson.dumps(spec))
    status = obj.pop("status", None)
    obj["spec"] = spec
    if status is not None:
        obj["status"] = status


_LEVELS = 2
"""So deep is looked for what has not changed: metadata, spec and status, and what stands in them."""


def decode_changed(obj: dict[str, Any], type_: Type, known: dict[str, Any]) -> list[str]:
    """decode_typed of an object that is `known` but for some changes. `known` is in canonical form, and so is what equals it.

    A label of a pod costs two encodings of the pod, not a walk over all its fields.
    """
    if type_.decode is not None:
        return decode_typed(obj, type_)
    levels: list[_Level] = []
    unknown = decode_typed(_changes(obj, known, _LEVELS, levels), type_)
    for whole, changed, names, nested in levels:
        for name in names:
            if name in changed:
                whole[name] = changed[name]
            else:
                del whole[name]
        for name in nested:
            if name not in changed and not whole[name]:
                del whole[name]  # emptied, and not required
    return unknown


_Level = tuple[dict[str, Any], dict[str, Any], list[str], list[str]]
"""(a part of the object, what is decoded of it, names of values that changed, names of parts that have a level of their own)"""


def _changes(obj: dict[str, Any], known: dict[str, Any], depth: int, levels: list[_Level]) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    names: list[str] = []
    nested: list[str] = []
    for key, value in obj.items():
        before = known.get(key)
        if before is not None and _is_same(value, before):
            continue
        if depth > 1 and type(value) is dict and type(before) is dict:
            changed[key] = _changes(value, before, depth - 1, levels)
            nested.append(key)
        else:
            changed[key] = value
            names.append(key)
    levels.append((obj, changed, names, nested))
    return changed


def _is_same(value: Any, before: Any) -> bool:
    """By text: to Python, true is 1."""
    if type(value) is not type(before):
        return False
    if type(value) is str:
        return bool(value == before)
    try:
        return orjson.dumps(value) == orjson.dumps(before)
    except TypeError:
        return False


def _decode_struct(obj: Any, type_: Type, path: _Path, owner: Type, unknown: list[str]) -> Any:
    if type(obj) is not dict:
        raise _mismatch(obj, type_, path, owner)
    fields, drops_zero = type_.fields, type_.drops_zero
    dropped = []
    for key, value in obj.items():
        field = fields.get(key)
        if field is None:
            unknown.append(render_path((path, key)))
            dropped.append(key)
        elif value is None:
            dropped.append(key)
        else:
            field_type = field.type
            kind = field_type.kind
            if kind is STRING:
                if type(value) is not str:
                    raise _mismatch(value, field_type, (path, key), type_)
                if not value and key in drops_zero:
                    dropped.append(key)
                continue
            made = _DECODERS[kind](value, field_type, (path, key), type_, unknown)
            if made is not value:
                obj[key] = made
            if not made and ((kind is LIST or kind is MAP) and key not in type_.required or key in drops_zero):
                dropped.append(key)
    for key in dropped:
        del obj[key]
    return obj


def _decode_list(value: Any, type_: Type, path: _Path, owner: Type, unknown: list[str]) -> Any:
    if type(value) is not list:
        raise _mismatch(value, type_, path, owner)
    item = type_.item
    assert item is not None
    if len(value) > MAX_ITEMS and item.kind is STRUCT:
        raise DecodeError(f"{render_path(path)} has more than {MAX_ITEMS} items")
    decode = _DECODERS[item.kind]
    for index, inner in enumerate(value):
        made = _zero(item) if inner is None else decode(inner, item, (path, index), owner, unknown)
        if made is not inner:
            value[index] = made
    return value


def _decode_map(value: Any, type_: Type, path: _Path, owner: Type, unknown: list[str]) -> Any:
    if type(value) is not dict:
        raise _mismatch(value, type_, path, owner)
    item = type_.item
    assert item is not None
    decode = _DECODERS[item.kind]
    for key, inner in value.items():
        made = _zero(item) if inner is None else decode(inner, item, (path, key), owner, unknown)
        if made is not inner:
            value[key] = made
    return value


def _zero(type_: Type) -> Any:
    """What Go makes of a null inside a list or a map: the zero value."""
    kind = type_.kind
    if kind in (STRUCT, MAP):
        return {}
    if kind is LIST:
        return []
    if kind in (INT32, INT64, DOUBLE, INT_OR_STRING):
        return 0
    if kind is BOOLEAN:
        return False
    return "0" if kind is QUANTITY else "" if kind in (STRING, BYTES) else None


def _decode_string(value: Any, type_: Type, path: _Path, owner: Type, unknown: list[str]) -> Any:
    if type(value) is not str:
        raise _mismatch(value, type_, path, owner)
    return value


def _decode_boolean(value: Any, type_: Type, path: _Path, owner: Type, unknown: list[str]) -> Any:
    if type(value) is not bool:
        raise _mismatch(value, type_, path, owner)
    return value


def _decode_int(value: Any, type_: Type, path: _Path, owner: Type, unknown: list[str]) -> Any:
    low, high = _INT32_RANGE if type_.kind is INT32 else _INT64_RANGE
    if type(value) is not int or not low <= value <= high:
        raise _mismatch(value, type_, path, owner)
    return value


def _decode_double(value: Any, type_: Type, path: _Path, owner: Type, unknown: list[str]) -> Any:
    if type(value) is not int and type(value) is not float:
        raise _mismatch(value, type_, path, owner)
    return value


def _decode_quantity(value: Any, type_: Type, path: _Path, owner: Type, unknown: list[str]) -> Any:
    if type(value) is bool or not isinstance(value, str | int | float):
        value = "?"  # whatever else it was, it is not a quantity
    try:
        return canonical_quantity(value)
    except ValueError as problem:
        raise DecodeError(str(problem)) from None


def _decode_time(value: Any, type_: Type, path: _Path, owner: Type, unknown: list[str]) -> Any:
    if type(value) is not str:
        raise DecodeError(f"json: cannot unmarshal {_json_name(value)} into Go value of type string")
    try:
        return canonical_time(value) if type_.kind is TIME else canonical_micro_time(value)
    except ValueError as problem:
        raise DecodeError(str(problem)) from None


def _decode_int_or_string(value: Any, type_: Type, path: _Path, owner: Type, unknown: list[str]) -> Any:
    if type(value) is str:
        return value
    low, high = _INT32_RANGE
    if type(value) is not int or not low <= value <= high:
        raise DecodeError(f"json: cannot unmarshal {_json_name(value)} into Go value of type int32")
    return value


def _decode_bytes(value: Any, type_: Type, path: _Path, owner: Type, unknown: list[str]) -> Any:
    if type(value) is not str:
        raise _mismatch(value, type_, path, owner)
    text = value.replace("\n", "").replace("\r", "")
    body = text.rstrip("=")
    wrong = next((index for index, char in enumerate(body) if char not in _BASE64), None)
    padding = len(text) - len(body)
    if wrong is None and (len(text) % 4 or padding > 2):
        wrong = len(text) - len(text) % 4
    if wrong is not None:
        raise DecodeError(f"illegal base64 data at input byte {wrong}")
    return text


def _decode_raw(value: Any, type_: Type, path: _Path, owner: Type, unknown: list[str]) -> Any:
    return value


_DECODERS: dict[str, Callable[[Any, Type, _Path, Type, list[str]], Any]] = {
    STRUCT: _decode_struct,
    LIST: _decode_list,
    MAP: _decode_map,
    STRING: _decode_string,
    BYTES: _decode_bytes,
    INT32: _decode_int,
    INT64: _decode_int,
    DOUBLE: _decode_double,
    BOOLEAN: _decode_boolean,
    QUANTITY: _decode_quantity,
    TIME: _decode_time,
    MICRO_TIME: _decode_time,
    INT_OR_STRING: _decode_int_or_string,
    RAW: _decode_raw,
}


def _json_name(value: Any) -> str:
    """How Go calls a JSON value that it cannot use; a number that does not fit is quoted."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return f"number {value}"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object" if isinstance(value, dict) else "null"


def _mismatch(value: Any, type_: Type, path: _Path, owner: Type) -> DecodeError:
    name = _json_name(value)
    if name.startswith("number") and type_.kind not in (INT32, INT64):
        name = "number"
    if path is None:
        return DecodeError(f"json: cannot unmarshal {name} into Go value of type {type_.go_name}")
    where = f"{owner.name.rpartition('.')[2]}.{_go_path(path)}"
    return DecodeError(f"json: cannot unmarshal {name} into Go struct field {where} of type {type_.go_name}")


def _steps(path: _Path) -> list[Any]:
    steps: list[Any] = []
    while path is not None:
        path, step = path
        steps.append(step)
    steps.reverse()
    return steps


def _go_path(path: _Path) -> str:
    """Go names fields only, no indexes."""
    return ".".join(step for step in _steps(path) if isinstance(step, str))


def render_path(path: _Path) -> str:
    """spec.containers[0].image"""
    text = ""
    for step in _steps(path):
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
