"""The list of changes: found by subtraction, dropped from the front, condensed when it is old."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kvcluster.mvcc import Batch, Store, history
from kvcluster.mvcc.history import BLOCK, History


def _batches(first: int, last: int) -> Iterator[Batch]:
    store = Store()
    for revision in range(2, last + 1):
        event = store.put(b"k", b"")
        if revision >= first:
            yield (event,)


@pytest.mark.parametrize("block", [1, 2, 7, 1000])
def test_dropping_from_the_front_keeps_the_rest_in_place(monkeypatch: pytest.MonkeyPatch, block: int):
    monkeypatch.setattr(history, "BLOCK", block)
    kept = History(first=5)
    for batch in _batches(5, 60):
        kept.append(batch)
    for first in (5, 6, 20, 20, 41, 59, 60):
        kept.drop_before(first)
        kept._check()
        assert (kept.first, kept.last) == (first, 60)
        assert [kvs[0].mod_revision for kvs in kept.records(first, 3)] == list(range(first, min(first + 3, 61)))
        assert kept.items(61, 5) == []
    kept.drop_before(100)
    kept._check()
    assert (kept.first, kept.last) == (61, 60) and kept.items(61, 5) == []


def test_the_list_stays_short_while_it_is_compacted():
    """A store that is compacted all the time holds little more than what is visible, whatever it has seen."""
    store = Store()
    for number in range(6 * BLOCK):
        store.put(b"k%d" % (number % 9), b"").wire()
        if number % 50 == 49:
            store.compact(store.revision - 10)
            while store.compact_step(25):
                pass
    assert len(store._history._blocks) <= 2
    store._check()


def test_what_is_condensed_gives_the_same_events(monkeypatch: pytest.MonkeyPatch):
    """With the version before, also where one transaction changed a key twice, and with none where it was created."""
    monkeypatch.setattr(history, "BLOCK", 2)
    store = Store()
    wanted = []
    for round in range(5):
        wanted.append([store.put(b"a", b"%d" % round)])
        txn = store.begin()
        txn.put(b"b", b"1")
        txn.put(b"b", b"2")
        txn.delete_range(b"a")
        wanted.append(txn.commit())
    wires = [[event.wire_with_prev() for event in events] for events in wanted]
    batches = store.batches(2, 100)
    assert [[event.wire_with_prev() for event in batch] for batch in batches] == wires
    assert [[event.type for event in batch] for batch in batches] == [[e.type for e in events] for events in wanted]
