"""Sets of fields, in the form in which managedFields keep them (FieldsV1), and their algebra.

A set is a tree of plain dicts. A step is a label: `f:name` a field or a map key, `k:{"name":"c"}` an item of a list by
its keys, `v:"a"` an item of a set by its value, `i:0` an item by its place. Whether a path is a *member* is said by its
node: an empty one is, and one that has `.` among its steps; a node with steps alone only leads to members.

    {"f:data": {".": {}, "f:a": {}}}          .data and .data.a
    {"f:spec": {"f:replicas": {}}}            .spec.replicas alone

The root is never a member, so `{}` is the empty set at the root and a member below it. All functions take and give such
trees and change none: nodes are shared freely. Difference and intersection look at members alone (a parent is not its
children), as structured-merge-diff does; only `without_prefixes` takes whole subtrees.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

Node = dict[str, Any]

LEAF: Node = {}
"""A member without steps. Shared: never changed."""
SELF = "."

MAX_DEPTH = 100


def is_member(node: Node) -> bool:
    """Of a node below the root."""
    return not node or SELF in node


def make_node(member: bool, steps: Node) -> Node | None:
    """A node of its parts; None where there is nothing to say. `steps` may not have `.`"""
    if not steps:
        return LEAF if member else None
    return {SELF: LEAF, **steps} if member else steps


def union(left: Node, right: Node) -> Node:
    """Of two sets at the root."""
    if not right:
        return left
    if not left:
        return right
    joined = dict(left)
    for label, node in right.items():
        known = joined.get(label)
        joined[label] = node if known is None else _union_nodes(known, node)
    return joined


def _union_nodes(left: Node, right: Node) -> Node:
    if left is right or not (left or right):
        return left
    if not left:
        return right if SELF in right else {SELF: LEAF, **right}
    if not right:
        return left if SELF in left else {SELF: LEAF, **left}
    return union(left, right)


def difference(left: Node, right: Node) -> Node:
    """The members of `left` that are not members of `right`."""
    if not right or not left:
        return left
    rest: Node = {}
    for label, node in left.items():
        other = right.get(label)
        if other is None:
            rest[label] = node
            continue
        made = make_node(is_member(node) and not is_member(other), difference(_steps(node), _steps(other)))
        if made is not None:
            rest[label] = made
    return rest


def intersection(left: Node, right: Node) -> Node:
    """The members of both."""
    both: Node = {}
    for label, node in left.items():
        other = right.get(label)
        if other is None:
            continue
        made = make_node(is_member(node) and is_member(other), intersection(_steps(node), _steps(other)))
        if made is not None:
            both[label] = made
    return both


def without_prefixes(left: Node, prefixes: Node) -> Node:
    """`left` without every path that is a member of `prefixes`, or lies below one."""
    rest: Node = {}
    for label, node in left.items():
        other = prefixes.get(label)
        if other is None:
            rest[label] = node
        elif not is_member(other):
            made = make_node(is_member(node), without_prefixes(_steps(node), other))
            if made is not None:
                rest[label] = made
    return rest


ANY = "*"


def within_prefixes(left: Node, prefixes: Node) -> Node:
    """The part of `left` that lies at or below the members of `prefixes`, where a step ANY is every step."""
    rest: Node = {}
    for label, node in left.items():
        other = prefixes.get(label)
        if other is None and label != SELF:
            other = prefixes.get(ANY)
        if other is None:
            continue
        made = node if is_member(other) else make_node(False, within_prefixes(_steps(node), other))
        if made is not None:
            rest[label] = made
    return rest


def _steps(node: Node) -> Node:
    return {label: inner for label, inner in node.items() if label != SELF} if SELF in node else node


def has(left: Node, path: tuple[str, ...]) -> bool:
    """Whether a path of labels is a member."""
    node = left
    for label in path:
        found = node.get(label)
        if found is None:
            return False
        node = found
    return bool(path) and is_member(node)


def set_of_path(path: tuple[str, ...]) -> Node:
    """The set that has one member."""
    node = LEAF
    for label in reversed(path):
        node = {label: node}
    return node


# Text ---------------------------------------------------------------------------------------------------------------


def paths(node: Node) -> Iterator[str]:
    """The members as text, such as `.spec.containers[name="c"].image`: of each node first its own members, in order."""
    yield from _paths(node, "")


def _paths(node: Node, prefix: str) -> Iterator[str]:
    labels = sorted((label for label in node if label != SELF), key=_order)
    for label in labels:
        if is_member(node[label]):
            yield prefix + render_step(label)
    for label in labels:
        if node[label]:
            yield from _paths(node[label], prefix + render_step(label))


_KINDS = {"f": 0, "k": 1, "v": 2, "i": 3}


def _order(label: str) -> tuple[int, Any]:
    kind, rest = label[0], label[2:]
    if kind == "i":
        return 3, int(rest)
    return _KINDS[kind], rest


def render_step(label: str) -> str:
    kind, rest = label[0], label[2:]
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        pairs = ",".join(f"{key}={orjson.dumps(value).decode()}" for key, value in orjson.loads(rest).items())
        return f"[{pairs}]"
    return f"[={rest}]" if kind == "v" else f"[{rest}]"


def parse_fields(fields: Any) -> Node:
    """A set that a client wrote, with its labels as we would write them. Raises ValueError for what is none."""
    return _parse(fields, 0)


def _parse(fields: Any, depth: int) -> Node:
    if not isinstance(fields, dict):
        raise ValueError(f"expected a map of fields, got {type(fields).__name__}")
    if depth > MAX_DEPTH:
        raise ValueError("fields are nested too deeply")
    parsed: Node = {}
    for label, inner in fields.items():
        if label != SELF:
            parsed[_parse_label(label)] = _parse(inner, depth + 1)
        elif depth and len(fields) > 1:
            parsed[SELF] = LEAF
    return parsed


def _parse_label(label: str) -> str:
    kind, rest = label[:1], label[2:]
    if label[1:2] != ":" or kind not in _KINDS:
        raise ValueError(f"unknown type of field: {label!r}")
    if kind == "f":
        return label
    if kind == "i":
        return f"i:{int(rest)}"
    value = orjson.loads(rest)
    if kind == "k" and (not isinstance(value, dict) or not value):
        raise ValueError(f"keys of an item are a map: {label!r}")
    return f"{kind}:{orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()}"
