"""Strict decoding: duplicates found, bounds kept, mistakes named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.errors import StatusError
from apiserver.meta import MAX_OBJECTS, decode_json, decode_patch, decode_yaml, encode


def test_duplicates_are_found_at_any_depth_and_in_any_disguise():
    assert decode_json(b'{"a":1}').duplicates == ()
    assert decode_json(b'{"a":1,"a":2}')[:2] == ({"a": 2}, ("a",))
    assert decode_json(b'{"m":[{"b":{"c":1,"c":1}}]}').duplicates == ("m[0].b.c",)
    assert decode_json(b'{"a":1,"\\u0061":2}').duplicates == ("a",)
    assert decode_patch(b'{"a":1,"a":2}')[:2] == ({"a": 2}, ("a",))
    assert decode_json(b'{"x":"\\u0022\\u0022","a":1,"a":2}').duplicates == ("a",)


TEXTS = st.text(alphabet='ab"\\/\n\u00e9\u2028', max_size=4)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=10,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.booleans(), st.booleans())
def test_no_false_alarm_and_no_loss(obj: dict[str, Any], ascii_only: bool, indented: bool):
    body = json.dumps(obj, ensure_ascii=ascii_only, indent=2 if indented else None).encode()
    assert decode_json(body)[:2] == (obj, ())
    assert decode_json(encode(obj))[:2] == (obj, ())


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=3), VALUES)
def test_every_duplicate_is_found(obj: dict[str, Any], other: Any):
    key = next(iter(obj))
    body = json.dumps(obj)[:-1] + f",{json.dumps(key)}:{json.dumps(other)}}}"
    assert decode_json(body.encode()).duplicates[-1:] == (key,)


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"a":', b'{"a":1,}', b"{'a':1}", b'{"a":NaN}', b"\xff", b'{"a":"\xff"}', b"{} {}", b"null"]
)
def test_what_is_not_an_object_is_refused(body: bytes):
    with pytest.raises(StatusError) as refusal:
        decode_json(body, "Pod")
    assert refusal.value.code == 400
    assert refusal.value.message.startswith("the object provided is unrecognized (must be of type Pod): couldn't get")


def test_bounds():
    with pytest.raises(StatusError) as refusal:
        decode_json(b'{"a":"' + b"x" * 100 + b'"}', max_bytes=50)
    assert refusal.value.code == 413
    for depth in (300, 100_000):
        with pytest.raises(StatusError) as refusal:
            decode_json(b'{"a":' + b"[" * depth + b"]" * depth + b"}")
        assert refusal.value.code == 400


def test_yaml():
    body = b"kind: Pod\nmetadata:\n  name: x\n  date: 2020-01-01\n  name: y\n1: yes\n"
    decoded = decode_yaml(body)
    assert decoded.obj == {"kind": "Pod", "metadata": {"name": "y", "date": "2020-01-01"}, "1": True}
    assert decoded.lines == ('line 5: key "name" already set in map',)


@pytest.mark.parametrize(
    "body", [b"", b"- a", b"a: [", b"a: !!python/object:os.system {}", b"a: b\n---\nc: d", b"\xff"]
)
def test_unreadable_yaml(body: bytes):
    with pytest.raises(StatusError) as refusal:
        decode_yaml(body)
    assert refusal.value.code == 400


def test_yaml_bombs_are_defused():
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(StatusError, match="excessive aliasing"):
        decode_yaml("\n".join(lines).encode())
    with pytest.raises(StatusError):
        decode_yaml(b"a: &a\n  b: *a\n")


def test_objects_are_bounded():
    """Three million braces fit into a body, and each would be looked at by every step of a write."""
    body = b'{"a":[' + b",".join([b"{}"] * MAX_OBJECTS) + b"]}"
    with pytest.raises(StatusError) as refusal:
        decode_json(body)
    assert refusal.value.code == 413
    # Braces in a text are no objects.
    assert len(decode_json(b'{"a":"' + b"{" * (2 * MAX_OBJECTS) + b'"}').obj["a"]) == 2 * MAX_OBJECTS


@pytest.mark.parametrize("body", [b"- " * 100_000, b"[" * 100_000, b"a: " + b"{a: " * 10_000, b"? " * 50_000])
def test_yaml_is_measured_before_it_is_read(body: bytes):
    with pytest.raises(StatusError) as refusal:
        decode_yaml(body)
    assert refusal.value.code == 400
