"""Structural types: what fields a kind has, of which type, and how lists in it are merged.

Types come from a compact table, definition by definition, and are resolved when first asked for (they refer to each
other, some to themselves). The table:

    {"core.v1.PodSpec": {
        "f": {"nodeName": "string",                               a field and its type
              "containers": ["[core.v1.Container]", {"s": "merge", "k": "name", "l": "map", "m": ["name"]}]},
        "r": ["containers"],                                      required fields
        "z": ["nodeName"],                                        fields that are left out where they are "", 0 or false
        "a": 1}}                                                  atomic: server-side apply owns it as one value

A type is written `string`, `bytes`, `int32`, `int64`, `double`, `boolean`, `quantity`, `time`, `microtime`,
`int-or-string`, `raw` (any JSON), `[T]`, `{T}` (a map from text) or the name of a definition. Field options: s = patch
strategy, k = patch merge key, l = list or map type (atomic, set, map), m = list map keys,
d = the default of a field that is such a key.

This file only describes; decoding by types is `typed`, merging by them is `strategic`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

STRUCT = "struct"
LIST = "list"
MAP = "map"
STRING = "string"
BYTES = "bytes"
INT32 = "int32"
INT64 = "int64"
DOUBLE = "double"
BOOLEAN = "boolean"
QUANTITY = "quantity"
TIME = "time"
MICRO_TIME = "microtime"
INT_OR_STRING = "int-or-string"
RAW = "raw"

PRIMITIVES = (
    STRING, BYTES, INT32, INT64, DOUBLE, BOOLEAN, QUANTITY, TIME, MICRO_TIME, INT_OR_STRING, RAW,
)  # fmt: skip

_GO_NAMES = {
    BYTES: "[]uint8",
    DOUBLE: "float64",
    BOOLEAN: "bool",
    QUANTITY: "resource.Quantity",
    TIME: "v1.Time",
    MICRO_TIME: "v1.MicroTime",
    INT_OR_STRING: "intstr.IntOrString",
    RAW: "runtime.RawExtension",
}


class Type:
    """A type. kind: one of the constants above; name: as in the table; item: of a list or map; fields: of a struct.

    decode: of whole objects whose schema says more than types do (custom resources): decodes in place of the walk by type,
    with the same promises as `decode_typed`. An item of a struct is the type of the fields that have no name.
    """

    __slots__ = (
        "decode", "drops_zero", "fields", "go_name", "is_atomic", "item", "kind", "list_map_keys", "list_type", "name",
        "required",
    )  # fmt: skip

    def __init__(self, kind: str, name: str, go_name: str, item: Type | None = None) -> None:
        self.kind = kind
        self.name = name
        self.go_name = go_name
        self.item = item
        self.fields: dict[str, Field] = {}
        self.required: frozenset[str] = frozenset()
        self.drops_zero: frozenset[str] = frozenset()  # fields that are not there where their value is "", 0 or false
        self.is_atomic = False
        self.list_type = ""  # of a list that is no field, but an item of another; a field says its own
        self.list_map_keys: tuple[str, ...] = ()
        self.decode: Callable[[dict[str, Any]], list[str]] | None = None

    def __repr__(self) -> str:
        return f"Type({self.name})"


class Field:
    """A field of a struct, with what the strategic merge and server-side apply need to know of it."""

    __slots__ = ("default", "list_map_keys", "list_type", "merge_key", "merges", "name", "patch_strategy", "type")

    def __init__(self, name: str, type_: Type, options: Mapping[str, Any]) -> None:
        self.name = name
        self.type = type_
        self.patch_strategy: str = options.get("s", "")
        self.merges = "merge" in self.patch_strategy.split(",")
        self.merge_key: str = options.get("k", "")
        self.list_type: str = options.get("l", "")
        self.list_map_keys: tuple[str, ...] = tuple(options.get("m", ()))
        self.default: Any = options.get("d")

    def __repr__(self) -> str:
        return f"Field({self.name}: {self.type.name})"


class Types:
    """All types of a table, made when first asked for."""

    def __init__(self, definitions: Mapping[str, Mapping[str, Any]]) -> None:
        self._definitions = definitions
        self._types: dict[str, Type] = {}

    def get(self, name: str) -> Type:
        """The type written `name`. Raises KeyError for a definition that the table does not have."""
        found = self._types.get(name)
        if found is not None:
            return found
        if name in PRIMITIVES:
            kind = PRIMITIVES[PRIMITIVES.index(name)]  # the constant itself: kinds are compared by identity
            made = Type(kind, kind, _GO_NAMES.get(kind, kind))
        elif name[0] == "[":
            item = self.get(name[1:-1])
            made = Type(LIST, name, f"[]{item.go_name}", item)
        elif name[0] == "{":
            item = self.get(name[1:-1])
            made = Type(MAP, name, f"map[string]{item.go_name}", item)
        else:
            return self._resolve(name)
        self._types[name] = made
        return made

    def __contains__(self, name: str) -> bool:
        return name in self._definitions

    def _resolve(self, name: str) -> Type:
        definition = self._definitions[name]
        made = self._types[name] = Type(STRUCT, name, ".".join(name.split(".")[-2:]))  # known before its fields: cycles
        for field, written in definition.get("f", {}).items():
            text, options = (written, {}) if isinstance(written, str) else written
            made.fields[field] = Field(field, self.get(text), options)
        made.required = frozenset(definition.get("r", ()))
        made.drops_zero = frozenset(definition.get("z", ()))
        made.is_atomic = bool(definition.get("a"))
        return made
