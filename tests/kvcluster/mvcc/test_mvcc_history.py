"""The list of changes: found by subtraction, dropped from the front."""

from __future__ import annotations

from kvcluster.mvcc import Store
from kvcluster.mvcc.history import WIRE_WINDOW, History


def _batches(first: int, last: int):
    store = Store()
    for revision in range(2, last + 1):
        event = store.put(b"k", b"")
        if revision >= first:
            yield (event,)


def test_dropping_from_the_front_keeps_the_rest_in_place():
    history = History(first=5)
    for batch in _batches(5, 60):
        history.append(batch)
    for first in (5, 6, 20, 20, 41, 59, 60):
        history.drop_before(first)
        history._check()
        assert (history.first, history.last) == (first, 60)
        assert [batch[0].kv.mod_revision for batch in history.batches(first, 3)] == list(
            range(first, min(first + 3, 61))
        )
        assert history.at(first - 1) == () and history.at(61) == ()
    history.drop_before(100)
    assert (history.first, history.last) == (61, 60) and history.batches(61, 5) == []


def test_the_list_stays_short_while_it_is_compacted():
    """A store that is compacted all the time holds no more than twice what is visible, whatever it has seen."""
    store = Store()
    for number in range(6 * WIRE_WINDOW):
        store.put(b"k%d" % (number % 9), b"").wire()
        if number % 50 == 49:
            store.compact(store.revision - 10)
            while store.compact_step(25):
                pass
    assert len(store._history._batches) <= 2 * 61
    store._check()
