"""The hub against an obviously correct twin: a list of all events, and for each watcher what it must have seen.

Hypothesis plays writes, watchers from the past, the present and the future, sinks that refuse at random, rounds of
catching up with tiny budgets, compactions (logical and physical), cancels and stores replaced from snapshots. At every
moment each watcher has seen a prefix of exactly its events, whole revisions at a time; a watcher that is synced has
seen all of them; a compacted one was really overtaken.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kvcluster import pb
from kvcluster.mvcc import DELETE, Event, Store
from kvcluster.watch import Hub, State, Subscription, WatchLimits

KEYS = st.sampled_from([b"a", b"ab", b"b", b"c"])
PLACES = st.sampled_from(
    [(b"a", b""), (b"ab", b""), (b"a", b"b"), (b"a", b"c"), (b"b", b"\x00"), (b"\x00", b"\x00"), (b"x", b"")]
)
ROOMS = st.integers(0, 2) | st.just(1000)
PLAIN = {"prev_kv": False, "no_put": False, "no_delete": False}
OPTIONS = st.just(PLAIN) | st.fixed_dictionaries({name: st.booleans() for name in PLAIN})
Seen = tuple[int, bytes, int, bytes | None]  # type, key, revision, value before


class ModelSink:
    """Remembers everything it takes; refuses while `room` is 0."""

    def __init__(
        self, machine: HubAgainstTwin, place: tuple[bytes, bytes], options: dict[str, bool], start: int, room: int
    ) -> None:
        self.machine = machine
        self.key, self.range_end = place
        self.options = options
        self.start = start
        self.room = room
        self.refused = False
        self.seen: list[Seen] = []
        self.through = start - 1
        self.subscription: Subscription
        self.compact_revision: int | None = None
        self.cancelled = False

    def deliver(self, subscription: Subscription, revision: int, events: bytes, count: int) -> bool:
        assert subscription is self.subscription
        assert self.compact_revision is None and not self.cancelled and not self.refused
        if not self.room:
            self.refused = True
            return False
        self.room -= 1
        parsed = pb.WatchResponse.FromString(events).events
        assert len(parsed) == count > 0
        assert self.through < parsed[0].kv.mod_revision and parsed[-1].kv.mod_revision <= revision
        for event in parsed:
            before = event.prev_kv.value if event.HasField("prev_kv") else None
            self.seen.append((event.type, event.kv.key, event.kv.mod_revision, before))
        self.through = revision
        expected = self.expected(revision)
        assert [seen[:3] for seen in self.seen] == [seen[:3] for seen in expected], "all of it, whole revisions, once"
        for seen, wanted in zip(self.seen[-count:], expected[-count:], strict=True):
            visible = wanted[2] > self.machine.store.compacted_revision
            assert seen[3] == (wanted[3] if self.options["prev_kv"] and visible else None)
        return True

    def compacted(self, subscription: Subscription, compact_revision: int) -> None:
        assert subscription is self.subscription and self.compact_revision is None
        assert compact_revision == self.machine.store.compacted_revision
        assert self.start < compact_revision and self.through < compact_revision
        self.compact_revision = compact_revision

    def wants(self, seen: Seen) -> bool:
        kind, key, revision, _ = seen
        if revision < self.start or self.options["no_delete" if kind == DELETE else "no_put"]:
            return False
        if not self.range_end:
            return key == self.key
        return key >= self.key and (self.range_end == b"\x00" or key < self.range_end)

    def expected(self, through: int) -> list[Seen]:
        return [seen for seen in self.machine.log if seen[2] <= through and self.wants(seen)]


class HubAgainstTwin(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        limits = WatchLimits(max_batch_revisions=4, max_watchers_per_round=3, max_batch_bytes=60, max_round_bytes=150)
        self.hub = Hub(self.store, limits=limits)
        self.log: list[Seen] = []
        self.sinks: list[ModelSink] = []
        self.gone: list[ModelSink] = []

    def _log(self, events: list[Event]) -> None:
        for event in events:
            before = event.prev.value if event.prev else None
            self.log.append((event.type, event.kv.key, event.kv.mod_revision, before))

    @rule(puts=st.lists(st.tuples(KEYS, st.binary(max_size=20), st.booleans()), min_size=1, max_size=6))
    def put(self, puts: list[tuple[bytes, bytes, bool]]) -> None:
        """Some of them are committed together: the hub is flushed only after the last of those."""
        for key, value, is_last in puts:
            event = self.store.put(key, value)
            self._log([event])
            self.hub.publish(self.store.revision, [event])
            if is_last:
                self.hub.flush()
        self.hub.flush()

    @rule(changes=st.lists(st.tuples(KEYS, st.booleans()), min_size=1, max_size=6))
    def transact(self, changes: list[tuple[bytes, bool]]) -> None:
        txn = self.store.begin()
        for key, is_put in dict(changes).items():
            if is_put:
                txn.put(key, b"in a transaction")
            else:
                txn.delete_range(key)
        events = txn.commit()
        self._log(events)
        self.hub.publish(self.store.revision, events)
        self.hub.flush()

    @rule(place=PLACES, back=st.integers(-6, 12) | st.none(), options=OPTIONS, room=ROOMS)
    def subscribe(self, place: tuple[bytes, bytes], back: int | None, options: dict[str, bool], room: int) -> None:
        """From `back` revisions ago, or (None) from now on."""
        start = 0 if back is None else max(1, self.store.revision - back)
        sink = ModelSink(self, place, options, start or self.store.revision + 1, room)
        self.sinks.append(sink)
        sink.subscription = self.hub.subscribe(*place, start, sink=sink, tag=len(self.sinks), **options)

    @rule(rooms=st.lists(ROOMS, min_size=1, max_size=4))
    def give_room(self, rooms: list[int]) -> None:
        """The newest sinks' room changes; those that had refused and have room now say so."""
        for sink, room in zip(reversed(self.sinks), rooms, strict=False):
            sink.room = room
            if room:
                sink.refused = False
                self.hub.resume(sink.subscription)

    @precondition(lambda self: len(self.sinks) > 3)
    @rule(which=st.integers(0, 3))
    def cancel(self, which: int) -> None:
        sink = self.sinks.pop(which)
        sink.cancelled = True
        self.hub.cancel(sink.subscription)
        self.gone.append(sink)

    @rule(back=st.integers(0, 8))
    def compact(self, back: int) -> None:
        revision = self.store.revision - back
        if revision > self.store.compacted_revision:
            self.store.compact(revision)

    @rule(budget=st.integers(1, 4))
    def compact_step(self, budget: int) -> None:
        self.store.compact_step(budget)

    @rule(times=st.integers(1, 3))
    def catch_up(self, times: int) -> None:
        for _ in range(times):
            self.hub.catch_up()

    @rule(keys=st.lists(KEYS, max_size=4), back=st.integers(0, 6))
    def receive_snapshot(self, keys: list[bytes], back: int) -> None:
        """Another member went on and compacted; this one is sent its state."""
        ahead = Store.restore(self.store.snapshot())
        for key in keys:
            self._log([ahead.put(key, b"ahead")])
        if ahead.revision - back > ahead.compacted_revision:
            ahead.compact(ahead.revision - back)
        self.store.load(ahead.snapshot())
        self.hub.replace_store(self.store)

    @precondition(lambda self: self.sinks)
    @rule()
    def settle(self) -> None:
        """Room for everybody: after enough rounds everybody is synced, in the future, or over."""
        for sink in self.sinks:
            sink.room, sink.refused = 1000, False
            self.hub.resume(sink.subscription)
        rounds = 0
        while self.hub.catch_up():
            self.hub._check()
            rounds += 1
            assert rounds < 1000
        for sink in self.sinks:
            assert sink.subscription.state is not State.UNSYNCED

    @invariant()
    def watchers_are_where_they_say(self) -> None:
        self.hub._check()
        for sink in [*self.sinks, *self.gone]:
            if self.hub.is_synced(sink.subscription):
                assert sink.seen[-1:] == [] or sink.seen[-1][2] <= self.hub.revision
                assert [seen[:3] for seen in sink.seen] == [seen[:3] for seen in sink.expected(self.hub.revision)]
            elif sink.subscription.state is State.FUTURE:
                assert not sink.seen and sink.start > self.hub.revision
            elif sink.subscription.state is State.GONE:
                assert sink.cancelled or sink.compact_revision is not None


