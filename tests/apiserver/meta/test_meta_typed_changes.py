"""Decoding what changed: the same result as decoding everything, wherever the changes are."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.kinds import find_type
from apiserver.meta import DecodeError, decode_changed, decode_typed

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "labels": {"x": "1"}, "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1},
    "spec": {"containers": [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "1"}}}], "hostNetwork": True},
    "status": {"phase": "Running"},
}
IMAGE, CPU = ("spec", "containers", 0, "image"), ("spec", "containers", 0, "resources", "limits", "cpu")
PATHS: list[tuple[Any, ...]] = [
    ("metadata",), ("metadata", "labels"), ("metadata", "labels", "x"), ("metadata", "generation"), ("metadata", "bogus"),
    ("spec",), ("spec", "containers"), IMAGE, CPU, ("spec", "hostNetwork"), ("spec", "nodeSelector"), ("spec", "tolerations"),
    ("status",), ("status", "phase"), ("bogus",), ("metadata", "creationTimestamp"), ("metadata", "annotations"), ("kind",),
]  # fmt: skip
VALUES = [
    None, {}, [], "", "1000m", 1, True, 1.5, {"a": "b"}, {"a": None}, [{"name": "d"}], ["x"], [None], "2026-01-01T01:00:00+01:00"
]  # fmt: skip


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    obj: Any = copy.deepcopy(POD)
    inside = obj
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = copy.deepcopy(value)
    return obj


def outcome(decode, obj: dict[str, Any]) -> Any:
    try:
        unknown = decode(obj)
    except DecodeError as error:
        return str(error)
    return sorted(unknown), json.dumps(obj, sort_keys=True)


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_one_change_is_decoded_as_if_everything_was(path):
    pod = find_type("core.v1.Pod")
    for value in VALUES:
        whole, part = changed(path, value), changed(path, value)
        wanted = outcome(lambda obj: decode_typed(obj, pod), whole)
        assert outcome(lambda obj: decode_changed(obj, pod, POD), part) == wanted, value


@given(
    st.lists(st.tuples(st.sampled_from([path for path in PATHS if len(path) > 1]), st.sampled_from(VALUES)), max_size=3)
)
def test_several_changes(changes):
    pod = find_type("core.v1.Pod")
    obj: Any = copy.deepcopy(POD)
    for path, value in changes:
        inside = obj
        for step in path[:-1]:
            if isinstance(inside, list) and isinstance(step, int) and step < len(inside):
                inside = inside[step]
            elif isinstance(inside, dict):
                inside = inside.setdefault(step, {})
        if isinstance(inside, dict):
            inside[path[-1]] = copy.deepcopy(value)
    other = copy.deepcopy(obj)
    assert outcome(lambda obj: decode_typed(obj, pod), obj) == outcome(lambda obj: decode_changed(obj, pod, POD), other)


def test_what_is_the_same_is_not_looked_at(monkeypatch):
    """A label of a pod: its containers are no matter."""
    pod = find_type("core.v1.Pod")
    seen: list[str] = []
    obj = changed(("metadata", "labels", "x"), "2")

    def count(struct, type_, *rest):
        seen.append(type_.name)
        return original(struct, type_, *rest)

    from apiserver.meta import typed

    original = typed._decode_struct
    monkeypatch.setattr(typed, "_decode_struct", count)
    monkeypatch.setitem(typed._DECODERS, typed.STRUCT, count)
    assert decode_changed(obj, pod, POD) == []
    assert [name.rpartition(".")[2] for name in seen] == ["Pod", "ObjectMeta"]
