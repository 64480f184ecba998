"""How server-side apply sees a type: which parts of an object are owned one by one, and which as a whole.

A `Shape` is made of a `Type` once. LEAF: a scalar, or a list, map or struct that is atomic. STRUCT: fields with names.
MAP: keys of the object's own. LIST_MAP: items found by their keys. SET: items found by their value. DEDUCED: no schema:
maps are taken apart, everything else is a leaf. Lists are atomic unless they say otherwise, maps and structs are not.

`present`: the fields that the server's own object always has, so that creating it does not "add" them: structs that are
no pointers in Kubernetes' Go types. It makes the difference between `{"f:spec": {"f:x": {}}}` and one with a `.` for the
spec itself. Custom resources have none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from apiserver.meta.field_set import LEAF as LEAF_NODE
from apiserver.meta.field_set import SELF, Node
from apiserver.meta.schema import LIST as LIST_TYPE
from apiserver.meta.schema import MAP as MAP_TYPE
from apiserver.meta.schema import RAW, Field, Type
from apiserver.meta.schema import STRUCT as STRUCT_TYPE

LEAF, STRUCT, MAP, LIST_MAP, SET, DEDUCED = range(6)

_ALWAYS_PRESENT = frozenset(
    (
        "metadata", "spec", "status", "template", "strategy", "updateStrategy", "jobTemplate", "loadBalancer", "source",
        "deprecatedSource", "nodeInfo", "daemonEndpoints", "kubeletEndpoint", "names", "acceptedNames", "resources",
        "priorityLevelConfiguration", "scaleTargetRef", "devices", "pool", "userInfo", "user",
    )
)  # fmt: skip
_POINTERS = {
    ("core.v1.ReplicationControllerSpec", "template"),
    ("core.v1.PodStatus", "resources"),
    ("core.v1.PodSpec", "resources"),
}

KEY_DEFAULTS = {
    ("core.v1.ContainerPort", "protocol"): "TCP",
    ("core.v1.ServicePort", "protocol"): "TCP",
}
"""What a key of a list item is where the item leaves it out; fields of custom resources say theirs themselves."""

MAX_LABELS = 4096
"""Labels of list items that are remembered, of each list type."""


class Shape:
    """kind: above; name: of the type; fields: of a STRUCT; item: of what has items (for a STRUCT: of fields without a name)."""

    __slots__ = (
        "added",
        "fields",
        "item",
        "keys",
        "key_defaults",
        "kind",
        "labels",
        "name",
        "present",
        "steps",
        "type",
    )

    def __init__(self, kind: int, type_: Type) -> None:
        self.kind = kind
        self.type = type_
        self.name = type_.name
        self.fields: dict[str, Shape] = {}
        self.item: Shape | None = None
        self.keys: tuple[str, ...] = ()
        self.key_defaults: dict[str, Any] = {}
        self.labels: dict[Any, str] = {}
        self.present: dict[str, Shape] = {}
        # A field's label and how its value is added (None: as a leaf), for the walk over an object that is created.
        self.steps: dict[str, tuple[str, Callable[[Any], Node] | None]] = {}
        self.added: Callable[[Any], Node] | None = None

    def __repr__(self) -> str:
        return f"Shape({self.kind}, {self.name})"

    def field(self, name: str) -> Shape:
        """The shape of a field or of a key."""
        found = self.fields.get(name)
        if found is not None:
            return found
        return self.item if self.item is not None else UNKNOWN

    def label_of(self, item: Any) -> str:
        """The label of an item of a SET or a LIST_MAP."""
        if self.kind == SET:
            known = self.labels.get(item) if type(item) is str else None
            if known is None:
                known = f"v:{orjson.dumps(item).decode()}"
                if type(item) is str and len(self.labels) < MAX_LABELS:
                    self.labels[item] = known
            return known
        if not isinstance(item, dict):
            return f"v:{orjson.dumps(item).decode()}"  # refused by whoever checks types; here it needs only a name
        keys = self.keys
        if len(keys) == 1:
            value = item.get(keys[0])
            if type(value) is str:
                known = self.labels.get(value)
                if known is None:
                    known = f"k:{orjson.dumps({keys[0]: value}).decode()}"
                    if len(self.labels) < MAX_LABELS:
                        self.labels[value] = known
                return known
        named = {}
        for key in keys:
            value = item.get(key, self.key_defaults.get(key))
            if value is not None:
                named[key] = value
        return f"k:{orjson.dumps(named).decode()}"


UNKNOWN = Shape(DEDUCED, Type(RAW, RAW, RAW))

_shapes: dict[tuple[Any, ...], tuple[Shape, Type]] = {}
MAX_SHAPES = 20_000


def shape_of(type_: Type, *, is_custom: bool = False) -> Shape:
    """The shape of a root type, made once. is_custom: what has no schema is taken apart, and no field is always there."""
    if len(_shapes) > MAX_SHAPES:
        _shapes.clear()  # the types of custom resources come and go
    return _shape(type_, None, is_custom, root=not is_custom)


def _shape(type_: Type, field: Field | None, is_custom: bool, *, root: bool = False) -> Shape:
    said = field if field is not None else type_
    list_type, keys = said.list_type, said.list_map_keys
    identity = (id(type_), list_type, keys, is_custom, root)
    known = _shapes.get(identity)
    if known is not None:
        return known[0]
    shape = Shape(_kind_of(type_, list_type, is_custom), type_)
    _shapes[identity] = (shape, type_)  # known before its parts: types may contain themselves; and the id stays taken
    if shape.kind == STRUCT:
        for name, inner in type_.fields.items():
            present = root and inner.type.kind is STRUCT_TYPE and not inner.type.is_atomic and _is_present(type_, name)
            shape.fields[name] = _shape(inner.type, inner, is_custom, root=present)
            if present or (root and name in type_.required):
                shape.present[name] = shape.fields[name]
        if type_.item is not None:
            shape.item = _shape(type_.item, None, is_custom)
    elif shape.kind in (MAP, LIST_MAP, SET):
        assert type_.item is not None
        shape.item = _shape(type_.item, None, is_custom)
        shape.keys = tuple(sorted(keys))
        for key in shape.keys:
            default = _key_default(type_.item, key)
            if default is not None:
                shape.key_defaults[key] = default
    shape.added = _ADDED[shape.kind](shape)
    return shape


def _is_present(type_: Type, name: str) -> bool:
    return name in _ALWAYS_PRESENT and (type_.name, name) not in _POINTERS


def _key_default(item: Type, key: str) -> Any:
    field = item.fields.get(key)
    said = getattr(field, "default", None)
    return KEY_DEFAULTS.get((item.name, key)) if said is None else said


def _kind_of(type_: Type, list_type: str, is_custom: bool) -> int:
    kind = type_.kind
    if list_type == "atomic" or type_.is_atomic:
        return LEAF
    if kind is STRUCT_TYPE:
        return STRUCT
    if kind is MAP_TYPE:
        return MAP
    if kind is LIST_TYPE:
        return LIST_MAP if list_type == "map" else SET if list_type == "set" else LEAF
    return DEDUCED if kind is RAW and is_custom else LEAF


# What a new value adds ------------------------------------------------------------------------------------------------


def _leaf_added(shape: Shape) -> None:
    return None


def _struct_added(shape: Shape) -> Callable[[Any], Node]:
    steps, fields = shape.steps, shape.fields

    def added(value: Any) -> Node:
        if not value or type(value) is not dict:
            return LEAF_NODE
        node: Node = {SELF: LEAF_NODE}
        for key, inner in value.items():
            step = steps.get(key)
            if step is None:
                known = fields.get(key)
                step = f"f:{key}", (known or shape.field(key)).added
                if known is not None:
                    steps[key] = step
            label, add = step
            node[label] = LEAF_NODE if add is None else add(inner)
        return node

    return added


def _map_added(shape: Shape) -> Callable[[Any], Node]:
    def added(value: Any) -> Node:
        if not value or type(value) is not dict:
            return LEAF_NODE
        add = shape.item.added if shape.item is not None else None
        node: Node = {SELF: LEAF_NODE}
        if add is None:
            for key in value:
                node[f"f:{key}"] = LEAF_NODE
        else:
            for key, inner in value.items():
                node[f"f:{key}"] = add(inner)
        return node

    return added


def _items_added(shape: Shape) -> Callable[[Any], Node]:
    label_of = shape.label_of

    def added(value: Any) -> Node:
        if not value or type(value) is not list:
            return LEAF_NODE
        add = shape.item.added if shape.item is not None else None
        node: Node = {SELF: LEAF_NODE}
        for item in value:
            node[label_of(item)] = LEAF_NODE if add is None else add(item)
        return node

    return added


def _set_added(shape: Shape) -> Callable[[Any], Node]:
    label_of = shape.label_of

    def added(value: Any) -> Node:
        if not value or type(value) is not list:
            return LEAF_NODE
        node: Node = {SELF: LEAF_NODE}
        for item in value:
            node[label_of(item)] = LEAF_NODE
        return node

    return added


def _deduced_added(shape: Shape) -> Callable[[Any], Node]:
    def added(value: Any) -> Node:
        if type(value) is not dict or not value:
            return LEAF_NODE
        node: Node = {SELF: LEAF_NODE}
        for key, inner in value.items():
            node[f"f:{key}"] = added(inner) if type(inner) is dict else LEAF_NODE
        return node

    return added


_ADDED: dict[int, Callable[[Shape], Callable[[Any], Node] | None]] = {
    LEAF: _leaf_added,
    STRUCT: _struct_added,
    MAP: _map_added,
    LIST_MAP: _items_added,
    SET: _set_added,
    DEDUCED: _deduced_added,
}
UNKNOWN.added = _deduced_added(UNKNOWN)


def fields_of_new(shape: Shape, obj: dict[str, Any]) -> Node:
    """What creating an object adds to nothing: every part of it but what the server's empty object has already."""
    steps, present = shape.steps, shape.present
    node: Node = {}
    for key, value in obj.items():
        inside = present.get(key)
        if inside is not None:
            if inside.kind == STRUCT:
                inner = fields_of_new(inside, value)
                if inner:
                    node[f"f:{key}"] = inner
                continue
            if not value and type(value) is not dict and type(value) is not list:
                continue  # the zero value of a field that is always written
        step = steps.get(key)
        if step is None:
            known = shape.fields.get(key)
            step = f"f:{key}", (known or shape.field(key)).added
            if known is not None:
                steps[key] = step
        label, add = step
        made = LEAF_NODE if add is None else add(value)
        if inside is not None and made:
            made = {name: below for name, below in made.items() if name != SELF}
        node[label] = made
    return node