TestHubAgainstTwin = HubAgainstTwin.TestCase
TestHubAgainstTwin.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)


@pytest.mark.parametrize("seed", range(40))
def test_long_histories(seed: int):
    """The same machine, driven by dice for longer and with more traffic than Hypothesis does."""
    dice = Random(seed)
    machine = HubAgainstTwin()
    keys = [b"a", b"ab", b"b", b"c"]
    places = [(b"a", b""), (b"ab", b""), (b"a", b"b"), (b"a", b"c"), (b"b", b"\x00"), (b"\x00", b"\x00")]
    rooms = [0, 1, 2, 5, 1000]
    moves = [
        (
            30,
            lambda: machine.put(
                [(dice.choice(keys), bytes(dice.randrange(20)), dice.random() < 0.5) for _ in range(dice.randint(1, 4))]
            ),
        ),
        (10, lambda: machine.transact([(dice.choice(keys), dice.random() < 0.6) for _ in range(dice.randint(1, 6))])),
        (
            10,
            lambda: machine.subscribe(
                dice.choice(places),
                dice.choice([None, *range(-6, 13)]),
                {name: dice.random() < 0.2 for name in PLAIN},
                dice.choice(rooms),
            ),
        ),
        (15, lambda: machine.give_room([dice.choice(rooms) for _ in range(4)])),
        (3, lambda: len(machine.sinks) > 8 and machine.cancel(dice.randrange(4))),
        (2, lambda: machine.compact(dice.randrange(3, 12))),
        (5, lambda: machine.compact_step(dice.randint(1, 4))),
        (15, lambda: machine.catch_up(dice.randint(1, 3))),
        (1, lambda: machine.receive_snapshot([dice.choice(keys) for _ in range(dice.randrange(4))], dice.randrange(7))),
        (1, machine.settle),
    ]
    weights = [weight for weight, _ in moves]
    for _ in range(150):
        dice.choices(moves, weights)[0][1]()
        machine.watchers_are_where_they_say()
    machine.settle()
    machine.watchers_are_where_they_say()
