"""What is remembered of a text gives what looking at it would give, and does not grow."""

from __future__ import annotations

import copy
import json

import pytest

from apiserver.kinds import find_type
from apiserver.meta import DecodeError, Remembered, decode_typed, remembered, typed

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1000m"}}, "ports": None}], "tolerations": []},
    "status": {"phase": "Running"},
    "metadata": {"name": "a"},
}


def test_a_spec_that_comes_again_becomes_the_same_and_is_nobody_elses():
    pod = find_type("core.v1.Pod")
    first, second = copy.deepcopy(POD), copy.deepcopy(POD)
    assert decode_typed(first, pod) == decode_typed(second, pod) == []
    assert first == second
    assert second["spec"] == {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}}}]}
    assert first["spec"]["containers"] is not second["spec"]["containers"]
    second["spec"]["containers"].clear()
    third = copy.deepcopy(POD)
    decode_typed(third, pod)
    assert third == first


def test_what_is_wrong_is_told_every_time():
    pod = find_type("core.v1.Pod")
    for _ in range(2):
        unknown = {**copy.deepcopy(POD), "spec": {"bogus": 1, "containers": []}}
        assert decode_typed(unknown, pod) == ["spec.bogus"]
        with pytest.raises(DecodeError):
            decode_typed({**copy.deepcopy(POD), "spec": {"hostNetwork": "yes"}}, pod)


def test_true_is_not_one():
    pod = find_type("core.v1.Pod")
    decode_typed({"spec": {"hostNetwork": True}}, pod)
    with pytest.raises(DecodeError):
        decode_typed({"spec": {"hostNetwork": 1}}, pod)


def test_it_is_bounded():
    found: Remembered[int] = Remembered()
    for number in range(3 * remembered.MAX_ENTRIES):
        found.keep(found.key_of("x", {"n": number}), number)
    assert len(found) <= remembered.MAX_ENTRIES
    assert found.key_of("x", "y" * (remembered.MAX_BYTES + 1)) is None
    assert found.key_of("x", {"n": 10**30}) is None
    assert found.find(None) is None
    assert len(typed._specs) <= remembered.MAX_ENTRIES
    assert json.dumps(POD)
