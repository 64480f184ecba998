"""What a put and a get cost, in calls of our own functions (not in seconds), and what stays in memory."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from kvcluster.mvcc import KeyValue, Store, compaction, records
from kvcluster.mvcc.history import BLOCK, LARGE_BATCH
from kvcluster.mvcc.index import Index
from kvcluster.mvcc.keyindex import as_list


def own_calls(action: Callable[[], object]) -> list[str]:
    """The names of the functions of kvcluster that `action` calls."""
    names: list[str] = []

    def profile(frame, kind, _):
        if kind == "call" and "/kvcluster/" in frame.f_code.co_filename and "/tests/" not in frame.f_code.co_filename:
            names.append(frame.f_code.co_name)

    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
    return names


def test_a_put_is_five_calls_and_encodes_nothing():
    store = Store()
    store.put(b"a", b"1")
    assert own_calls(lambda: store.put(b"a", b"2")) == ["put", "put", "__init__", "__init__", "append"]
    assert own_calls(lambda: store.put(b"new", b"2")) == ["put", "put", "__init__", "__init__", "append"]


def test_a_get_is_two_calls_however_long_the_past():
    store = Store()
    for number in range(500):
        store.put(b"a", b"%d" % number)
    assert own_calls(lambda: store.get(b"a")) == ["get", "find"]


def test_a_newest_range_does_not_walk_versions():
    """The calls do not grow with the versions, the tombstones or the keys."""
    store = Store()
    for number in range(300):
        store.put(b"k%d" % (number % 100), b"")
    txn = store.begin()
    txn.delete_range(b"k2", b"k3")
    txn.commit()
    store.compact(100)
    assert len(own_calls(lambda: store.range(b"k", b"l"))) <= 5
    assert len(own_calls(lambda: store.range(b"k", b"l", count_only=True))) <= 5
    assert len(own_calls(lambda: store.range(b"k", b"l", limit=3))) <= 7


def test_encoded_events_are_kept_for_a_window_only():
    """The records of old events keep no bytes; a late watcher's are made again, equal, and leave none behind."""
    store = Store()
    events = []
    for number in range(3 * BLOCK):
        event = store.put(b"k%d" % (number % 5), b"v%d" % number)
        event.wire_with_prev()
        events.append(event)
    kept = [event.kv._wire is not None for event in events]
    assert not any(kept[:BLOCK]) and all(kept[-BLOCK:])
    (again,) = store.batches(events[7].kv.mod_revision, 1)[0]
    assert again is not events[7] and again.kv is events[7].kv and again.prev is events[7].prev
    assert again.wire() == events[7].wire() and again.wire_with_prev() == events[7].wire_with_prev()
    assert again.kv._wire is None and again.prev._wire is None


def test_the_bytes_that_readers_leave_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(records, "KEPT_BYTES", 5000)
    store = Store()
    for number in range(100):
        store.put(b"k%d" % number, b"v" * 200)
    bodies = [store.range(b"k", b"l").body() for _ in range(2)]
    kept = [kv for kv in store.range(b"k", b"l").kvs if kv._wire is not None]
    assert bodies[0] == bodies[1] and 0 < sum(len(kv.wire) for kv in kept) <= 5000


def test_large_events_count_whoever_they_were_made_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(records, "KEPT_BYTES", 100_000)
    store = Store()
    events = [store.put(b"k%d" % number, b"v" * records.SMALL_BYTES) for number in range(100)]
    wires = [event.wire() for event in events]
    kept = [owner._wire for event in events for owner in (event, event.kv) if owner._wire is not None]
    assert 0 < sum(map(len, kept)) <= 100_000
    assert [event.wire() for event in events] == wires


def test_a_key_with_one_version_is_its_record_and_nothing_else():
    """No list, no event, no second key: what a million keys weigh."""
    store = Store()
    for number in range(3 * BLOCK):
        store.put(b"k%d" % number, b"")
    assert isinstance(store._index.versions_of(b"k0"), KeyValue)
    assert store._history.items(2, 1) == [store.get(b"k0")]
    store.put(bytes(bytearray(b"k0")), b"again")
    first, second = store._index.versions_of(b"k0")
    assert first.key is second.key


def test_a_large_revision_keeps_no_events():
    store = Store()
    for number in range(LARGE_BATCH + 1):
        store.put(b"k%d" % number, b"")
    txn = store.begin()
    txn.delete_range(b"k", b"l")
    events = txn.commit()
    assert store._history.items(store.revision, 1) == [[event.kv for event in events]]
    events[0].wire()
    assert events[0].kv._wire is None


def _count(index: Index, key: bytes) -> int:
    return len(as_list(index.versions_of(key))) if key in index.keys_from(key, 1) else 0


class Work:
    """Counts what the steps of a compaction take into their hands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cuts = 0
        self.freed = 0
        cut = Index.cut

        def counting(index: Index, key: bytes, revision: int) -> None:
            before = _count(index, key)
            cut(index, key, revision)
            self.cuts += 1
            self.freed += before - _count(index, key)

        monkeypatch.setattr(Index, "cut", counting)

    def of(self, action: Callable[[], object]) -> tuple[int, int]:
        self.cuts = self.freed = 0
        action()
        return self.cuts, self.freed


@pytest.mark.parametrize("keys", [1, 30, 3000])
def test_a_step_of_a_compaction_is_bounded_whatever_there_is_to_free(monkeypatch: pytest.MonkeyPatch, keys: int):
    """Many versions of few keys, few of many, and all of them deleted at once and put again."""
    store = Store()
    for number in range(3000):
        store.put(b"k%d" % (number % keys), b"")
    txn = store.begin()
    txn.delete_range(b"k", b"l")
    for number in range(2000):
        txn.put(b"again%d" % number, b"")
    txn.commit()
    store.put(b"last", b"")
    work = Work(monkeypatch)
    freed_in_all = 0
    for target in (1500, store.revision - 1, store.revision):
        store.compact(target)
        is_more = True
        while is_more:
            before = store._history.first
            results = []
            cuts, freed = work.of(lambda results=results: results.append(store.compact_step(100)))
            is_more = results[0]
            freed_in_all += freed
            assert cuts <= 200 and freed <= 200 and store._history.first - before <= 100
    store._check()
    assert freed_in_all == 3000 + keys


def test_a_step_of_a_compaction_stops_at_heavy_values(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compaction, "MAX_STEP_BYTES", 1000)
    store = Store()
    for _ in range(50):
        store.put(b"k", b"v" * 400)
    store.compact(store.revision)
    assert store.compact_step(1000) and store._history.first == 5


def test_a_step_of_a_snapshot_is_bounded():
    """Records, bytes, and what is looked at in one go when checksums are made."""
    store = Store()
    for number in range(1000):
        store.put(b"k%d" % (number % 300), b"v" * (number % 7 * 100))
    store.compact(500)
    encoder = store.begin_snapshot()
    calls = []
    is_more = True
    while is_more:
        results = []
        calls.append(own_calls(lambda results=results: results.append(encoder.step(10))).count("_encode_record"))
        is_more = results[0]
    assert max(calls) == 10 and sum(calls) >= 500
