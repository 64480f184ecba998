"""Decoding by type: canonical form, unknown fields, and Go's words for what does not fit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiserver.meta import DecodeError, Types, decode_typed

TABLE = {
    "x.v1.Thing": {"f": {"kind": "string", "spec": "x.v1.ThingSpec", "raw": "raw"}},
    "x.v1.ThingSpec": {
        "f": {
            "name": "string",
            "small": "int32",
            "large": "int64",
            "ratio": "double",
            "on": "boolean",
            "data": "{bytes}",
            "amount": "quantity",
            "amounts": "{quantity}",
            "when": "time",
            "precisely": "microtime",
            "port": "int-or-string",
            "parts": "[x.v1.ThingSpec]",
            "needed": "[string]",
            "labels": "{string}",
        },
        "r": ["needed"],
    },
}
# As the real table is: read from JSON, so that no text in it is the same object as a constant.
TYPES = Types(json.loads(json.dumps(TABLE)))
THING = TYPES.get("x.v1.Thing")


def decode(spec: Any) -> tuple[Any, list[str]]:
    obj = {"kind": "Thing", "spec": spec}
    unknown = decode_typed(obj, THING)
    return obj.get("spec"), unknown


def test_canonical_form():
    spec = {
        "amount": "1000m",
        "amounts": {"cpu": 0.5},
        "when": "2026-01-02T05:04:05.5+02:00",
        "precisely": "2026-01-02T03:04:05Z",
        "data": {"a": "aGk=\n"},
        "name": None,
        "labels": {},
        "parts": [{"amount": "1024Ki", "parts": []}, None],
        "needed": [],
    }
    assert decode(spec) == (
        {
            "amount": "1",
            "amounts": {"cpu": "500m"},
            "when": "2026-01-02T03:04:05Z",
            "precisely": "2026-01-02T03:04:05.000000Z",
            "data": {"a": "aGk="},
            "parts": [{"amount": "1Mi"}, {}],
            "needed": [],
        },
        [],
    )


def test_unknown_fields_are_dropped_and_named():
    spec = {"bogus": 1, "parts": [{}, {"x": {"y": 1}}], "labels": {"any": "key"}}
    assert decode(spec) == (
        {"parts": [{}, {}], "labels": {"any": "key"}},
        ["spec.bogus", "spec.parts[1].x"],
    )


def test_raw_fields_are_left_alone():
    obj = {"raw": {"a": None, "b": [], "c": {"d": 1}}}
    assert decode_typed(obj, THING) == []
    assert obj == {"raw": {"a": None, "b": [], "c": {"d": 1}}}


GO = "json: cannot unmarshal"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("x", f"{GO} string into Go struct field Thing.spec of type v1.ThingSpec"),
        ({"name": 1}, f"{GO} number into Go struct field ThingSpec.spec.name of type string"),
        ({"small": "1"}, f"{GO} string into Go struct field ThingSpec.spec.small of type int32"),
        ({"small": 2**31}, f"{GO} number 2147483648 into Go struct field ThingSpec.spec.small of type int32"),
        ({"large": 1.5}, f"{GO} number 1.5 into Go struct field ThingSpec.spec.large of type int64"),
        ({"small": True}, f"{GO} bool into Go struct field ThingSpec.spec.small of type int32"),
        ({"on": "yes"}, f"{GO} string into Go struct field ThingSpec.spec.on of type bool"),
        ({"ratio": "1"}, f"{GO} string into Go struct field ThingSpec.spec.ratio of type float64"),
        ({"parts": {}}, f"{GO} object into Go struct field ThingSpec.spec.parts of type []v1.ThingSpec"),
        ({"parts": [{"name": []}]}, f"{GO} array into Go struct field ThingSpec.spec.parts.name of type string"),
        ({"labels": {"a": 1}}, f"{GO} number into Go struct field ThingSpec.spec.labels.a of type string"),
        ({"labels": []}, f"{GO} array into Go struct field ThingSpec.spec.labels of type map[string]string"),
        ({"port": 1.5}, f"{GO} number 1.5 into Go value of type int32"),
        ({"data": {"a": "*"}}, "illegal base64 data at input byte 0"),
        ({"data": {"a": "aGk"}}, "illegal base64 data at input byte 0"),
        ({"when": "soon"}, 'parsing time "soon" as "2006-01-02T15:04:05Z07:00": cannot parse "soon" as "2006"'),
        ({"amount": {}}, "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
    ],
)
def test_what_does_not_fit_is_refused_in_the_words_of_go(spec: Any, message: str):
    with pytest.raises(DecodeError) as refusal:
        decode(spec)
    assert str(refusal.value) == message


def test_int_or_string_keeps_its_type():
    assert decode({"port": "http"})[0] == {"port": "http"}
    assert decode({"port": 80})[0] == {"port": 80}


def test_unknown_definitions_are_a_programming_error():
    with pytest.raises(KeyError):
        TYPES.get("x.v1.Other")
