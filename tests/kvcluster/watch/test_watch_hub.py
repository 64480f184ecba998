"""The watch hub, promise by promise: synced, late, future, full, compacted, filtered."""

from __future__ import annotations

import pytest

from kvcluster import pb
from kvcluster.errors import CompactedError, WatchRangeEmptyError
from kvcluster.mvcc import Store
from kvcluster.watch import Hub, State, Subscription, WatchLimits


class Bench:
    """A store and its hub, driven as a member drives them."""

    def __init__(self, **limits: int) -> None:
        self.store = Store()
        self.hub = Hub(self.store, limits=WatchLimits(**limits))

    def commit(self, key: bytes, value: bytes = b"") -> None:
        """One of several puts that are flushed together."""
        event = self.store.put(key, value)
        self.hub.publish(self.store.revision, [event])

    def put(self, key: bytes, value: bytes = b"") -> None:
        self.commit(key, value)
        self.hub.flush()

    def txn(self, *operations: tuple[bytes, bytes | None]) -> None:
        """(key, value), or (key, None) to delete it."""
        txn = self.store.begin()
        for key, value in operations:
            if value is None:
                txn.delete_range(key)
            else:
                txn.put(key, value)
        events = txn.commit()
        self.hub.publish(self.store.revision, events)
        self.hub.flush()
        self.hub._check()

    def watch(self, key: bytes, range_end: bytes = b"", start: int = 0, room: int = 10**9, **options: bool) -> Watcher:
        watcher = Watcher(room)
        watcher.subscription = self.hub.subscribe(key, range_end, start, sink=watcher, **options)
        return watcher


class Watcher:
    """A sink that takes `room` deliveries and remembers what they said."""

    subscription: Subscription

    def __init__(self, room: int) -> None:
        self.room = room
        self.deliveries: list[tuple[int, list[bytes]]] = []
        self.raw: list[bytes] = []
        self.over: int | None = None

    def deliver(self, subscription: Subscription, revision: int, events: bytes, count: int) -> bool:
        assert subscription is self.subscription and self.over is None
        if not self.room:
            return False
        self.room -= 1
        self.raw.append(events)
        parsed = pb.WatchResponse.FromString(events).events
        assert len(parsed) == count > 0
        self.deliveries.append((revision, [_text(event) for event in parsed]))
        return True

    def compacted(self, subscription: Subscription, compact_revision: int) -> None:
        assert subscription is self.subscription
        self.over = compact_revision

    @property
    def events(self) -> list[bytes]:
        return [event for _, events in self.deliveries for event in events]


def _text(event: pb.Event) -> bytes:
    """b"a=1@2", b"a-@3" for a delete; b"a=2@4(1)" with the value before."""
    text = event.kv.key + (b"-" if event.type == pb.Event.DELETE else b"=" + event.kv.value)
    text += b"@%d" % event.kv.mod_revision
    return text + b"(" + event.prev_kv.value + b")" if event.HasField("prev_kv") else text


# -- synced -----------------------------------------------------------------------------------------------------------


def test_a_new_watcher_sees_what_comes_after_it():
    bench = Bench()
    bench.put(b"a", b"1")
    watcher = bench.watch(b"a")
    bench.put(b"b", b"1")
    bench.put(b"a", b"2")
    bench.txn((b"a", None))
    assert watcher.deliveries == [(4, [b"a=2@4"]), (5, [b"a-@5"])]
    assert bench.hub.is_synced(watcher.subscription)


@pytest.mark.parametrize(
    ("key", "range_end", "seen"),
    [
        (b"b", b"", [b"b"]),
        (b"b", b"d", [b"b", b"ba", b"c"]),
        (b"b", b"\x00", [b"b", b"ba", b"c", b"d", b"\xff"]),
        (b"\x00", b"\x00", [b"a", b"b", b"ba", b"c", b"d", b"\xff"]),
        (b"e", b"f", []),
    ],
)
def test_ranges(key: bytes, range_end: bytes, seen: list[bytes]):
    bench = Bench()
    watcher = bench.watch(key, range_end)
    for name in (b"a", b"b", b"ba", b"c", b"d", b"\xff"):
        bench.put(name)
    assert [event.split(b"=")[0] for event in watcher.events] == seen


def test_one_revision_is_one_delivery_in_order():
    bench = Bench()
    bench.put(b"k2", b"old")
    all_keys, one = bench.watch(b"k", b"l"), bench.watch(b"k3")
    bench.txn((b"k9", b"9"), (b"k2", None), (b"x", b""), (b"k3", b"3"))
    assert all_keys.deliveries == [(3, [b"k9=9@3", b"k2-@3", b"k3=3@3"])]
    assert one.deliveries == [(3, [b"k3=3@3"])]


