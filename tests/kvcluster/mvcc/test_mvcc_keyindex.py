"""The worked example of kvcluster/mvcc/keyindex.py, executed."""

from __future__ import annotations

import pytest

from kvcluster.mvcc import KeyValue
from kvcluster.mvcc.keyindex import as_list, newest_of, superseded, version_at, version_before

# put a=1 @2, put a=2 @4, delete a @6, put a=3 @9
VERSIONS = [
    KeyValue(b"a", b"1", 2, 2, 1),
    KeyValue(b"a", b"2", 2, 4, 2),
    KeyValue(b"a", b"", 0, 6, 0),
    KeyValue(b"a", b"3", 9, 9, 1),
]


@pytest.mark.parametrize(
    ("revision", "value"),
    [(1, None), (2, b"1"), (3, b"1"), (4, b"2"), (5, b"2"), (6, None), (8, None), (9, b"3"), (100, b"3")],
)
def test_version_at(revision: int, value: bytes | None):
    found = version_at(VERSIONS, revision)
    assert (found.value if found else None) == value


@pytest.mark.parametrize(
    ("compacted", "gone"), [(1, 0), (2, 0), (3, 0), (4, 1), (5, 1), (6, 2), (7, 3), (8, 3), (9, 3), (50, 3)]
)
def test_superseded(compacted: int, gone: int):
    assert superseded(VERSIONS, compacted) == gone


def test_the_last_change_of_a_revision_counts():
    """One transaction that changes a key twice leaves two versions with one mod_revision."""
    twice = [KeyValue(b"a", b"1", 2, 2, 1), KeyValue(b"a", b"2", 2, 2, 2)]
    seen = version_at(twice, 2)
    assert seen is twice[1]
    assert superseded(twice, 2) == 1
    assert version_before(twice, twice[1]) is twice[0] and version_before(twice, twice[0]) is None


def test_the_version_before():
    befores = [version_before(VERSIONS, kv) for kv in VERSIONS]
    assert befores == [None, VERSIONS[0], VERSIONS[1], None], "a create has none before it, not even the tombstone"


def test_one_version_needs_no_list():
    alone, tombstone = VERSIONS[0], VERSIONS[2]
    assert newest_of(alone) is alone and as_list(alone) == [alone]
    assert version_at(alone, 2) is alone and version_at(alone, 1) is None and version_at(tombstone, 9) is None
    assert superseded(alone, 9) == 0 and [superseded(tombstone, at) for at in (5, 6, 7)] == [0, 0, 1]
    assert version_before(alone, alone) is None
