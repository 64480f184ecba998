"""Values against a schema: everything wrong with them, in the words of kube-apiserver's validator.

    find_causes({"size": "x"}, schema, "spec")
        [Cause("FieldValueTypeInvalid", 'Invalid value: "string": spec.size in body must be of type integer: "string"', …)]

Ratcheting: an update may leave what is wrong already as it is. A cause counts only if the value it is about, or an ancestor
that can be found again in the old object, has changed; items of a list can be found again where the list is a map by keys.

What a logical operator (oneOf …) has to say of the whole stands at the path "<nil>", as in Kubernetes. Quirks of the
original that clients can see are kept: a string's first problem hides its others, too many properties hide everything below.
"""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.errors import Cause
from apiserver.meta.causes import invalid, not_supported, required, shown, too_long
from apiserver.meta.structural.formats import FORMATS
from apiserver.meta.structural.schema import MAP, Schema

_ABSENT = object()
_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1), "": (-(2**63), 2**63 - 1)}
NOWHERE = "<nil>"


def find_causes(value: Any, schema: Schema, path: str = "") -> list[Cause]:
    """Everything wrong with a value."""
    causes: list[Cause] = []
    _check(value, schema, path, causes, _ABSENT)
    return causes


def find_causes_of_change(value: Any, old: Any, schema: Schema, path: str = "") -> list[Cause]:
    """What is wrong with a value and was not wrong already in the same way."""
    if not find_causes(value, schema, path):
        return []
    causes: list[Cause] = []
    _check(value, schema, path, causes, old)
    return causes


def same(left: Any, right: Any) -> bool:
    """Equal as JSON: true is not 1, the order of keys does not matter."""
    if left != right:
        return False
    if isinstance(left, dict | list | bool) or isinstance(right, bool):
        return orjson.dumps(left, option=orjson.OPT_SORT_KEYS) == orjson.dumps(right, option=orjson.OPT_SORT_KEYS)
    return True


def json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "array" if isinstance(value, list) else "object" if isinstance(value, dict) else "null"


def go_number(value: Any) -> str:
    """A number as Go's %v prints it."""
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e21:
            return str(int(value))
        text = repr(value)
        mantissa, e, exponent = text.partition("e")
        return f"{mantissa.removesuffix('.0')}e{exponent[0]}{exponent[1:].zfill(2)}" if e else text
    return str(value)


def _check(value: Any, schema: Schema, path: str, causes: list[Cause], old: Any) -> None:
    """Appends what is wrong. old: the value's former self, or _ABSENT."""
    begin = len(causes)
    _check_type(value, schema, path, causes)
    if value is not None:
        if schema.all_of or schema.any_of or schema.one_of or schema.not_ is not None:
            _check_operators(value, schema, path, causes)
        if isinstance(value, str):
            _check_string(value, schema, path, causes)
        elif isinstance(value, dict):
            pass
        elif isinstance(value, list):
            _check_list(value, schema, path, causes, old)
        elif not isinstance(value, bool):
            _check_number(value, schema, path, causes)
    if schema.enum and not any(same(value, each) or _equal_numbers(value, each) for each in schema.enum):
        causes.append(
            not_supported(path, value, [each if isinstance(each, str) else shown(each) for each in schema.enum])
        )
    if isinstance(value, dict):
        _check_map(value, schema, path, causes, old)
    if len(causes) > begin and old is not _ABSENT and same(value, old):
        del causes[begin:]


def _equal_numbers(left: Any, right: Any) -> bool:
    return (
        isinstance(left, int | float) and isinstance(right, int | float) and left == right
        and not isinstance(left, bool) and not isinstance(right, bool)
    )  # fmt: skip


def _wrong_type(path: str, wanted: str, value: Any) -> Cause:
    """value: what is shown, the name of a type or a text."""
    text = f"{path} in body must be of type {wanted}: {shown(value)}"
    return Cause("FieldValueTypeInvalid", f"Invalid value: {shown(value)}: {text}", path)


def _check_type(value: Any, schema: Schema, path: str, causes: list[Cause]) -> None:
    types = schema.types
    if value is None:
        if types and not schema.nullable:
            causes.append(_wrong_type(path, ",".join(types), "null"))
        return
    if not types:
        return
    kind = json_type(value)
    if kind in types or (kind == "integer" and "number" in types):
        return
    if kind == "number" and "integer" in types and value.is_integer():
        return
    if schema.format and kind in ("string", "array") and "integer" not in types and "number" not in types:
        return  # the format decides, if anything does
    causes.append(_wrong_type(path, ",".join(types), kind))


def _check_string(value: str, schema: Schema, path: str, causes: list[Cause]) -> None:
    if schema.max_length is not None and len(value) > schema.max_length:
        causes.append(too_long(path, schema.max_length))
    elif schema.min_length is not None and len(value) < schema.min_length:
        causes.append(invalid(path, value, f"{path} in body should be at least {schema.min_length} chars long"))
    elif schema.pattern and (schema.regex is None or not schema.regex.search(value)):
        causes.append(invalid(path, value, f"{path} in body should match '{schema.pattern}'"))
    if schema.format and (not schema.types or "string" in schema.types):
        check = FORMATS.get(schema.format)
        if check is not None and not check(value):
            causes.append(_wrong_type(path, schema.format, value))


