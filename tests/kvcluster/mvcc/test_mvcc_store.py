"""The store, rule by rule: etcd's revisions, ranges, deletes, transactions and compaction, each in a few lines."""

from __future__ import annotations

import pytest

from kvcluster.errors import CompactedError, FutureRevisionError
from kvcluster.mvcc import DELETE, PUT, KeyValue, Store

ALL = (b"", b"\x00")


def _fields(kv: KeyValue | None) -> tuple[bytes, bytes, int, int, int, int] | None:
    return kv and (kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.version, kv.lease)


def _keys(store: Store, key: bytes, range_end: bytes = b"", **options: int) -> list[bytes]:
    return [kv.key for kv in store.range(key, range_end, **options).kvs]


def _filled(*keys: bytes) -> Store:
    store = Store()
    for key in keys:
        store.put(key, b"v-" + key)
    return store


# -- revisions --------------------------------------------------------------------------------------------------------


def test_an_empty_store_has_revision_one():
    store = Store()
    assert (store.revision, store.compacted_revision) == (1, -1)
    assert store.range(*ALL) == ([], 0, 1, False)
    assert store.get(b"a") is None
    store._check()


def test_a_put_makes_a_revision_also_with_the_same_value():
    store = Store()
    store.put(b"a", b"1", 7)
    assert _fields(store.get(b"a")) == (b"a", b"1", 2, 2, 1, 7)
    event = store.put(b"a", b"1")
    assert _fields(store.get(b"a")) == (b"a", b"1", 2, 3, 2, 0), "the lease is replaced, create_revision is kept"
    assert event.type == PUT and event.prev is not None and event.prev.lease == 7
    assert store.revision == 3


def test_a_delete_ends_the_generation():
    store = _filled(b"a")
    txn = store.begin()
    assert [kv.key for kv in txn.delete_range(b"a")] == [b"a"]
    (event,) = txn.commit()
    assert event.type == DELETE and _fields(event.kv) == (b"a", b"", 0, 3, 0, 0)
    assert event.prev is not None and event.prev.mod_revision == 2
    created = store.put(b"a", b"again")
    assert _fields(created.kv) == (b"a", b"again", 4, 4, 1, 0)
    assert created.prev is None, "a create has no version before it"


def test_what_changes_nothing_makes_no_revision():
    store = _filled(b"a")
    txn = store.begin()
    assert txn.delete_range(b"b", b"z") == []
    assert txn.revision == 2
    assert txn.commit() == []
    assert store.revision == 2


# -- ranges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "range_end", "found"),
    [
        (b"b", b"", [b"b"]),
        (b"bb", b"", []),
        (b"a", b"c", [b"a", b"b"]),
        (b"b", b"\x00", [b"b", b"c", b"d"]),
        (b"", b"\x00", [b"a", b"b", b"c", b"d"]),
        (b"c", b"a", []),
        (b"c", b"c", []),
        (b"a", b"\xff", [b"a", b"b", b"c", b"d"]),
    ],
)
def test_range_end(key: bytes, range_end: bytes, found: list[bytes]):
    store = _filled(b"a", b"b", b"c", b"d")
    assert _keys(store, key, range_end) == found
    assert _keys(store, key, range_end, revision=store.revision) == found
    store.put(b"later", b"")
    assert _keys(store, key, range_end, revision=store.revision - 1) == found
    assert store.range(key, range_end, revision=store.revision - 1, count_only=True).count == len(found)


def test_limit_cuts_the_pairs_and_not_the_count():
    store = _filled(b"a", b"b", b"c")
    for revision in (0, store.revision):
        result = store.range(*ALL, limit=2, revision=revision)
        assert ([kv.key for kv in result.kvs], result.count, result.more) == ([b"a", b"b"], 3, True)
    assert store.range(*ALL, limit=3).more is False
    assert store.range(*ALL, limit=-1).more is False
    assert store.range(*ALL, limit=1, count_only=True) == ([], 3, 4, False)
    store.put(b"d", b"")
    past = store.range(*ALL, limit=2, revision=4)
    assert ([kv.key for kv in past.kvs], past.count, past.more) == ([b"a", b"b"], 3, True)