def test_filters_and_prev_kv():
    bench = Bench()
    no_put = bench.watch(b"a", no_put=True)
    no_delete = bench.watch(b"a", no_delete=True, prev_kv=True)
    nothing = bench.watch(b"a", no_put=True, no_delete=True)
    bench.put(b"a", b"1")
    bench.put(b"a", b"2")
    bench.txn((b"a", None))
    bench.put(b"a", b"3")
    assert no_put.deliveries == [(4, [b"a-@4"])]
    assert no_delete.deliveries == [(2, [b"a=1@2"]), (3, [b"a=2@3(1)"]), (5, [b"a=3@5"])], "a create has no prev_kv"
    assert nothing.deliveries == [] and bench.hub.is_synced(nothing.subscription)


def test_watchers_of_the_same_range_share_one_bytes_object():
    bench = Bench()
    watchers = [bench.watch(b"a", b"b") for _ in range(5)] + [bench.watch(b"a")]
    bench.put(b"a", b"1")
    assert len({id(watcher.raw[0]) for watcher in watchers}) == 1
    late = [bench.watch(b"a", b"b", 2) for _ in range(5)]
    bench.put(b"a", b"2")
    bench.hub.catch_up()
    assert len({id(watcher.raw[0]) for watcher in late}) == 1


def test_a_cancelled_watcher_hears_nothing():
    bench = Bench()
    watchers = [bench.watch(b"a"), bench.watch(b"a", b"b"), bench.watch(b"a", start=9), bench.watch(b"a", start=1)]
    bench.put(b"a")
    late = bench.watch(b"a", start=2)
    for watcher in [*watchers, late]:
        bench.hub.cancel(watcher.subscription)
        bench.hub.cancel(watcher.subscription)
        assert watcher.subscription.state is State.GONE
        bench.hub._check()
    before = [len(watcher.deliveries) for watcher in watchers]
    bench.put(b"a")
    assert not bench.hub.catch_up()
    assert [len(watcher.deliveries) for watcher in watchers] == before and not late.deliveries
    assert len(bench.hub) == 0 and not bench.hub._groups and not bench.hub._table._bounds


# -- from the past, from the future -------------------------------------------------------------------------------------


def test_a_start_in_the_past_is_caught_up_from_history():
    bench = Bench()
    for number in range(4):
        bench.put(b"a", b"%d" % number)
    watcher = bench.watch(b"a", start=3, prev_kv=True)
    assert not bench.hub.is_synced(watcher.subscription) and not watcher.deliveries
    assert bench.hub.catch_up() is False
    assert watcher.deliveries == [(5, [b"a=1@3(0)", b"a=2@4(1)", b"a=3@5(2)"])]
    assert bench.hub.is_synced(watcher.subscription)
    bench.put(b"a", b"4")
    assert watcher.deliveries[1] == (6, [b"a=4@6(3)"])


def test_the_first_revision_of_all():
    """Revision 1 is the empty store: whoever starts there starts with the first write."""
    bench = Bench()
    early = bench.watch(b"a", start=1)
    assert early.subscription.state is State.SYNCED
    bench.put(b"a")
    late = bench.watch(b"a", start=1)
    bench.hub.catch_up()
    assert early.events == late.events == [b"a=@2"]


def test_a_start_in_the_future_waits_silently():
    bench = Bench()
    watcher, next_one = bench.watch(b"a", start=4), bench.watch(b"a", start=2)
    assert watcher.subscription.state is State.FUTURE and next_one.subscription.state is State.SYNCED
    assert not bench.hub.is_synced(next_one.subscription), "no progress below the start that was asked for"
    for number in range(2, 6):
        bench.put(b"a", b"%d" % number)
        bench.hub._check()
        assert bench.hub.is_synced(watcher.subscription) == (number >= 4)
    assert watcher.events == [b"a=4@4", b"a=5@5"]
    assert len(next_one.events) == 4


def test_catching_up_goes_in_rounds_of_whole_revisions():
    bench = Bench(max_batch_revisions=3)
    for number in range(2, 6):
        bench.txn((b"a", b"%d" % number), (b"b", b""), (b"c", b""))
    watcher = bench.watch(b"a", b"c", start=2)
    rounds = 1
    while bench.hub.catch_up():
        bench.hub._check()
        rounds += 1
    assert rounds == 2
    assert [(revision, len(events)) for revision, events in watcher.deliveries] == [(4, 6), (5, 2)]


