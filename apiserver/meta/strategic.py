"""Strategic merge patch: a merge patch that knows which lists are sets of things with a name.

Maps merge and null removes, as in RFC 7386. A list is replaced unless its field's patch strategy is `merge`; then lists
of objects merge by the field's merge key, lists of scalars become a union. The patch may carry directives:

    $patch: delete | replace                    on a map, or on an item of a merged list
    $retainKeys: [a, b]                         the map keeps these keys only
    $setElementOrder/<list>: [...]              the order of the patch's items in the result
    $deleteFromPrimitiveList/<list>: [...]      scalars to remove

Order of a merged list: items named by the patch in the patch's order; items that only the server has keep their order
and their place relative to the named ones that were there before; so a NEW item comes first (a surprise, but what
the API server does). Nothing given is changed; unchanged parts are shared with the result.

Source: apimachinery util/strategicpatch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.errors import StatusError, bad_request
from apiserver.meta.schema import LIST, MAP, STRUCT, Field, Type

_PATCH = "$patch"
_RETAIN_KEYS = "$retainKeys"
_SET_ORDER = "$setElementOrder/"
_DELETE_SCALARS = "$deleteFromPrimitiveList/"


def strategic_merge(obj: Mapping[str, Any], patch: Any, schema: Type | None) -> dict[str, Any]:
    """The patched object. schema: the object's type; without one maps merge and lists are replaced.

    Raises BadRequest for a patch that is not an object or misuses a directive.
    """
    if not isinstance(patch, dict):
        raise bad_request("Invalid JSON document: a strategic merge patch must be an object")
    return _merge_map(dict(obj), patch, schema)


def _merge_map(original: dict[str, Any], patch: dict[str, Any], type_: Type | None) -> dict[str, Any]:
    directive = patch.get(_PATCH)
    if directive is not None:
        return _directed_map(original, patch, type_, directive)
    merged = dict(original)
    _retain_keys(merged, patch)
    ordered = {key[len(_SET_ORDER) :]: order for key, order in patch.items() if key.startswith(_SET_ORDER)}
    for key, value in patch.items():
        if key[:1] == "$":
            if key.startswith(_DELETE_SCALARS):
                _delete_scalars(merged, key[len(_DELETE_SCALARS) :], value)
            elif not key.startswith(_SET_ORDER) and key != _RETAIN_KEYS:
                merged[key] = value  # not a directive: an unknown field, which the decoder will report
            continue
        if value is None:
            merged.pop(key, None)
            continue
        field, inner = _lookup(type_, key)
        merged[key] = _merge_value(merged.get(key), value, field, inner)
    for key, order in ordered.items():
        _set_order(merged, original, patch, key, order, _lookup(type_, key)[0])
    return merged


def _directed_map(
    original: dict[str, Any], patch: dict[str, Any], type_: Type | None, directive: Any
) -> dict[str, Any]:
    rest = {key: value for key, value in patch.items() if key != _PATCH}
    if directive == "replace":
        return _merge_map({}, rest, type_)
    if directive == "delete":
        return {}
    if directive == "merge":
        return _merge_map(original, rest, type_)
    raise bad_request(f"unknown patch type: {directive} in map: {patch}")


def _lookup(type_: Type | None, key: str) -> tuple[Field | None, Type | None]:
    """The field `key` of a struct and its type; for maps and what has no type the field is None."""
    if type_ is None:
        return None, None
    if type_.kind == STRUCT:
        field = type_.fields.get(key)
        return (field, field.type) if field is not None else (None, None)
    return None, type_.item if type_.kind == MAP else None


def _merge_value(original: Any, patch: Any, field: Field | None, type_: Type | None) -> Any:
    if isinstance(patch, dict):
        if field is not None and field.patch_strategy == "replace":
            return _merge_map({}, patch, type_)
        return _merge_map(original if isinstance(original, dict) else {}, patch, type_)
    if isinstance(patch, list) and field is not None and field.merges and field.type.kind == LIST:
        return _merge_list(original if isinstance(original, list) else [], patch, field)
    return patch


def _retain_keys(merged: dict[str, Any], patch: dict[str, Any]) -> None:
    retain = patch.get(_RETAIN_KEYS)
    if retain is None:
        return
    if not isinstance(retain, list):
        raise bad_request("invalid patch format of retainKeys")
    for key, value in patch.items():
        if key[:1] != "$" and value is not None and key not in retain:
            raise bad_request("invalid patch format of retainKeys")
    for key in [key for key in merged if key not in retain]:
        del merged[key]


def _delete_scalars(merged: dict[str, Any], key: str, values: Any) -> None:
    if not isinstance(values, list):
        raise bad_request("invalid patch format of primitive list")
    if isinstance(merged.get(key), list):
        merged[key] = [value for value in merged[key] if value not in values]


# Lists --------------------------------------------------------------------------------------------------------------


def _merge_list(original: list[Any], patch: list[Any], field: Field) -> list[Any]:
    item = field.type.item
    if item is not None and item.kind == STRUCT:
        return _merge_objects(original, patch, field, item)
    union = list(original)
    union += [value for index, value in enumerate(patch) if value not in original and value not in patch[:index]]
    named = [value for value in union if value in patch]
    others = [value for value in union if value not in patch]
    return _order(named, others, patch, original)


def _merge_objects(original: list[Any], patch: list[Any], field: Field, item: Type) -> list[Any]:
    """Merges by key. An item {"$patch": "replace"} makes the rest of the patch the whole list."""
    key = field.merge_key
    if not key:
        raise bad_request(f"{field.name}: a list without a merge key cannot be merged")
    kept, additions = list(original), []
    replaces = False
    for element in patch:
        if not isinstance(element, dict):
            raise bad_request(f"{field.name}: expected objects in the patch of a list")
        directive = element.get(_PATCH)
        if directive is None:
            additions.append(element)
        elif directive == "delete":
            wanted = _key_of(element, key)
            kept = [value for value in kept if _key_of(value, key) != wanted]
        elif directive == "replace":
            replaces = True
        else:
            raise bad_request(f"unknown patch type: {directive} in list: {element}")
    if replaces:
        return [_merge_map({}, element, item) for element in additions]
    keys = [_key_of(value, key) for value in kept]
    first_of = {wanted: keys.index(wanted) for wanted in keys}
    for element in additions:
        wanted = _key_of(element, key)
        place = first_of.get(wanted)
        if place is None:
            first_of[wanted] = len(kept)
            keys.append(wanted)
            kept.append(_merge_map({}, element, item))
        else:
            kept[place] = _merge_map(kept[place], element, item)
    named_keys = [_key_of(element, key) for element in additions]
    named = [value for value in kept if _key_of(value, key) in named_keys]
    others = [value for value in kept if _key_of(value, key) not in named_keys]
    return _order(named, others, named_keys, [_key_of(value, key) for value in original], key)


def _key_of(value: Any, key: str) -> Any:
    """Raises 422: an item without its merge key cannot be found."""
    if not isinstance(value, dict) or key not in value:
        raise StatusError(422, "Invalid", f"map: {value} does not contain declared merge key: {key}")
    found = value[key]
    if isinstance(found, dict | list):
        raise bad_request(f"the merge key {key} of an item must be a scalar")
    return found


def _set_order(
    merged: dict[str, Any], original: dict[str, Any], patch: dict[str, Any], name: str, order: Any, field: Field | None
) -> None:
    if not isinstance(order, list):
        raise bad_request("invalid patch format of setElementOrder list")
    values = merged.get(name)
    if not isinstance(values, list) or field is None or not field.merges:
        return
    before = original.get(name)
    before = before if isinstance(before, list) else []
    key = field.merge_key
    if key:
        order = [_key_of(value, key) for value in order]
        before = [_key_of(value, key) for value in before]
        in_patch = [_key_of(value, key) for value in patch.get(name) or () if _PATCH not in value]
    else:
        in_patch = list(patch.get(name) or ())
    if [value for value in order if value in in_patch] != in_patch:
        raise bad_request(f"The order in patch list:\n{in_patch}\n doesn't match {_SET_ORDER}{name} list:\n{order}\n")
    named = [value for value in values if (_key_of(value, key) if key else value) in order]
    others = [value for value in values if (_key_of(value, key) if key else value) not in order]
    merged[name] = _order(named, others, order, before, key)


def _order(named: list[Any], others: list[Any], order: list[Any], before: list[Any], key: str = "") -> list[Any]:
    """Merges two lists: `named` in the order of `order`, `others` in that of `before`.

    An item of `others` goes first only where both heads stood in `before`, and it stood earlier there.
    """

    def identity(value: Any) -> Any:
        return value[key] if key else value

    def place(value: Any, where: list[Any]) -> int:
        return where.index(identity(value)) if identity(value) in where else len(where)

    named = sorted(named, key=lambda value: place(value, order))
    others = sorted(others, key=lambda value: place(value, before))
    result: list[Any] = []
    i = j = 0
    while i < len(others) and j < len(named):
        left, right = place(others[i], before), place(named[j], before)
        if left < right < len(before):
            result.append(others[i])
            i += 1
        else:
            result.append(named[j])
            j += 1
    return result + others[i:] + named[j:]