def test_count_does_not_see_tombstones():
    store = _filled(b"a", b"b", b"c")
    store_txn = store.begin()
    store_txn.delete_range(b"b")
    store_txn.commit()
    assert store.range(*ALL, count_only=True).count == 2
    assert store.range(*ALL, count_only=True, revision=4).count == 3


def test_the_past_and_the_header():
    """A read at an old revision answers with the store's own revision."""
    store = Store()
    store.put(b"a", b"1")
    store.put(b"a", b"2")
    result = store.range(b"a", revision=2)
    assert result.kvs[0].value == b"1" and result.revision == 3
    assert store.range(b"a", revision=-5).kvs[0].value == b"2", "not above zero: the newest"
    with pytest.raises(FutureRevisionError, match="^etcdserver: mvcc: required revision is a future revision$"):
        store.range(b"a", revision=4)


# -- transactions -----------------------------------------------------------------------------------------------------


def test_a_transaction_is_one_revision_in_order():
    store = _filled(b"a", b"b")
    txn = store.begin()
    txn.put(b"z", b"1")
    txn.delete_range(b"a", b"c")
    txn.put(b"y", b"2", 5)
    events = txn.commit()
    assert [(event.type, event.kv.key) for event in events] == [
        (PUT, b"z"),
        (DELETE, b"a"),
        (DELETE, b"b"),
        (PUT, b"y"),
    ]
    assert {event.kv.mod_revision for event in events} == {4} and store.revision == 4
    store._check()


def test_a_transaction_sees_its_own_writes():
    store = _filled(b"a")
    txn = store.begin()
    assert txn.range(b"a").revision == 2
    txn.put(b"b", b"new")
    assert [kv.key for kv in txn.range(*ALL).kvs] == [b"a", b"b"]
    assert txn.range(*ALL).revision == txn.revision == 3
    assert txn.get(b"b") is not None
    assert [kv.key for kv in txn.range(*ALL, revision=2).kvs] == [b"a"], "a fixed revision does not see them"
    with pytest.raises(FutureRevisionError):
        txn.range(*ALL, revision=3)
    txn.commit()


def test_rollback_leaves_no_trace():
    store = _filled(b"a", b"b")
    before = store.snapshot()
    txn = store.begin()
    txn.put(b"a", b"2")
    txn.delete_range(b"", b"\x00")
    txn.put(b"b", b"back")
    txn.put(b"new", b"")
    txn.rollback()
    assert store.snapshot() == before and store.revision == 3
    store._check()
    store.put(b"c", b"")
    assert store.revision == 4


def test_one_transaction_at_a_time_and_none_after_its_end():
    store = Store()
    txn = store.begin()
    for forbidden in (store.begin, lambda: store.put(b"a", b""), store.snapshot):
        with pytest.raises(RuntimeError, match="open"):
            forbidden()
    txn.commit()
    with pytest.raises(RuntimeError, match="ended"):
        txn.put(b"a", b"")
    txn.rollback()
    store.put(b"a", b"")


# -- compaction -------------------------------------------------------------------------------------------------------


def test_compaction_is_visible_at_once():
    store = Store()
    for value in (b"1", b"2", b"3"):
        store.put(b"a", value)
    store.compact(3)
    assert store.range(b"a", revision=3).kvs[0].value == b"2", "the compacted revision itself can be read"
    with pytest.raises(CompactedError, match="^etcdserver: mvcc: required revision has been compacted$") as caught:
        store.range(b"a", revision=2)
    assert caught.value.compact_revision == 3
    for revision in (3, 2, 0, -7):
        with pytest.raises(CompactedError):
            store.compact(revision)
    with pytest.raises(FutureRevisionError):
        store.compact(5)
    store.compact(4)