def _check_number(value: int | float, schema: Schema, path: str, causes: list[Cause]) -> None:
    if schema.type == "integer":
        low, high = _RANGES.get(schema.format, _RANGES[""])
        if not low <= value <= high:
            how = f"with format {schema.format}" if schema.format else "(default format)"
            causes.append(invalid(NOWHERE, "", f"Checked value must be of type integer {how} in {path}"))
    factor = schema.multiple_of
    if factor is not None and factor > 0:
        quotient = value / factor
        if abs(quotient - round(quotient)) > 1e-9 * max(1.0, abs(quotient)):
            causes.append(invalid(path, value, f"{path} in body should be a multiple of {go_number(factor)}"))
    limit = schema.maximum
    if limit is not None and (value > limit or (schema.exclusive_maximum and value == limit)):
        how = "less than" if schema.exclusive_maximum else "less than or equal to"
        causes.append(invalid(path, value, f"{path} in body should be {how} {go_number(limit)}"))
    limit = schema.minimum
    if limit is not None and (value < limit or (schema.exclusive_minimum and value == limit)):
        how = "greater than" if schema.exclusive_minimum else "greater than or equal to"
        causes.append(invalid(path, value, f"{path} in body should be {how} {go_number(limit)}"))


def _too_many(path: str, count: int, limit: int) -> Cause:
    noun = "item" if limit == 1 else "items"
    return Cause("FieldValueTooMany", f"Too many: {count}: must have at most {limit} {noun}", path)


def _check_list(value: list[Any], schema: Schema, path: str, causes: list[Cause], old: Any) -> None:
    if schema.items is not None:
        known = _items_by_key(old, schema) if isinstance(old, list) and schema.list_type == MAP else {}
        for index, item in enumerate(value):
            former = known.get(key_of(item, schema.list_keys), _ABSENT) if known else _ABSENT
            _check(item, schema.items, f"{path}[{index}]", causes, former)
    size = len(value)
    if schema.min_items is not None and size < schema.min_items:
        causes.append(invalid(path, size, f"{path} in body should have at least {schema.min_items} items"))
    if schema.max_items is not None and size > schema.max_items:
        causes.append(_too_many(path, size, schema.max_items))
    if schema.unique_items and len({orjson.dumps(item, option=orjson.OPT_SORT_KEYS) for item in value}) < size:
        causes.append(invalid(path, "", f"{path} in body shouldn't contain duplicates"))


def key_of(item: Any, keys: tuple[str, ...]) -> bytes:
    """What identifies an item of a list that is a map by keys."""
    found = {key: item[key] for key in keys if key in item} if isinstance(item, dict) else None
    return orjson.dumps(found, option=orjson.OPT_SORT_KEYS)


def _items_by_key(items: list[Any], schema: Schema) -> dict[bytes, Any]:
    return {key_of(item, schema.list_keys): item for item in items}


def _check_map(value: dict[str, Any], schema: Schema, path: str, causes: list[Cause], old: Any) -> None:
    size = len(value)
    if schema.min_properties is not None and size < schema.min_properties:
        causes.append(invalid(path, size, f"{path} in body should have at least {schema.min_properties} properties"))
        return
    if schema.max_properties is not None and size > schema.max_properties:
        causes.append(_too_many(path, size, schema.max_properties))
        return
    properties, additional = schema.properties, schema.additional
    former = old if isinstance(old, dict) else {}
    for key, inner in value.items():
        found = properties.get(key) or additional
        if found is not None:
            _check(inner, found, f"{path}.{key}" if path else key, causes, former.get(key, _ABSENT))
    for key in schema.required:
        if key not in value:
            causes.append(required(f"{path}.{key}" if path else key))


def _check_operators(value: Any, schema: Schema, path: str, causes: list[Cause]) -> None:
    if schema.any_of:
        failures = _failures(value, schema.any_of, path)
        if all(failures):
            causes.append(_of_all(path, "must validate at least one schema (anyOf)"))
            causes += failures[0]
    if schema.one_of:
        failures = _failures(value, schema.one_of, path)
        valid = sum(1 for each in failures if not each)
        if valid != 1:
            found = f"Found {valid} valid alternatives" if valid else "Found none valid"
            causes.append(_of_all(path, f"must validate one and only one schema (oneOf). {found}"))
            if not valid:
                causes += failures[0]
    if schema.all_of:
        failures = _failures(value, schema.all_of, path)
        for each in failures:
            causes += each
        if any(failures):
            none = "" if not all(failures) else ". None validated"
            causes.append(_of_all(path, f"must validate all the schemas (allOf){none}"))
    if schema.not_ is not None and not find_causes(value, schema.not_, path):
        causes.append(_of_all(path, "must not validate the schema (not)"))


def _of_all(path: str, text: str) -> Cause:
    return invalid(NOWHERE, "", f"{shown(path)} {text}")


def _failures(value: Any, schemas: tuple[Schema, ...], path: str) -> list[list[Cause]]:
    return [find_causes(value, schema, path) for schema in schemas]
