"""An openAPIV3Schema, read: one `Schema` for each node, with the structure, the extensions and the value rules.

    schema = parse_schema({"type": "object", "properties": {"size": {"type": "integer", "default": 1}}})

What is wrong with a schema is not decided here (`rules`); what cannot be read is left out. Nodes are shared and never
changed, but for what is found out once of a node and all below it (`holds_…`). The same node is used below logical
operators (allOf, anyOf, oneOf, not), where only value rules count.
"""

from __future__ import annotations

from typing import Any

from apiserver.meta.structural.patterns import Pattern, PatternError, compile_pattern

Object = dict[str, Any]

ATOMIC, SET, MAP = "atomic", "set", "map"


class Schema:
    """A node. has_default: a default that is not null; additional: of a map; allows_additional: what a boolean there says.

    types: what the value may be; two for int-or-string, none where nothing is said.
    """

    __slots__ = (
        "additional", "all_of", "allows_additional", "any_of", "default", "embedded", "enum", "exclusive_maximum",
        "exclusive_minimum", "format", "has_default", "holds_embedded", "holds_unique", "int_or_string", "items",
        "list_keys", "list_type", "map_type", "max_items", "max_length", "max_properties", "maximum", "min_items",
        "min_length", "min_properties", "minimum", "multiple_of", "not_", "nullable", "one_of", "pattern", "preserve",
        "properties", "regex", "required", "rules", "source", "type", "types", "unique_items",
    )  # fmt: skip

    def __init__(self, source: Object) -> None:
        get = source.get
        self.source = source
        self.holds_embedded: bool | None = None
        self.holds_unique: bool | None = None
        self.type: str = get("type") or ""
        self.int_or_string = bool(get("x-kubernetes-int-or-string"))
        self.types: tuple[str, ...] = ("integer", "string") if self.int_or_string else (self.type,) if self.type else ()
        self.format: str = get("format") or ""
        self.nullable = bool(get("nullable"))
        self.default = get("default")
        self.has_default = self.default is not None
        self.properties = {name: Schema(each) for name, each in (get("properties") or {}).items()}
        additional = get("additionalProperties")
        self.additional = Schema(additional) if isinstance(additional, dict) else None
        self.allows_additional = additional if isinstance(additional, bool) else self.additional is not None
        items = get("items")
        self.items = Schema(items) if isinstance(items, dict) else None
        self.required: tuple[str, ...] = tuple(get("required") or ())
        self.preserve = bool(get("x-kubernetes-preserve-unknown-fields"))
        self.embedded = bool(get("x-kubernetes-embedded-resource"))
        self.list_type: str = get("x-kubernetes-list-type") or ""
        self.list_keys: tuple[str, ...] = tuple(get("x-kubernetes-list-map-keys") or ())
        self.map_type: str = get("x-kubernetes-map-type") or ""
        self.rules: list[Object] = list(get("x-kubernetes-validations") or ())
        self.enum: list[Any] = list(get("enum") or ())
        self.minimum = get("minimum")
        self.maximum = get("maximum")
        self.exclusive_minimum = bool(get("exclusiveMinimum"))
        self.exclusive_maximum = bool(get("exclusiveMaximum"))
        self.multiple_of = get("multipleOf")
        self.min_length = get("minLength")
        self.max_length = get("maxLength")
        self.min_items = get("minItems")
        self.max_items = get("maxItems")
        self.unique_items = bool(get("uniqueItems"))
        self.min_properties = get("minProperties")
        self.max_properties = get("maxProperties")
        self.all_of = _parse_all(get("allOf"))
        self.any_of = _parse_all(get("anyOf"))
        self.one_of = _parse_all(get("oneOf"))
        not_ = get("not")
        self.not_ = Schema(not_) if isinstance(not_, dict) else None
        self.pattern: str = get("pattern") or ""
        self.regex: Pattern | None = None
        if self.pattern:
            try:
                self.regex = compile_pattern(self.pattern)
            except PatternError:
                pass  # `rules` says so; a value is then refused by what it cannot match

    @property
    def children(self) -> list[Schema]:
        """The nodes right below that say something of the structure."""
        below = list(self.properties.values())
        below += [each for each in (self.additional, self.items) if each is not None]
        return below


def parse_schema(source: Object) -> Schema:
    """The tree of an openAPIV3Schema, which must have the right JSON types (the decoder of the definition sees to that)."""
    return Schema(source)


def has_rules(schema: Schema) -> bool:
    """Whether there is an x-kubernetes-validations rule in it, at any depth."""
    return bool(schema.rules) or any(map(has_rules, [*schema.children, *schema.all_of]))


def _parse_all(sources: list[Object] | None) -> tuple[Schema, ...]:
    return tuple(Schema(each) for each in sources or () if isinstance(each, dict))
