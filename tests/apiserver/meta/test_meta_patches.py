"""JSON Patch and JSON Merge Patch against slow twins, and the answers to patches that do not fit."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.errors import StatusError
from apiserver.meta import json_patch, merge_patch

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from(["x", "y", "~", "a/b"]))
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc~/"), inner, max_size=3)),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc~/"), JSON, max_size=4)


def _merge_twin(target: Any, patch: Any) -> Any:
    """RFC 7386, section 2, word for word."""
    if isinstance(patch, dict):
        if not isinstance(target, dict):
            target = {}
        target = copy.deepcopy(target)
        for name, value in patch.items():
            if value is None:
                if name in target:
                    del target[name]
            else:
                target[name] = _merge_twin(target.get(name), value)
        return target
    return patch


@given(JSON, JSON)
def test_merge_patch_against_the_rfc(target: Any, patch: Any):
    before = copy.deepcopy(target)
    assert merge_patch(target, patch) == _merge_twin(target, patch)
    assert target == before


def _diff(old: Any, new: Any, path: str = "") -> list[dict[str, Any]]:
    """A JSON patch from one value to another: the twin writes, json_patch must read."""
    if type(old) is type(new) and old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        operations: list[dict[str, Any]] = []
        for key in [*old, *(key for key in new if key not in old)]:
            where = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
            if key not in new:
                operations.append({"op": "remove", "path": where})
            elif key not in old:
                operations.append({"op": "add", "path": where, "value": new[key]})
            else:
                operations += _diff(old[key], new[key], where)
        return operations
    if isinstance(old, list) and isinstance(new, list):
        operations = [{"op": "remove", "path": f"{path}/0"} for _ in old]
        return operations + [{"op": "add", "path": f"{path}/-", "value": value} for value in new]
    return [{"op": "replace", "path": path, "value": new}]


@given(OBJECTS, OBJECTS)
def test_json_patch_turns_any_object_into_any_other(old: dict[str, Any], new: dict[str, Any]):
    before = copy.deepcopy(old)
    assert json_patch(old, _diff(old, new)) == new
    assert old == before


DOCUMENT = {"a": {"b": [1, 2, 3]}, "~/": "odd"}


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "add", "path": "/a/b/1", "value": 9}], {"a": {"b": [1, 9, 2, 3]}, "~/": "odd"}),
        ([{"op": "move", "from": "/a/b/0", "path": "/first"}], {"a": {"b": [2, 3]}, "~/": "odd", "first": 1}),
        ([{"op": "copy", "from": "/a/b", "path": "/c"}], {**DOCUMENT, "c": [1, 2, 3]}),
        ([{"op": "test", "path": "/~0~1", "value": "odd"}], DOCUMENT),
        ([{"op": "test", "path": "/a/b/0", "value": 1.0}], DOCUMENT),
        ([{"op": "replace", "path": "", "value": {"n": 1}}], {"n": 1}),
    ],
)
def test_operations(operations: list[dict[str, Any]], expected: Any):
    assert json_patch(DOCUMENT, operations) == expected


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a/b/0", "value": 2},
        {"op": "test", "path": "/a/b/0", "value": True},  # true is not 1
        {"op": "remove", "path": "/zz"},
        {"op": "remove", "path": ""},
        {"op": "replace", "path": "/zz", "value": 1},
        {"op": "add", "path": "/zz/a", "value": 1},
        {"op": "add", "path": "/a/b/4", "value": 1},
        {"op": "add", "path": "/a/b/01", "value": 1},
        {"op": "add", "path": "/a/b/x", "value": 1},
        {"op": "remove", "path": "/a/b/-"},
        {"op": "move", "from": "/a", "path": "/a/b/0"},
        {"op": "copy", "from": "/zz", "path": "/y"},
        {"op": "add", "path": "zz", "value": 1},
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing(operation: dict[str, Any]):
    document = copy.deepcopy(DOCUMENT)
    with pytest.raises(StatusError) as refusal:
        json_patch(document, [{"op": "add", "path": "/new", "value": 1}, operation])
    assert refusal.value.code == 422
    assert refusal.value.message == "the server rejected our request due to an error in our request"
    assert document == DOCUMENT


@pytest.mark.parametrize(
    "operations",
    [{"a": 1}, "x", [1], [{"op": "add"}], [{"op": "add", "path": "/a"}],
     [{"op": "move", "path": "/a"}]],
)  # fmt: skip
def test_what_is_not_a_patch_is_a_bad_request(operations: Any):
    with pytest.raises(StatusError) as refusal:
        json_patch(DOCUMENT, operations)
    assert refusal.value.code == 400


def test_patches_are_bounded():
    with pytest.raises(StatusError) as refusal:
        json_patch({}, [{"op": "add", "path": "/a", "value": 1}] * 10_001)
    assert refusal.value.code == 413
    doubling = [{"op": "copy", "from": "/a", "path": f"/a/{step}"} for step in range(40)]
    with pytest.raises(StatusError) as refusal:
        json_patch({"a": {}}, doubling)
    assert refusal.value.code == 413
