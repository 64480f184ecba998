"""Strategic merge: the documented directives, the order of lists, and agreement with the merge patch elsewhere."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.errors import StatusError
from apiserver.meta import Types, merge_patch, strategic_merge

MERGED = {"s": "merge", "k": "name"}
TYPES = Types(
    {
        "Item": {"f": {"name": "string", "value": "string", "tags": ["[string]", {"s": "merge"}]}},
        "Spec": {
            "f": {
                "items": ["[Item]", MERGED],
                "plain": "[Item]",
                "finalizers": ["[string]", {"s": "merge"}],
                "labels": "{string}",
                "strategy": ["Strategy", {"s": "retainKeys"}],
                "atomic": ["Strategy", {"s": "replace"}],
            }
        },
        "Strategy": {"f": {"type": "string", "rolling": "{string}"}},
    }
)
SPEC = TYPES.get("Spec")


def merge(original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    before = copy.deepcopy((original, patch))
    result = strategic_merge(original, patch, SPEC)
    assert (original, patch) == before
    return result


def items(*names: str) -> list[dict[str, Any]]:
    return [{"name": name} for name in names]


def names(obj: dict[str, Any]) -> list[str]:
    return [item["name"] for item in obj["items"]]


def test_lists_merge_by_key():
    original = {"items": [{"name": "a", "value": "1", "tags": ["x"]}, {"name": "b"}]}
    patch = {"items": [{"name": "a", "value": "2", "tags": ["y"]}]}
    assert merge(original, patch) == {"items": [{"name": "a", "value": "2", "tags": ["y", "x"]}, {"name": "b"}]}


def test_lists_without_a_strategy_are_replaced():
    assert merge({"plain": items("a", "b")}, {"plain": items("c")}) == {"plain": items("c")}


def test_null_removes():
    assert merge({"labels": {"a": "1", "b": "2"}, "plain": []}, {"labels": {"a": None}, "plain": None}) == {
        "labels": {"b": "2"}
    }


def test_new_items_come_first():
    """What kube-apiserver answers, too: a container patched in stands before those that were there."""
    assert names(merge({"items": items("c")}, {"items": items("d")})) == ["d", "c"]


def test_items_that_only_the_server_has_keep_their_place():
    original = {"items": items("a", "b", "c", "d")}
    assert names(merge(original, {"items": items("b")})) == ["a", "b", "c", "d"]
    assert names(merge(original, {"items": items("d", "b")})) == ["a", "c", "d", "b"]


def test_delete_directive():
    patch = {"items": [{"name": "d", "value": "new"}, {"name": "c", "$patch": "delete"}]}
    assert merge({"items": items("c", "b")}, patch) == {"items": [{"name": "d", "value": "new"}, {"name": "b"}]}
    assert merge({"items": items("a")}, {"items": [{"name": "zz", "$patch": "delete"}]}) == {"items": items("a")}


def test_replace_directive():
    original = {"items": items("a", "b"), "labels": {"a": "1"}}
    assert merge(original, {"items": [*items("c"), {"$patch": "replace"}]})["items"] == items("c")
    assert merge(original, {"labels": {"b": "2", "$patch": "replace"}})["labels"] == {"b": "2"}
    assert merge(original, {"labels": {"$patch": "delete"}})["labels"] == {}


def test_maps_with_the_replace_strategy():
    assert merge({"atomic": {"type": "a", "rolling": {"x": "1"}}}, {"atomic": {"type": "b"}}) == {
        "atomic": {"type": "b"}
    }


def test_retain_keys():
    original = {"strategy": {"type": "RollingUpdate", "rolling": {"max": "1"}}}
    patch = {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}
    assert merge(original, patch) == {"strategy": {"type": "Recreate"}}
    with pytest.raises(StatusError, match="invalid patch format of retainKeys"):
        merge(original, {"strategy": {"$retainKeys": ["type"], "rolling": {}}})


def test_set_element_order():
    original = {"items": items("a", "b", "c")}
    order = {"$setElementOrder/items": items("c", "a", "new")}
    result = merge(original, {**order, "items": [{"name": "new"}]})
    assert names(result) == ["b", "c", "a", "new"]
    assert names(merge(original, order)) == ["b", "c", "a"]
    with pytest.raises(StatusError, match="doesn't match"):
        merge(original, {"$setElementOrder/items": items("a"), "items": items("z")})


def test_scalar_lists():
    original = {"finalizers": ["a", "b"]}
    assert merge(original, {"finalizers": ["c", "a"]})["finalizers"] == ["c", "a", "b"]
    assert merge(original, {"$deleteFromPrimitiveList/finalizers": ["a", "z"]})["finalizers"] == ["b"]
    patch = {
        "$setElementOrder/finalizers": ["b", "c"],
        "finalizers": ["c"],
        "$deleteFromPrimitiveList/finalizers": ["a"],
    }
    assert merge(original, patch)["finalizers"] == ["b", "c"]


def test_directives_do_not_leak_into_new_parts():
    patch = {"items": [{"name": "a", "tags": ["x"], "value": None}], "strategy": {"$retainKeys": ["type"], "type": "x"}}
    assert merge({}, patch) == {"items": [{"name": "a", "tags": ["x"]}], "strategy": {"type": "x"}}


@pytest.mark.parametrize(
    "patch",
    [
        [],
        "x",
        {"$patch": "grow"},
        {"items": [{"name": "a", "$patch": "grow"}]},
        {"items": ["x"]},
        {"items": [{"value": "no key"}]},
        {"$setElementOrder/items": "x", "items": items("a")},
        {"$deleteFromPrimitiveList/finalizers": "x"},
        {"strategy": {"$retainKeys": "x"}},
    ],
)
def test_misused_directives_are_refused(patch: Any):
    with pytest.raises(StatusError):
        strategic_merge({"items": items("a"), "finalizers": ["a"]}, patch, SPEC)


LEAVES = st.one_of(st.none(), st.integers(0, 3), st.lists(st.integers(0, 3), max_size=2))
MAPS = st.recursive(
    LEAVES, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
).filter(lambda value: isinstance(value, dict))


@given(MAPS, MAPS)
def test_without_a_schema_it_is_a_merge_patch(original: dict[str, Any], patch: dict[str, Any]):
    assert strategic_merge(original, patch, None) == merge_patch(original, patch)


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.lists(st.sampled_from("abcdef"), unique=True))
def test_order_of_merged_lists(before: list[str], patch: list[str]):
    """All of both, the patch's items in the patch's order, the server's own in theirs."""
    result = names(merge({"items": items(*before)}, {"items": items(*patch)}))
    assert sorted(result) == sorted({*before, *patch})
    assert [name for name in result if name in patch] == patch
    assert [name for name in result if name not in patch] == [name for name in before if name not in patch]
