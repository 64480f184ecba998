"""What values may be: one schema with a field of every sort, and what is said of values that do not fit."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.meta.structural import (
    find_causes,
    find_causes_of_change,
    find_duplicates,
    parse_schema,
    prune,
    set_defaults,
)

STRING, INTEGER = {"type": "string"}, {"type": "integer"}
PAIR = {"type": "object", "required": ["name"], "properties": {"name": STRING, "value": INTEGER}}

SCHEMA = parse_schema(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "required": ["size"],
                "properties": {
                    "size": {"type": "integer", "default": 1, "minimum": 1, "maximum": 9},
                    "below": {"type": "number", "maximum": 2.5, "exclusiveMaximum": True},
                    "even": {"type": "integer", "multipleOf": 2},
                    "small": {"type": "integer", "format": "int32"},
                    "mode": {"type": "string", "enum": ["fast", "slow"]},
                    "level": {"type": "integer", "enum": [1, 2]},
                    "code": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 4},
                    "when": {"type": "string", "format": "date-time"},
                    "port": {"x-kubernetes-int-or-string": True},
                    "note": {"type": "string", "nullable": True},
                    "tags": {"type": "array", "maxItems": 2, "items": STRING, "x-kubernetes-list-type": "set"},
                    "few": {"type": "array", "minItems": 1, "items": STRING},
                    "pairs": {
                        "type": "array",
                        "items": PAIR,
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                    },
                    "counts": {"type": "object", "maxProperties": 2, "additionalProperties": INTEGER},
                    "one": {
                        "type": "object",
                        "properties": {"a": STRING, "b": STRING},
                        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
                    },
                    "some": {"type": "integer", "anyOf": [{"maximum": 1}, {"minimum": 5}]},
                    "every": {"type": "string", "allOf": [{"minLength": 2}, {"pattern": "x"}]},
                    "never": {"type": "string", "not": {"enum": ["bad"]}},
                    "free": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                        "properties": {"in": PAIR},
                    },
                },
            }
        },
    }
)


def _texts(spec: Any) -> list[str]:
    if isinstance(spec, dict):
        spec = {"size": 1, **spec}
    return [f"{cause.field}: {cause.message}" for cause in find_causes({"spec": spec}, SCHEMA)]


@pytest.mark.parametrize(
    ("spec", "texts"),
    [
        ("x", ['spec: Invalid value: "string": spec in body must be of type object: "string"']),
        ({"size": "1"}, ['spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"']),
        ({"size": None}, ['spec.size: Invalid value: "null": spec.size in body must be of type integer: "null"']),
        ({"size": 2.0}, []),
        ({"size": 2.5}, ['spec.size: Invalid value: "number": spec.size in body must be of type integer: "number"']),
        ({"size": 10}, ["spec.size: Invalid value: 10: spec.size in body should be less than or equal to 9"]),
        ({"size": 0}, ["spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"]),
        ({"below": 2.5}, ["spec.below: Invalid value: 2.5: spec.below in body should be less than 2.5"]),
        ({"below": 2}, []),
        ({"even": 3}, ["spec.even: Invalid value: 3: spec.even in body should be a multiple of 2"]),
        (
            {"small": 2**31},
            ['<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.small'],
        ),
        ({"mode": "warp"}, ['spec.mode: Unsupported value: "warp": supported values: "fast", "slow"']),
        ({"level": 3}, ['spec.level: Unsupported value: 3: supported values: "1", "2"']),
        ({"code": "a"}, ['spec.code: Invalid value: "a": spec.code in body should be at least 2 chars long']),
        ({"code": "abcde"}, ["spec.code: Too long: may not be more than 4 bytes"]),
        ({"code": "AB"}, ["spec.code: Invalid value: \"AB\": spec.code in body should match '^[a-z]+$'"]),
        ({"code": "ab\n"}, ["spec.code: Invalid value: \"ab\\n\": spec.code in body should match '^[a-z]+$'"]),
        ({"when": "2024-02-30T00:00:00Z"}, [
            'spec.when: Invalid value: "2024-02-30T00:00:00Z": spec.when in body must be of type date-time: '
            '"2024-02-30T00:00:00Z"',
        ]),
        ({"when": "2024-02-29T00:00:00Z", "port": "http"}, []),
        ({"port": True}, ['spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"']),
        ({"note": None}, []),
        ({"tags": ["a", "b", "c"]}, ["spec.tags: Too many: 3: must have at most 2 items"]),
        ({"few": []}, ["spec.few: Invalid value: 0: spec.few in body should have at least 1 items"]),
        ({"pairs": [{"value": 1}]}, ["spec.pairs[0].name: Required value"]),
        ({"counts": {"a": "b"}}, [
            'spec.counts.a: Invalid value: "string": spec.counts.a in body must be of type integer: "string"',
        ]),
        ({"counts": {"a": 1, "b": 2, "c": 3}}, ["spec.counts: Too many: 3: must have at most 2 items"]),
        ({"one": {"a": "", "b": ""}}, [
            '<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found 2 valid alternatives',
        ]),
        ({"one": {}}, [
            '<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found none valid',
            "spec.one.a: Required value",
        ]),
        ({"some": 3}, [
            '<nil>: Invalid value: "": "spec.some" must validate at least one schema (anyOf)',
            "spec.some: Invalid value: 3: spec.some in body should be less than or equal to 1",
        ]),
        ({"every": "ab"}, [
            "spec.every: Invalid value: \"ab\": spec.every in body should match 'x'",
            '<nil>: Invalid value: "": "spec.every" must validate all the schemas (allOf)',
        ]),
        ({"never": "bad"}, ['<nil>: Invalid value: "": "spec.never" must not validate the schema (not)']),
        ({"free": {"anything": [1, {"x": None}]}}, []),
        ({"free": {"in": {}}}, ["spec.free.in.name: Required value"]),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_values(spec, texts):
    assert _texts(spec) == texts


def test_a_missing_required_field():
    assert [cause.field for cause in find_causes({"spec": {}}, SCHEMA)] == ["spec.size"]


def test_what_was_wrong_already_may_stay():
    old = {"spec": {"size": 10, "mode": "warp", "pairs": [{"name": "a", "value": "x"}]}}
    moved = {"spec": {"size": 10, "mode": "warp", "note": "n", "pairs": [{"name": "b"}, {"name": "a", "value": "x"}]}}
    assert find_causes_of_change(moved, old, SCHEMA) == []
    changed = {"spec": {"size": 11, "mode": "warp", "pairs": [{"name": "a", "value": "y"}]}}
    assert [cause.field for cause in find_causes_of_change(changed, old, SCHEMA)] == [
        "spec.size",
        "spec.pairs[0].value",
    ]


def test_an_item_of_an_atomic_list_cannot_be_found_again():
    schema = parse_schema({"type": "object", "properties": {"l": {"type": "array", "items": INTEGER}}})
    assert find_causes_of_change({"l": ["x", 1]}, {"l": ["x"]}, schema) != []
    assert find_causes_of_change({"l": ["x"], "n": 1}, {"l": ["x"]}, schema) == []


def test_true_is_not_one():
    schema = parse_schema({"type": "object", "properties": {"n": {"type": "boolean"}}})
    assert find_causes_of_change({"n": 1}, {"n": True}, schema) != []


def test_pruning_reports_what_it_drops():
    obj = {
        "apiVersion": "v1", "kind": "X", "metadata": {"stays": 1}, "extra": 1,
        "spec": {"bogus": {}, "pairs": [{"name": "a", "odd": 1}], "free": {"kept": {"x": 1}, "in": {"name": "", "odd": 2}}},
    }  # fmt: skip
    unknown: list[str] = []
    prune(obj, SCHEMA, unknown, is_whole=True)
    assert sorted(unknown) == ["extra", "spec.bogus", "spec.free.in.odd", "spec.pairs[0].odd"]
    assert obj == {
        "apiVersion": "v1", "kind": "X", "metadata": {"stays": 1},
        "spec": {"pairs": [{"name": "a"}], "free": {"kept": {"x": 1}, "in": {"name": ""}}},
    }  # fmt: skip


def test_an_embedded_resource_keeps_its_type_and_metadata():
    schema = parse_schema({
        "type": "object",
        "properties": {"template": {
            "type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": {"type": "object"}},
        }},
    })  # fmt: skip
    obj = {"template": {"apiVersion": "v1", "kind": "P", "metadata": {"name": "x"}, "spec": {"a": 1}, "b": 2}}
    unknown: list[str] = []
    prune(obj, schema, unknown)
    assert obj == {"template": {"apiVersion": "v1", "kind": "P", "metadata": {"name": "x"}, "spec": {}}}
    assert unknown == ["template.spec.a", "template.b"]


@pytest.mark.parametrize(
    ("spec", "made"),
    [
        ({}, {"size": 1}),
        ({"size": None}, {"size": 1}),
        ({"note": None}, {"note": None, "size": 1}),
        ({"mode": None}, {"size": 1}),
        ({"counts": {"a": None, "b": 1}}, {"counts": {"b": 1}, "size": 1}),
    ],
)
def test_defaults_and_nulls(spec, made):
    obj = {"spec": spec}
    set_defaults(obj, SCHEMA)
    assert obj == {"spec": made}


def test_defaults_do_not_reach_into_what_is_absent():
    obj: dict[str, Any] = {}
    set_defaults(obj, SCHEMA)
    assert obj == {}


def test_a_default_is_defaulted_and_never_shared():
    inner = {"type": "object", "default": {}, "properties": {"n": {"type": "integer", "default": 3}}}
    schema = parse_schema({"type": "object", "properties": {"spec": inner}})
    first: dict[str, Any] = {}
    set_defaults(first, schema)
    first["spec"]["n"] = 7
    second: dict[str, Any] = {}
    set_defaults(second, schema)
    assert second == {"spec": {"n": 3}}


def test_duplicates_of_sets_and_maps():
    obj = {"spec": {"tags": ["a", "a", "a"], "pairs": [{"name": "x"}, {"name": "x", "value": 2}, {"name": "y"}]}}
    assert [f"{cause.field}: {cause.message}" for cause in find_duplicates(obj, SCHEMA)] == [
        'spec.tags[1]: Duplicate value: "a"',
        'spec.pairs[1]: Duplicate value: {"name":"x"}',
    ]
