"""The algebra of field sets, against plain sets of paths."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apiserver.meta.field_set import (
    LEAF,
    difference,
    has,
    intersection,
    parse_fields,
    paths,
    set_of_path,
    union,
    within_prefixes,
    without_prefixes,
)

LABELS = st.sampled_from(["f:a", "f:b", 'k:{"name":"c"}', 'v:"x"'])
PATHS = st.sets(st.lists(LABELS, min_size=1, max_size=4).map(tuple), max_size=8)


def tree(members):
    built = {}
    for path in sorted(members):
        built = union(built, set_of_path(path))
    return built


def members_of(node, prefix=()):
    found = set()
    for label, inner in node.items():
        if label == ".":
            continue
        path = (*prefix, label)
        if not inner or "." in inner:
            found.add(path)
        found |= members_of(inner, path)
    return found


@given(PATHS, PATHS)
def test_sets_of_fields_are_sets_of_paths(left, right):
    a, b = tree(left), tree(right)
    assert members_of(a) == left
    assert members_of(union(a, b)) == left | right
    assert members_of(difference(a, b)) == left - right
    assert members_of(intersection(a, b)) == left & right
    assert union(a, b) == tree(left | right)
    assert difference(a, b) == tree(left - right)
    assert intersection(a, b) == tree(left & right)


@given(PATHS, PATHS)
def test_prefixes_take_what_lies_below_them(left, right):
    a, b = tree(left), tree(right)
    below = {path for path in left if any(path[: len(prefix)] == prefix for prefix in right)}
    assert members_of(without_prefixes(a, b)) == left - below
    assert members_of(within_prefixes(a, b)) == below


@given(PATHS)
def test_what_is_written_is_read_again(members):
    node = tree(members)
    assert parse_fields(node) == node
    assert all(has(node, path) for path in members)
    assert len(list(paths(node))) == len(members)
    assert LEAF == {}


def test_paths_are_shown_as_kubernetes_shows_them():
    node = {
        "f:spec": {
            "f:replicas": {},
            "f:containers": {'k:{"name":"c"}': {".": {}, "f:image": {}}},
            "f:ports": {'k:{"port":80,"protocol":"TCP"}': {"f:name": {}}},
            "f:items": {"i:2": {}},
        },
        "f:metadata": {"f:finalizers": {'v:"x"': {}}},
    }
    assert list(paths(node)) == [
        '.metadata.finalizers[="x"]',
        ".spec.replicas",
        '.spec.containers[name="c"]',
        '.spec.containers[name="c"].image',
        ".spec.items[2]",
        '.spec.ports[port=80,protocol="TCP"].name',
    ]


def test_labels_of_clients_become_ours():
    assert parse_fields({'k:{"b": 1, "a":"x"}': {".": {}}}) == {'k:{"a":"x","b":1}': {}}
