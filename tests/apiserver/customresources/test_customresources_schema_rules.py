"""What a schema itself must be, and the small languages inside it: patterns and paths."""

from __future__ import annotations

import re
from random import Random

import pytest

from apiserver.meta import Type
from apiserver.meta.structural import (
    PathError,
    PatternError,
    build_type,
    check_schema,
    compile_path,
    compile_pattern,
    field_path,
    parse_schema,
    patterns,
)
from apiserver.meta.structural import automaton as automaton_module
from apiserver.meta.structural.automaton import build_automaton

OBJECT, STRING = {"type": "object"}, {"type": "string"}


def _root(**properties):
    return {"type": "object", "properties": properties}


def _list_map(keys, properties, **more):
    items = {"type": "object", "properties": properties, **more}
    return {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys, "items": items}


@pytest.mark.parametrize(
    "schema",
    [
        _root(),
        _root(spec={"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
        _root(spec={"x-kubernetes-preserve-unknown-fields": True}),
        _root(port={"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
        _root(port={
            "x-kubernetes-int-or-string": True,
            "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"pattern": "x"}],
        }),
        _root(l=_list_map(["name"], {"name": STRING}, required=["name"])),
        _root(l=_list_map(["name"], {"name": {"type": "string", "default": ""}})),
        _root(metadata={"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}}}),
        _root(spec={"type": "object", "properties": {"a": STRING}, "oneOf": [{"properties": {"a": {"minLength": 1}}}]}),
    ],
    ids=str,
)  # fmt: skip
def test_good_schemas(schema):
    assert check_schema(schema, "s") == []


@pytest.mark.parametrize(
    ("schema", "texts"),
    [
        ({}, ["s.type: Required value: must not be empty at the root"]),
        ({"type": "array", "items": STRING}, ['s.type: Invalid value: "array": must be object at the root']),
        (_root(a={}), ["s.properties[a].type: Required value: must not be empty for specified object fields"]),
        (_root(a={"type": "array"}), ["s.properties[a].items: Required value: must be specified"]),
        (
            _root(a={"type": "array", "items": {}}),
            ["s.properties[a].items.type: Required value: must not be empty for specified array items"],
        ),
        (
            {"type": "object", "additionalProperties": STRING},
            ["s.additionalProperties: Forbidden: must not be used at the root"],
        ),
        (
            _root(a={"type": "string", "anyOf": [{"type": "string"}]}),
            ["s.properties[a].anyOf[0].type: Forbidden: must be empty to be structural"],
        ),
        (
            _root(a={"type": "object", "not": {"properties": {"b": {"minLength": 1}}}}),
            [
                "s.properties[a].properties[b]: Required value: because it is defined in "
                "s.properties[a].not.properties[b]"
            ],
        ),
        (
            _root(metadata={"type": "object", "properties": {"labels": OBJECT}}),
            [
                "s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but "
                "metadata is implicitly specified"
            ],
        ),
        (_root(a={"$ref": "#/x", "type": "object"}), ["s.properties[a].$ref: Forbidden: $ref is not supported"]),
        (
            _root(a={"type": "strin"}),
            [
                's.properties[a].type: Unsupported value: "strin": supported values: "array", "boolean", "integer", '
                '"number", "object", "string"'
            ],
        ),
        (
            _root(a={"type": "array", "uniqueItems": True, "items": STRING}),
            [
                "s.properties[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime "
                "complexity becomes quadratic"
            ],
        ),
        (
            _root(a={"type": "object", "properties": {"b": STRING}, "additionalProperties": STRING}),
            [
                "s.properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual "
                "exclusive"
            ],
        ),
        (
            _root(a={"type": "string", "pattern": "(?=x)"}),
            [
                's.properties[a].pattern: Invalid value: "(?=x)": must be a valid regular expression, but isn\'t: '
                "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"
            ],
        ),
        (
            _root(l=_list_map(["name"], {"name": STRING})),
            [
                "s.properties[l].items.properties[name].default: Required value: this property is in "
                "x-kubernetes-list-map-keys, so it must have a default or be a required property"
            ],
        ),
        (
            _root(l=_list_map([], {"name": STRING})),
            [
                "s.properties[l].x-kubernetes-list-map-keys: Required value: must not be empty if "
                "x-kubernetes-list-type is map"
            ],
        ),
        (
            _root(l=_list_map(["id"], {"name": STRING})),
            [
                's.properties[l].x-kubernetes-list-map-keys[0]: Invalid value: "id": entries must all be names of item '
                "properties"
            ],
        ),
        (
            _root(l={"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}}),
            [
                "s.properties[l].items.x-kubernetes-map-type: Required value: must be atomic as item of a list with "
                "x-kubernetes-list-type=set"
            ],
        ),
        (
            _root(a={"type": "string", "x-kubernetes-validations": [{"rule": " "}]}),
            ["s.properties[a].x-kubernetes-validations[0].rule: Required value: rule is not specified"],
        ),
        (
            _root(a={"type": "object", "x-kubernetes-embedded-resource": True}),
            [
                "s.properties[a].properties: Required value: must not be empty if x-kubernetes-embedded-resource is "
                "true without x-kubernetes-preserve-unknown-fields"
            ],
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_bad_schemas(schema, texts):
    assert [f"{cause.field}: {cause.message}" for cause in check_schema(schema, "s")] == texts


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        ("^[a-z]([-a-z0-9]*[a-z0-9])?$", ["a", "a-b"], ["a\n", "-"]),
        (r"^\d+\z", ["1"], ["\u0661", "1\n"]),
        ("(?i)abc", ["xABCx"], ["ab"]),
        ("a(?i)b", ["aB"], ["AB"]),
        ("^(?:a|b(?i)c)$", ["bC", "a"], ["A"]),
        ("[[:alpha:]]+", ["a"], ["1"]),
        (r"\pL", ["\u00e9"], ["1"]),
        (r"^[\w.-]+$", ["a.b-c"], ["\u00e9"]),
        (r"^\Qa.b\E$", ["a.b"], ["axb"]),
        ("x{,3}", ["x{,3}"], ["x"]),
        ("(?m)^b$", ["a\nb"], ["a b"]),
        ("^$|^[0-9]+$", ["", "1"], ["a"]),
        ("^[-+]$", ["-"], ["a"]),
    ],
)
def test_patterns_of_go(pattern, matches, others):
    regex = compile_pattern(pattern)
    assert all(regex.search(text) for text in matches)
    assert not any(regex.search(text) for text in others)


@pytest.mark.parametrize(
    "pattern", ["(?=a)", "a**", "(a", "a)", "\\1", "[a", "a{2000}", "+a", "(?<a", "\\y", "a++", "a\\"]
)
def test_what_go_does_not_compile(pattern):
    with pytest.raises(PatternError):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "^(a+)+$", "(a|b)*abb", r"^(\d+(\.\d+)*)?$", "^$", "(?i)^(ab|c)+$", "[^/]+/[^/]+$", "a|", "^a|b$", "(a?){10}a{10}",
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", "a(?s:.)b", "^.*a.*b$", "x{2,5}y?",
        r"^((25[0-5]|2[0-4]\d|1?\d?\d)(\.|$)){4}$", "^(([0-9]+)h)?(([0-9]+)m)?$",
    ],
)  # fmt: skip
def test_the_automaton_is_of_one_mind_with_re(pattern):
    translated = patterns._translate(pattern)
    automaton, regex = build_automaton(translated), re.compile(translated)
    assert automaton is not None
    dice = Random(7)
    for _ in range(500):
        text = "".join(
            dice.choice("ab-.xyz019/A\nhmB" if dice.random() < 0.3 else "ab.1/") for _ in range(dice.randint(0, 12))
        )
        assert bool(automaton.search(text)) == bool(regex.search(text)), text


def test_no_pattern_takes_longer_than_its_text(monkeypatch):
    assert not compile_pattern("^(a+)+$").search("a" * 100_000 + "b")
    assert not compile_pattern("^.*a.*b.*c.*d$").search("abc" * 10_000)
    monkeypatch.setattr(automaton_module, "MAX_SETS", 3)
    small = build_automaton(patterns._translate("^(a|b)*a(a|b){5}$"))
    assert small is not None
    assert small.search("ab" * 50 + "abbbbb")
    assert not small.search("ab" * 50 + "bbbbbb")


OBJ = {
    "spec": {"replicas": 3, "list": [{"name": "a", "n": 1}, {"name": "b", "n": 2}]},
    "metadata": {"labels": {"app.kubernetes.io/name": "x"}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Old", "status": "False"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.replicas", [3]),
        (".spec.absent.more", []),
        (".metadata.labels['app.kubernetes.io/name']", ["x"]),
        (r".metadata.labels.app\.kubernetes\.io/name", ["x"]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        ("[?(@.n>1)]", []),
        (".spec.list[?(@.n>1)].name", ["b"]),
        (".spec.list[*].name", ["a", "b"]),
        (".spec.list[0].name", ["a"]),
        (".spec.list[-1].name", ["b"]),
        (".spec.list[0:1].name", ["a"]),
        (".spec.list[0,1].n", [1, 2]),
        ("..name", ["a", "b"]),
        (".spec.list[5].name", []),
    ],
)
def test_paths(path, found):
    assert compile_path(path)(OBJ) == found


@pytest.mark.parametrize("path", [".a[", ".a[x]", "..", ".a[?(@.b==)]", "a", ".a..", ".a[?(@.b==c)]"])
def test_what_is_no_path(path):
    with pytest.raises(PathError):
        compile_path(path)


def test_field_paths():
    assert field_path(".spec.a['b.c']") == ("spec", "a", "b.c")
    assert field_path(".spec.list[0]") is None
    assert field_path(".spec[*]") is None


def test_types_for_those_who_merge_by_them():
    schema = parse_schema(_root(
        spec=_root(
            pairs=_list_map(["name"], {"name": STRING}, required=["name"]),
            names={"type": "array", "items": STRING, "x-kubernetes-list-type": "set"},
            plain={"type": "array", "items": STRING},
            one={"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"a": STRING}},
            labels={"type": "object", "additionalProperties": STRING},
            free={"x-kubernetes-preserve-unknown-fields": True},
        )
    ))  # fmt: skip
    metadata = Type("struct", "meta.v1.ObjectMeta", "v1.ObjectMeta")
    root = build_type(schema, "Widget", metadata)
    assert root.fields["metadata"].type is metadata
    fields = root.fields["spec"].type.fields
    assert (fields["pairs"].list_type, fields["pairs"].list_map_keys) == ("map", ("name",))
    assert fields["names"].list_type == "set"
    assert fields["plain"].list_type == "atomic"
    assert fields["one"].type.is_atomic
    assert fields["labels"].type.kind == "map"
    assert fields["free"].type.kind == "raw"