def test_a_delivery_is_bounded_in_bytes_but_never_splits_a_revision():
    bench = Bench(max_batch_bytes=3000)
    for _ in range(6):
        bench.txn((b"a", b"x" * 1000), (b"b", b"y" * 1000))
    watcher, small = bench.watch(b"a", b"c", start=2), bench.watch(b"a", start=2)
    while bench.hub.catch_up():
        bench.hub._check()
    assert [(revision, len(events)) for revision, events in watcher.deliveries] == [(3, 4), (5, 4), (7, 4)]
    assert [(revision, len(events)) for revision, events in small.deliveries] == [(4, 3), (7, 3)]


def test_a_round_is_bounded_in_bytes_over_all_its_watchers():
    bench = Bench(max_round_bytes=5000)
    for _ in range(6):
        bench.put(b"a", b"x" * 1000)
    watchers = [bench.watch(b"a", start=2), bench.watch(b"a", b"b", start=2), bench.watch(b"a", b"c", start=6)]
    assert bench.hub.catch_up()
    assert [len(watcher.events) for watcher in watchers] == [3, 3, 0], "not all in one round"
    while bench.hub.catch_up():
        bench.hub._check()
    assert [len(watcher.events) for watcher in watchers] == [6, 6, 2]


def test_no_watcher_starves_however_far_apart_they_stand():
    bench = Bench(max_batch_revisions=2, max_watchers_per_round=3)
    for number in range(40):
        bench.put(b"a", b"%d" % number)
    watchers = [bench.watch(b"a", start=start) for start in (2, 38, 20, 2, 39, 11)]
    rounds = 0
    while not bench.hub.is_synced(watchers[4].subscription):
        assert bench.hub.catch_up()
        rounds += 1
    assert rounds <= 2 * len(watchers), "it needs two walks of its own, and each lap serves everybody once"
    while bench.hub.catch_up():
        pass
    assert [len(watcher.events) for watcher in watchers] == [40, 4, 22, 40, 3, 31]


# -- full -------------------------------------------------------------------------------------------------------------


def test_a_full_sink_gets_the_rest_later_and_others_do_not_wait():
    bench = Bench()
    slow, fast = bench.watch(b"a", room=1), bench.watch(b"a")
    for number in range(4):
        bench.put(b"a", b"%d" % number)
        bench.hub._check()
    assert len(slow.deliveries) == 1 and len(fast.deliveries) == 4
    assert not bench.hub.is_synced(slow.subscription)
    assert bench.hub.catch_up() is False, "nothing to do for it before there is room"
    slow.room = 1
    bench.hub.resume(slow.subscription)
    assert bench.hub.catch_up() is False
    assert slow.deliveries[1] == (5, [b"a=1@3", b"a=2@4", b"a=3@5"])
    assert bench.hub.is_synced(slow.subscription)


def test_full_while_catching_up():
    bench = Bench(max_batch_revisions=1)
    for number in range(3):
        bench.put(b"a", b"%d" % number)
    watcher = bench.watch(b"a", start=2, room=1)
    assert bench.hub.catch_up()
    assert not bench.hub.catch_up()
    bench.hub.resume(watcher.subscription)
    bench.hub.resume(watcher.subscription)
    assert not bench.hub.catch_up(), "still full"
    watcher.room = 10
    bench.hub.resume(watcher.subscription)
    while bench.hub.catch_up():
        pass
    assert watcher.events == [b"a=0@2", b"a=1@3", b"a=2@4"]


def test_resume_of_one_who_never_said_no():
    bench = Bench()
    watcher, future = bench.watch(b"a"), bench.watch(b"a", start=5)
    bench.hub.resume(watcher.subscription)
    bench.hub.resume(future.subscription)
    bench.hub._check()


# -- compacted --------------------------------------------------------------------------------------------------------


def test_a_start_below_the_compacted_revision_is_over_at_the_next_round():
    """Not inside subscribe: the client is told first that the watch was created."""
    bench = Bench()
    for number in range(5):
        bench.put(b"a", b"%d" % number)
    bench.store.compact(4)
    below, at, first = (bench.watch(b"a", start=start, prev_kv=True) for start in (3, 4, 1))
    assert below.over is None
    bench.hub.catch_up()
    assert (below.over, at.over, first.over) == (4, None, 4)
    assert below.subscription.state is State.GONE
    assert at.events == [b"a=2@4", b"a=3@5(2)", b"a=4@6(3)"], "the version before the compacted revision is not told"
    bench.hub._check()


def test_compaction_overtakes_a_slow_watcher():
    bench = Bench()
    watcher = bench.watch(b"a", room=0)
    for number in range(5):
        bench.put(b"a", b"%d" % number)
    bench.store.compact(5)
    while bench.store.compact_step():
        pass
    watcher.room = 9
    bench.hub.resume(watcher.subscription)
    bench.hub.catch_up()
    assert watcher.over == 5 and not watcher.deliveries and len(bench.hub) == 0