def test_compaction_at_zero_works_once():
    store = Store()
    store.compact(0)
    with pytest.raises(CompactedError):
        store.compact(0)
    assert store.compact_step() is False
    store.compact(1)
    store._check()


def test_a_tombstone_at_the_compacted_revision_is_kept():
    """So that a watch that starts there still sees the delete (etcd 3.4.34, 3.5.16)."""
    store = _filled(b"a")
    txn = store.begin()
    txn.delete_range(b"a")
    txn.commit()
    store.compact(3)
    while store.compact_step():
        pass
    ((revision, (event,)),) = store.events(b"a", b"", 3)
    assert (revision, event.type, event.kv.key) == (3, DELETE, b"a")
    assert event.prev is None, "what was before the compacted revision is not told"
    store.put(b"b", b"")
    store.compact(4)
    assert store.compact_step() is False
    assert b"a" not in store._index.keys_from(b"", 9), "the next compaction takes it"
    store._check()


def test_physical_compaction_goes_in_steps():
    store = Store()
    for number in range(100):
        store.put(b"a", b"%d" % number)
    full_bytes = store.size_bytes
    store.compact(100)
    sizes = [store.size_bytes]
    while store.compact_step(30):
        sizes.append(store.size_bytes)
        store._check()
    assert sizes[0] == full_bytes and sizes == sorted(sizes, reverse=True) and len(sizes) == 4
    assert len(store._index.versions_of(b"a")) == 2
    store._check()
    with pytest.raises(ValueError, match="at least 1"):
        store.compact_step(0)


def test_a_compaction_may_overtake_another():
    store = Store()
    for number in range(50):
        store.put(b"k%d" % (number % 3), b"")
    store.compact(20)
    store.compact_step(5)
    store.compact(40)
    while store.compact_step(7):
        store._check()
    assert [revision for revision, _ in store.events(b"", b"\x00", 40)] == list(range(40, 52))


# -- history ----------------------------------------------------------------------------------------------------------


def test_events_of_a_range():
    store = _filled(b"a", b"b", b"a", b"c", b"a")
    assert [revision for revision, _ in store.events(b"a", b"", 0)] == [2, 4, 6]
    assert [revision for revision, _ in store.events(b"a", b"c", 3, 4)] == [3, 4]
    assert [revision for revision, _ in store.events(b"", b"\x00", 2, 0, 2)] == [2, 3]
    assert store.events(b"a", b"", 7) == []
    store.compact(4)
    with pytest.raises(CompactedError):
        store.events(b"a", b"", 3)
    assert [revision for revision, _ in store.events(b"a", b"", 4)] == [4, 6]


def test_batches_begin_where_asked():
    store = _filled(b"a", b"b", b"c")
    assert [batch[0].kv.mod_revision for batch in store.batches(3, 10)] == [3, 4]
    assert [batch[0].kv.mod_revision for batch in store.batches(1, 2)] == [2]
    assert store.batches(5, 3) == []


# -- hash -------------------------------------------------------------------------------------------------------------


def test_hash_tells_states_apart_and_ignores_physical_progress():
    store, other = _filled(b"a", b"b", b"a"), _filled(b"a", b"b", b"a")
    assert store.hash() == other.hash() and store.hash(3) == other.hash(3) != store.hash()
    store.compact(3)
    other.compact(3)
    while store.compact_step(1):
        pass
    assert store.hash() == other.hash() == Store.restore(store.snapshot()).hash()
    assert store.snapshot() == other.snapshot()
    with pytest.raises(CompactedError):
        store.hash(2)
    with pytest.raises(FutureRevisionError):
        store.hash(5)
    other.put(b"a", b"x")
    store.put(b"a", b"y")
    assert store.hash() != other.hash() and store.hash(4) == other.hash(4)
