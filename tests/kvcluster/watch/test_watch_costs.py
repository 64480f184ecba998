"""What a watcher costs, in calls and in encodings (not in seconds)."""

from __future__ import annotations

import sys
from collections.abc import Callable

from kvcluster.mvcc import Store
from kvcluster.watch import Hub, Subscription


class Taker:
    """A sink that takes everything; its own call is one of those counted."""

    __slots__ = ("taken",)

    def __init__(self) -> None:
        self.taken = 0

    def deliver(self, subscription: Subscription, revision: int, events: bytes, count: int) -> bool:
        self.taken += count
        return True

    def compacted(self, subscription: Subscription, compact_revision: int) -> None: ...


def calls(action: Callable[[], object]) -> list[str]:
    """The names of all Python functions that `action` calls."""
    names: list[str] = []

    def profile(frame, kind, _):
        if kind == "call":
            names.append(frame.f_code.co_name)

    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
    return names


def _publish_cost(watchers: int, ranges: list[tuple[bytes, bytes]]) -> tuple[int, int]:
    """(calls, encodings) of publishing one put to `watchers` watchers spread over `ranges`."""
    store = Store()
    hub = Hub(store)
    takers = [Taker() for _ in range(watchers)]
    for number, taker in enumerate(takers):
        hub.subscribe(*ranges[number % len(ranges)], sink=taker, prev_kv=number % 2 == 0)
    store.put(b"a/x", b"before")
    hub.publish(2, store.batches(2, 1)[0])
    hub.flush()
    event = store.put(b"a/x", b"value")
    event.wire(), event.wire_with_prev()
    names = calls(lambda: (hub.publish(3, [event]), hub.flush()))
    assert all(taker.taken == 2 for taker in takers)
    return len(names), sum(name in ("splice_event", "encode_key_value") for name in names)


def test_a_synced_watcher_costs_one_call_and_no_encoding():
    few = _publish_cost(10, [(b"a/", b"a0")])
    many = _publish_cost(1010, [(b"a/", b"a0")])
    assert many[0] - few[0] == 1000
    assert many[1] == 0


def test_watchers_of_different_ranges_cost_two_calls_each_at_most():
    ranges = [(b"a/", b"a0"), (b"a/x", b""), (b"a", b"\x00"), (b"", b"b"), *((b"a/x", b"a/x%d" % n) for n in range(96))]
    calls_made, encodings = _publish_cost(200, ranges)
    assert calls_made <= 2 * 200 + 10 and encodings == 0


def test_watchers_of_other_keys_cost_nothing():
    store = Store()
    hub = Hub(store)
    for number in range(500):
        hub.subscribe(b"k%04d" % number, sink=Taker())
        hub.subscribe(b"p%04d/" % number, b"p%04d0" % number, sink=Taker())
    event = store.put(b"q", b"")
    assert len(calls(lambda: hub.publish(2, [event]))) <= 4


def test_an_event_is_encoded_once_for_all_flavours():
    """Sixty watchers, three flavours of the same event: the pair is encoded once, the version before it once."""
    store = Store()
    hub = Hub(store)
    for number in range(60):
        flavour = {"prev_kv": number % 3 == 0, "no_delete": number % 3 == 1}
        hub.subscribe(b"a", sink=Taker(), **flavour)
    store.put(b"a", b"1")
    hub.publish(2, store.batches(2, 1)[0])
    hub.flush()
    event = store.put(b"a", b"2")
    names = calls(lambda: (hub.publish(3, [event]), hub.flush()))
    assert names.count("encode_key_value") == 1, "that of the version before was made when it was new"
    assert names.count("splice_event") == 2


def test_late_watchers_share_one_walk():
    store = Store()
    hub = Hub(store)
    for revision in range(2, 202):
        hub.publish(revision, [store.put(b"a/%d" % (revision % 7), b"")])
    for _ in range(300):
        hub.subscribe(b"a/", b"a0", 2, sink=Taker())
    names = calls(hub.catch_up)
    assert names.count("find") == 200, "one look-up for each event, not for each watcher"
    assert names.count("deliver") == 300
