"""What server-side apply does to an object, by shape: check a configuration, lay it over the live object, take fields away.

Nothing given is changed; unchanged parts are shared with the result. Semantics: structured-merge-diff 6.3, `typed` package.
"""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.meta.compare import fields_of, named_parents
from apiserver.meta.field_set import Node, difference, intersection, is_member, render_step, union
from apiserver.meta.schema import BOOLEAN, DOUBLE, INT32, INT64, INT_OR_STRING, QUANTITY
from apiserver.meta.shape import DEDUCED, LIST_MAP, SET, STRUCT, Shape
from apiserver.meta.shape import LEAF as LEAF_SHAPE

MAX_PROBLEMS = 100

_ABSENT: Any = object()

_NO_SCALAR = {
    type(None): "associative list without keys has an element that's an explicit null",
    dict: "associative list without keys has an element that's a map type",
    list: "not supported: associative list with lists as elements",
}


# Checking -------------------------------------------------------------------------------------------------------------


def find_problems(shape: Shape, obj: Any) -> list[str]:
    """Why a configuration cannot be applied: unknown fields, wrong types, items without keys or standing twice."""
    problems: list[str] = []
    _check(shape, obj, "", problems)
    return problems[:MAX_PROBLEMS]


def render_problems(problems: list[str]) -> str:
    return problems[0] if len(problems) == 1 else "\n".join(["errors:", *(f"  {text}" for text in problems)])


def _check(shape: Shape, value: Any, path: str, problems: list[str]) -> None:
    if value is None or shape.kind == DEDUCED:
        return
    kind = shape.kind
    if kind == LEAF_SHAPE:
        _check_leaf(shape, value, path, problems)
    elif kind in (LIST_MAP, SET):
        if not isinstance(value, list):
            problems.append(_at(path, f"expected list, got {_shown(value)}"))
            return
        _check_items(shape, value, path, problems)
    else:
        if not isinstance(value, dict):
            problems.append(_at(path, f"expected map, got {_shown(value)}"))
            return
        for key, inner in value.items():
            if kind == STRUCT and key not in shape.fields and shape.item is None:
                problems.append(_at(f"{path}.{key}", "field not declared in schema"))
            else:
                _check(shape.field(key), inner, f"{path}.{key}", problems)


def _check_items(shape: Shape, items: list[Any], path: str, problems: list[str]) -> None:
    seen: set[str] = set()
    for index, item in enumerate(items):
        if shape.kind == LIST_MAP:
            if not isinstance(item, dict):
                what = "a null element" if item is None else "non-map elements"
                why = f"associative list with keys may not have {what}"
                problems.append(_at(path, f"element {index}: {why}"))
                continue
            missing = [key for key in shape.keys if item.get(key) is None and key not in shape.key_defaults]
            if missing:
                why = f'associative list with keys has an element that omits key field "{missing[0]}" (and doesn\'t have default value)'  # noqa: E501
                problems.append(_at(path, f"element {index}: {why}"))
                continue
        elif item is None or isinstance(item, dict | list):
            problems.append(_at(path, f"element {index}: {_NO_SCALAR[type(item)]}"))
            continue
        label = shape.label_of(item)
        if label in seen:
            problems.append(_at(path, f"duplicate entries for key {render_step(label)}"))
            continue
        seen.add(label)
        if shape.kind == LIST_MAP and shape.item is not None:
            _check(shape.item, item, f"{path}{render_step(label)}", problems)


def _check_leaf(shape: Shape, value: Any, path: str, problems: list[str]) -> None:
    kind = shape.type.kind
    if kind in ("struct", "map"):
        if not isinstance(value, dict):
            problems.append(_at(path, f"expected map, got {_shown(value)}"))
        elif kind == "struct" and shape.type.fields and shape.type.item is None:
            # An atomic struct is owned as one, and still has no fields but its own.
            problems += [
                _at(f"{path}.{key}", "field not declared in schema") for key in value if key not in shape.type.fields
            ]
        return
    if kind == "list":
        if not isinstance(value, list):
            problems.append(_at(path, f"expected list, got {_shown(value)}"))
        return
    if kind in (INT32, INT64, DOUBLE):
        if isinstance(value, bool) or not isinstance(value, int | float):
            problems.append(_at(path, f"expected numeric (int or float), got {_go_type(value)}"))
    elif kind == BOOLEAN:
        if not isinstance(value, bool):
            problems.append(_at(path, f"expected boolean, got {_go_value(value)}"))
    elif kind in (QUANTITY, INT_OR_STRING):
        if isinstance(value, bool | list | dict):
            problems.append(_at(path, f"expected scalar, got {_go_value(value)}"))
    elif kind != "raw" and not isinstance(value, str):
        problems.append(_at(path, f"expected string, got {_go_value(value)}"))


def _at(path: str, text: str) -> str:
    return f"{path}: {text}" if path else text


def _go_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    return "[]interface {}" if isinstance(value, list) else "map[string]interface {}"


