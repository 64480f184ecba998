"""API machinery on plain dicts. It knows no kind: types come in as tables, rules as functions.

Nothing here mutates what it was given unless its name is `decode_typed`, `set_field` or `remove_field`.
"""

from __future__ import annotations

from apiserver.meta.codec import (
    MAX_BODY_BYTES,
    Decoded,
    decode_json,
    decode_yaml,
    deep_copy,
    encode,
    parse_json,
)
from apiserver.meta.fields import find_field, parse_path, remove_field, set_field
from apiserver.meta.gvk import GroupVersionKind, GroupVersionResource, gvk_of, join_api_version, split_api_version
from apiserver.meta.names import (
    MAX_ANNOTATIONS_BYTES,
    NAME_ALPHABET,
    check_config_key,
    check_dns1035_label,
    check_dns1123_label,
    check_dns1123_subdomain,
    check_env_name,
    check_label_value,
    check_port_name,
    check_qualified_name,
    generate_name,
)
from apiserver.meta.patches import MAX_OPERATIONS, json_patch, merge_patch
from apiserver.meta.quantity import canonical_quantity, format_quantity, int_value, milli_value, parse_quantity
from apiserver.meta.schema import Field, Type, Types
from apiserver.meta.selectors import (
    EVERYTHING,
    NOTHING,
    FieldSelector,
    FieldTerm,
    LabelSelector,
    Requirement,
    label_selector_of,
    parse_field_selector,
    parse_label_selector,
)
from apiserver.meta.strategic import strategic_merge
from apiserver.meta.table import (
    INCLUDE_METADATA,
    INCLUDE_NONE,
    INCLUDE_OBJECT,
    Column,
    build_table,
    partial_object,
    partial_object_list,
)
from apiserver.meta.times import age, format_micro_time, format_time, human_duration, parse_time
from apiserver.meta.typed import DecodeError, decode_typed

__all__ = [
    "EVERYTHING",
    "INCLUDE_METADATA",
    "INCLUDE_NONE",
    "INCLUDE_OBJECT",
    "MAX_ANNOTATIONS_BYTES",
    "MAX_BODY_BYTES",
    "MAX_OPERATIONS",
    "NAME_ALPHABET",
    "NOTHING",
    "Column",
    "DecodeError",
    "Decoded",
    "Field",
    "FieldSelector",
    "FieldTerm",
    "GroupVersionKind",
    "GroupVersionResource",
    "LabelSelector",
    "Requirement",
    "Type",
    "Types",
    "age",
    "build_table",
    "canonical_quantity",
    "check_config_key",
    "check_dns1035_label",
    "check_dns1123_label",
    "check_dns1123_subdomain",
    "check_env_name",
    "check_label_value",
    "check_port_name",
    "check_qualified_name",
    "decode_json",
    "decode_typed",
    "decode_yaml",
    "deep_copy",
    "encode",
    "find_field",
    "format_micro_time",
    "format_quantity",
    "format_time",
    "generate_name",
    "gvk_of",
    "human_duration",
    "int_value",
    "join_api_version",
    "json_patch",
    "label_selector_of",
    "merge_patch",
    "milli_value",
    "parse_field_selector",
    "parse_json",
    "parse_label_selector",
    "parse_path",
    "parse_quantity",
    "parse_time",
    "partial_object",
    "partial_object_list",
    "remove_field",
    "set_field",
    "split_api_version",
    "strategic_merge",
]
