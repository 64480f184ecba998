"""Structural schemas: openAPIV3Schema as custom resources use it. Pure functions on plain values; no kind is known here."""

from __future__ import annotations

from apiserver.meta.structural.defaulting import set_defaults
from apiserver.meta.structural.formats import is_known_format
from apiserver.meta.structural.jsonpath import PathError, compile_path, field_path
from apiserver.meta.structural.lists import find_duplicates
from apiserver.meta.structural.patterns import PatternError, compile_finder, compile_pattern
from apiserver.meta.structural.pruning import WHOLE_OBJECT, prune
from apiserver.meta.structural.rules import check_schema, check_structural, describe
from apiserver.meta.structural.schema import Schema, has_rules, parse_schema
from apiserver.meta.structural.types import build_type
from apiserver.meta.structural.values import find_causes, find_causes_of_change, json_type, key_of, same

__all__ = [
    "WHOLE_OBJECT",
    "PathError",
    "PatternError",
    "Schema",
    "build_type",
    "check_schema",
    "check_structural",
    "compile_finder",
    "compile_path",
    "compile_pattern",
    "describe",
    "field_path",
    "find_causes",
    "find_causes_of_change",
    "find_duplicates",
    "has_rules",
    "is_known_format",
    "json_type",
    "key_of",
    "parse_schema",
    "prune",
    "same",
    "set_defaults",
]