def _go_value(value: Any) -> str:
    """How Go prints a value together with its wrapping."""
    inner = orjson.dumps(value).decode() if not isinstance(value, list | dict) else f"{_go_type(value)}{{...}}"
    return f"&value.valueUnstructured{{Value:{inner}}}"


def _shown(value: Any) -> str:
    inner = value if isinstance(value, str) else orjson.dumps(value).decode()
    return f"&{{{inner}}}"


# Merging --------------------------------------------------------------------------------------------------------------


def merge(shape: Shape, live: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """The live object with the configuration laid over it. The configuration has no `find_problems`."""
    merged = _merge(shape, live, config)
    return merged if isinstance(merged, dict) else {}


def _merge(shape: Shape, left: Any, right: Any) -> Any:
    """Either may be absent. -> the merged value, or _ABSENT."""
    kind = shape.kind
    if right is _ABSENT:
        return left
    if right is None and kind != LEAF_SHAPE and left and isinstance(left, list if kind in (LIST_MAP, SET) else dict):
        return left  # null is a list or a map without anything, and what is not named stays
    if kind in (LIST_MAP, SET):
        if not isinstance(right, list) or not (isinstance(left, list) or left is _ABSENT or left is None):
            return right
        if not right and not left:
            return right
        return _merge_lists(shape, left if isinstance(left, list) else [], right)
    if kind == LEAF_SHAPE or not isinstance(right, dict) or (not right and not left):
        return right
    before = left if isinstance(left, dict) else {}
    out = {}
    for key, value in before.items():
        made = _merge(shape.field(key), value, right.get(key, _ABSENT))
        if made is not _ABSENT:
            out[key] = made
    for key, value in right.items():
        if key not in before:
            made = _merge(shape.field(key), _ABSENT, value)
            if made is not _ABSENT:
                out[key] = made
    return out


def _merge_lists(shape: Shape, left: list[Any], right: list[Any]) -> list[Any]:
    """The items of both. What the configuration names is in its order; what only the live list has keeps its place among that."""
    item = shape.item
    assert item is not None
    inside = item if shape.kind == LIST_MAP else None
    left_labels = [shape.label_of(value) for value in left]
    right_labels = [shape.label_of(value) for value in right]
    live: dict[str, Any] = {}
    for label, value in zip(left_labels, left, strict=True):
        live[label] = _ABSENT if label in live else value  # what stands twice is not merged, but replaced
    config = dict(zip(right_labels, right, strict=True))
    shared = [label for label in right_labels if label in live]
    shared.reverse()
    next_shared = shared.pop() if shared else None
    merged: set[str] = set()
    out: list[Any] = []

    def take(label: str) -> None:
        merged.add(label)
        value = config[label]
        out.append(value if inside is None else _merge(inside, live.get(label, _ABSENT), value))

    i = j = 0
    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right):
            label = left_labels[i]
            if label == right_labels[j]:
                take(label)
                i += 1
                j += 1
                next_shared = shared.pop() if shared else None
                continue
            if label in config and next_shared is not None and next_shared != label:
                i += 1  # both have it, but it is not its turn
                continue
        if i < len(left):
            label = left_labels[i]
            if label not in config:
                out.append(left[i])
                i += 1
                continue
            if label in merged:
                i += 1
        if j < len(right):
            label = right_labels[j]
            take(label)
            j += 1
            if next_shared == label:
                next_shared = shared.pop() if shared else None
    return out


# Taking away ----------------------------------------------------------------------------------------------------------


def remove(shape: Shape, value: Any, fields: Node) -> Any:
    """The value without the members of `fields`. A map or a list that loses what was in it stays, empty."""
    if not fields:
        return value
    kind = shape.kind
    if kind in (LIST_MAP, SET):
        if not isinstance(value, list):
            return value
        kept = []
        for item in value:
            node = fields.get(shape.label_of(item))
            if node is None:
                kept.append(item)
            elif not is_member(node):
                kept.append(remove(shape.item, item, node) if shape.item is not None else item)
        return kept
    if kind == LEAF_SHAPE or not isinstance(value, dict):
        return value
    left = {}
    for key, inner in value.items():
        node = fields.get(f"f:{key}")
        if node is None:
            left[key] = inner
        elif not is_member(node):
            left[key] = remove(shape.field(key), inner, node)
    return left


def prune(shape: Shape, merged: dict[str, Any], last: Node, held: Node) -> dict[str, Any]:
    """`merged` without what the manager applied the last time, and neither applies now nor anybody else holds.

    last: what it applied; held: the union of all sets as they are now, its own new one included.
    """
    if not last:
        return merged
    last = named_parents(shape, last)
    all_fields = named_parents(shape, fields_of(shape, merged))
    pruned = remove(shape, merged, last)
    kept = union(named_parents(shape, fields_of(shape, pruned)), named_parents(shape, held))
    pruned = remove(shape, merged, difference(all_fields, kept))
    left = named_parents(shape, fields_of(shape, pruned))
    gone = intersection(difference(all_fields, left), last)
    result = remove(shape, merged, gone)
    return result if isinstance(result, dict) else {}
