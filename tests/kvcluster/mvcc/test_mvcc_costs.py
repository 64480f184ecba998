"""What a put and a get cost, in calls of our own functions (not in seconds), and what stays in memory."""

from __future__ import annotations

import sys
from collections.abc import Callable

from kvcluster.mvcc import Store
from kvcluster.mvcc.history import WIRE_WINDOW


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
    """The bytes of old events are let go of, and made again, equal, for one who comes late."""
    store = Store()
    events = []
    for number in range(3 * WIRE_WINDOW):
        event = store.put(b"k%d" % (number % 5), b"v%d" % number)
        event.wire_with_prev()
        events.append(event)
    kept = [event._wire_with_prev is not None or event._wire is not None for event in events]
    assert not any(kept[:WIRE_WINDOW]) and all(kept[-WIRE_WINDOW:])
    again = events[7].wire_with_prev()
    assert again == Store.restore(store.snapshot()).batches(events[7].kv.mod_revision, 1)[0][0].wire_with_prev()


def test_the_window_moves_on_after_compactions():
    store = Store()
    events = []
    for number in range(6 * WIRE_WINDOW):
        event = store.put(b"k%d" % (number % 5), b"")
        event.wire()
        events.append(event)
        if number % 700 == 0 and number > 2100:
            store.compact(store.revision - 2100)
            store.compact_step(1000)
    assert not any(event._wire is not None for event in events[-2100 : -2 * WIRE_WINDOW])