def test_the_delete_at_the_compacted_revision_is_seen():
    bench = Bench()
    bench.put(b"a")
    bench.txn((b"a", None))
    bench.store.compact(3)
    bench.store.compact_step()
    watcher = bench.watch(b"a", start=3, prev_kv=True)
    bench.hub.catch_up()
    assert watcher.events == [b"a-@3"]


# -- what was committed together ----------------------------------------------------------------------------------------


def test_what_was_committed_together_is_delivered_together():
    bench = Bench()
    early = bench.watch(b"a", b"z")
    for number in range(5):
        bench.commit(b"k", b"%d" % number)
    assert early.deliveries == []
    bench.hub.flush()
    assert [(revision, len(events)) for revision, events in early.deliveries] == [(6, 5)]
    bench.hub.flush()
    assert len(early.deliveries) == 1, "nothing is delivered twice"


def test_a_watcher_that_comes_in_between_hears_only_of_what_follows():
    bench = Bench()
    early = bench.watch(b"k")
    bench.hub.publish(2, [bench.store.put(b"k", b"1")])
    late = bench.watch(b"k")
    bench.put(b"k", b"2")
    assert [revision for revision, _ in early.deliveries] == [2, 3]
    assert [revision for revision, _ in late.deliveries] == [3]


def test_a_sink_without_room_gets_the_whole_batch_again():
    bench = Bench()
    watcher = bench.watch(b"k", room=0)
    for number in range(3):
        bench.commit(b"k", b"%d" % number)
    bench.hub.flush()
    assert watcher.deliveries == [] and watcher.subscription.state is State.UNSYNCED
    watcher.room = 10
    bench.hub.resume(watcher.subscription)
    bench.hub.catch_up()
    assert [(revision, len(events)) for revision, events in watcher.deliveries] == [(4, 3)]


def test_a_batch_has_a_bound():
    bench = Bench(max_batch_bytes=200)
    watcher = bench.watch(b"k")
    for _ in range(7):
        bench.commit(b"k", b"x" * 100)
    bench.hub.flush()
    assert [len(events) for _, events in watcher.deliveries] == [2, 2, 2, 1]


# -- refusals, and a new store ------------------------------------------------------------------------------------------


def test_refusals():
    bench = Bench()
    for key, range_end in ((b"b", b"a"), (b"b", b"b")):
        with pytest.raises(WatchRangeEmptyError, match="^mvcc: watcher range is empty$"):
            bench.watch(key, range_end)
    with pytest.raises(CompactedError) as caught:
        bench.watch(b"a", start=-1)
    assert caught.value.compact_revision == 0
    assert len(bench.hub) == 0
    with pytest.raises(ValueError, match="at least 1"):
        WatchLimits(max_batch_bytes=0)


def test_a_revision_that_is_left_out_is_noticed():
    bench = Bench()
    bench.store.put(b"a", b"")
    event = bench.store.put(b"a", b"")
    with pytest.raises(ValueError, match="revision 3 published after 1"):
        bench.hub.publish(3, [event])


def test_a_member_that_was_sent_a_snapshot_keeps_its_watchers():
    bench, ahead = Bench(), Bench()
    bench.put(b"a", b"0")
    synced, future, late = bench.watch(b"a"), bench.watch(b"a", start=7), bench.watch(b"a", start=2)
    for number in range(8):
        ahead.put(b"a", b"%d" % number)
    ahead.store.compact(2)
    bench.store.load(ahead.store.snapshot())
    bench.hub.replace_store(bench.store)
    bench.hub._check()
    while bench.hub.catch_up():
        pass
    bench.put(b"a", b"after")
    assert [event.split(b"@")[1] for event in synced.events] == [b"%d" % revision for revision in range(3, 11)]
    assert [event.split(b"@")[1] for event in future.events] == [b"7", b"8", b"9", b"10"]
    assert len(late.events) == 9
    bench.hub._check()


def test_a_snapshot_that_begins_too_late_ends_a_watch_instead_of_losing_events():
    bench, ahead = Bench(), Bench()
    watcher = bench.watch(b"a")
    for number in range(8):
        ahead.put(b"a", b"%d" % number)
    ahead.store.compact(6)
    bench.hub.replace_store(Store.restore(ahead.store.snapshot()))
    bench.hub.catch_up()
    assert watcher.over == 6


def test_counts():
    bench = Bench()
    bench.watch(b"a")
    bench.watch(b"a", b"b", start=9)
    bench.put(b"a")
    bench.watch(b"a", start=2)
    assert [bench.hub.count(state) for state in (State.SYNCED, State.FUTURE, State.UNSYNCED, State.GONE)] == [
        1,
        1,
        1,
        0,
    ]
