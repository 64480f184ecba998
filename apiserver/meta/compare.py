"""What a write changed, as sets of fields: one walk over the old object and the new, which stops where both are equal.

Parts that stay are compared by Python's own equality, so an update that touches one field costs little more than that field. The
objects are in canonical form (typed.py): no nulls, no empty lists but required ones.
"""

from __future__ import annotations

from typing import Any

from apiserver.meta.field_set import LEAF, SELF, Node, make_node, union
from apiserver.meta.shape import LEAF as LEAF_SHAPE
from apiserver.meta.shape import LIST_MAP, SET, STRUCT, UNKNOWN, Shape

NOTHING: Node = {}


def compare(shape: Shape, old: dict[str, Any], new: dict[str, Any]) -> tuple[Node, Node]:
    """(added or changed, removed): two sets at the root."""
    if old == new:
        return NOTHING, NOTHING
    return _compare_maps(shape, old, new)


def _compare_maps(shape: Shape, old: dict[str, Any], new: dict[str, Any]) -> tuple[Node, Node]:
    changed: Node = {}
    removed: Node = {}
    for key, value in new.items():
        inner = shape.field(key)
        if key not in old:
            changed[f"f:{key}"] = LEAF if inner.added is None else inner.added(value)
            continue
        before = old[key]
        if before is value or before == value:
            continue
        _compare_values(f"f:{key}", inner, before, value, changed, removed)
    for key, value in old.items():
        if key not in new:
            inner = shape.field(key)
            removed[f"f:{key}"] = LEAF if inner.added is None else inner.added(value)
    return changed, removed


def _compare_values(label: str, shape: Shape, old: Any, new: Any, changed: Node, removed: Node) -> None:
    """Of two values that differ."""
    kind = shape.kind
    if kind == LEAF_SHAPE:
        changed[label] = LEAF
        return
    # Null is a list or a map without anything, where the other side is one.
    empty: Any = [] if kind in (LIST_MAP, SET) else {}
    if old is None and new and isinstance(new, type(empty)):
        old = empty
    elif new is None and old and isinstance(old, type(empty)):
        new = empty
    if kind in (LIST_MAP, SET):
        if isinstance(old, list) and isinstance(new, list):
            below = _compare_lists(shape, old, new)
        else:
            changed[label] = LEAF
            return
    elif isinstance(old, dict) and isinstance(new, dict):
        below = _compare_maps(shape, old, new)
    else:  # without a schema a value may become one of another kind
        changed[label] = LEAF
        gone = {} if shape.added is None else shape.added(old)
        if gone:
            removed[label] = {name: node for name, node in gone.items() if name != SELF}
        return
    if below[0]:
        changed[label] = below[0]
    if below[1]:
        removed[label] = below[1]


def _compare_lists(shape: Shape, old: list[Any], new: list[Any]) -> tuple[Node, Node]:
    changed: Node = {}
    removed: Node = {}
    before, after = _by_label(shape, old), _by_label(shape, new)
    item = shape.item
    assert item is not None
    for label, values in after.items():
        known = before.get(label)
        if known is None:
            changed[label] = _whole(shape, values)
        elif known != values:
            if len(known) == len(values) == 1:
                _compare_values(label, item, known[0], values[0], changed, removed)
            elif len(known) > 1 and len(values) > 1:
                changed[label] = LEAF
            else:  # what stood twice becomes an item, or the other way round
                changed[label], removed[label] = _whole(shape, values), _whole(shape, known)
    for label, values in before.items():
        if label not in after:
            removed[label] = _whole(shape, values)
    return changed, removed


def _whole(shape: Shape, values: list[Any]) -> Node:
    """An item that comes or goes. Items that stand twice are one value."""
    item = shape.item
    if len(values) > 1 or shape.kind == SET or item is None or item.added is None:
        return LEAF
    return item.added(values[0])


def _by_label(shape: Shape, items: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in items:
        found.setdefault(shape.label_of(item), []).append(item)
    return found


def fields_of(shape: Shape, obj: dict[str, Any]) -> Node:
    """The set of an object that somebody applies: its leaves, the items of its lists, the keys of its maps."""
    return _steps_of(shape, obj)


def _steps_of(shape: Shape, value: Any) -> Node:
    """The set below a value."""
    kind = shape.kind
    steps: Node = {}
    if kind == LEAF_SHAPE:
        return steps
    if kind in (LIST_MAP, SET):
        item = shape.item
        assert item is not None
        for inner in value if isinstance(value, list) else ():
            label = shape.label_of(inner)
            below = {} if kind == SET else _steps_of(item, inner)
            made = make_node(True, below)
            assert made is not None
            steps[label] = union({label: steps[label]}, {label: made})[label] if label in steps else made
        return steps
    if not isinstance(value, dict):
        return steps
    for key, inner in value.items():
        below_shape = shape.field(key)
        is_named = kind == STRUCT and key in shape.fields
        member = not is_named or inner is None or inner == {} or _is_leaf(below_shape, inner)
        made = make_node(member, _steps_of(below_shape, inner))
        if made is not None:
            steps[f"f:{key}"] = made
    return steps


def _is_leaf(shape: Shape, value: Any) -> bool:
    kind = shape.kind
    if kind == LEAF_SHAPE:
        return True
    if kind in (LIST_MAP, SET):
        return not isinstance(value, list)
    return not isinstance(value, dict)


def settled(shape: Shape, fields: Node) -> Node:
    """`fields` as the shape is now: what has become atomic since is owned whole by whoever owned a part of it."""
    steps: Node = {}
    for label, node in fields.items():
        if label == SELF or not node:
            steps[label] = node
            continue
        inner = shape.field(label[2:]) if label[0] == "f" else shape.item
        if inner is None or inner.kind == LEAF_SHAPE:
            steps[label] = LEAF
        else:
            steps[label] = settled(inner, node)
    return steps


def named_parents(shape: Shape, fields: Node) -> Node:
    """`fields` and the named fields on the way to its members: with `.spec.x` goes `.spec`, if nothing else holds it."""
    steps: Node = {}
    for label, node in fields.items():
        if label == SELF:
            continue
        inner: Shape
        if label[0] == "f":
            key = label[2:]
            inner = shape.field(key)
            member = SELF in node or not node or (shape.kind == STRUCT and key in shape.fields)
        else:
            inner = shape.item if shape.kind == LIST_MAP and shape.item is not None else UNKNOWN
            member = SELF in node or not node
        made = make_node(member, named_parents(inner, node))
        assert made is not None
        steps[label] = made
    return steps
