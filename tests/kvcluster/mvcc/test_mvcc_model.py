"""The store against an obviously correct twin: one dict of everything for each revision.

Hypothesis plays puts, deletes, transactions (committed or rolled back), logical and physical compactions, snapshot
round trips and reads; after every step the invariants hold and everything visible is equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kvcluster.errors import CompactedError, FutureRevisionError
from kvcluster.mvcc import DELETE, PUT, Event, SnapshotEncoder, Store, history

Pair = tuple[bytes, bytes, int, int, int, int]  # key, value, create, mod, version, lease
Change = tuple[int, bytes, Pair | None, Pair | None]  # type, key, new, before


class SlowStore:
    """A copy of all pairs for each revision, and a list of changes for each revision."""

    def __init__(self) -> None:
        self.states: dict[int, dict[bytes, Pair]] = {1: {}}
        self.changes: dict[int, list[Change]] = {}
        self.revision = 1
        self.compacted_revision = -1

    def apply(self, operations: list[tuple]) -> None:
        """Operations: ("put", key, value, lease) or ("delete", key, range_end). All in one revision."""
        state = dict(self.states[self.revision])
        revision = self.revision + 1
        changes: list[Change] = []
        for operation in operations:
            if operation[0] == "put":
                _, key, value, lease = operation
                before = state.get(key)
                create, version = (before[2], before[4] + 1) if before else (revision, 1)
                state[key] = (key, value, create, revision, version, lease)
                changes.append((PUT, key, state[key], before))
            else:
                for key in self.select(state, *operation[1:]):
                    changes.append((DELETE, key, None, state.pop(key)))
        if changes:
            self.revision = revision
            self.states[revision] = state
            self.changes[revision] = changes

    @staticmethod
    def select(state: dict[bytes, Pair], key: bytes, range_end: bytes) -> list[bytes]:
        if not range_end:
            return [key] if key in state else []
        return [found for found in sorted(state) if found >= key and (range_end == b"\x00" or found < range_end)]

    def range(self, key: bytes, range_end: bytes, revision: int) -> list[Pair]:
        if revision > self.revision:
            raise FutureRevisionError
        if revision < self.compacted_revision:
            raise CompactedError
        state = self.states[max(revision, 1)]
        return [state[found] for found in self.select(state, key, range_end)]


def pair(kv) -> Pair:
    return (kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.version, kv.lease)


def change(event: Event) -> Change:
    new = pair(event.kv) if event.type == PUT else None
    return (event.type, event.kv.key, new, pair(event.prev) if event.prev else None)


KEYS = st.sampled_from([b"a", b"ab", b"b", b"c", b"c\x00", b"\xff"])
ENDS = st.sampled_from([b"", b"\x00", b"b", b"c", b"c\x00", b"\xff\xff"])
VALUES = st.binary(max_size=4)
PUTS = st.tuples(st.just("put"), KEYS, VALUES, st.integers(0, 3))
DELETES = st.tuples(st.just("delete"), KEYS, ENDS)


class StoreAgainstTwin(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.twin = SlowStore()
        self.encoder: SnapshotEncoder | None = None
        self.wanted = b""

    @rule(operations=st.lists(PUTS | DELETES, min_size=1, max_size=6))
    def write(self, operations: list[tuple]) -> None:
        """Puts and deletes, each its own revision."""
        for operation in operations:
            if operation[0] == "put":
                events = [self.store.put(*operation[1:])]
            else:
                txn = self.store.begin()
                txn.delete_range(*operation[1:])
                events = txn.commit()
            self.twin.apply([operation])
            assert [change(event) for event in events] == (self.twin.changes[self.twin.revision] if events else [])

    @rule(operations=st.lists(PUTS | DELETES, max_size=5), commit=st.booleans(), look=st.tuples(KEYS, ENDS))
    def transact(self, operations: list[tuple], commit: bool, look: tuple[bytes, bytes]) -> None:
        txn = self.store.begin()
        for operation in operations:
            if operation[0] == "put":
                txn.put(*operation[1:])
            else:
                txn.delete_range(*operation[1:])
        if not commit:
            txn.rollback()
            return
        seen = [pair(kv) for kv in txn.range(*look).kvs]
        past = max(1, self.store.compacted_revision, txn.revision - 1 - len(operations))
        before = [pair(kv) for kv in txn.range(*look, revision=past).kvs]
        assert before == self.twin.range(*look, past)
        events = txn.commit()
        self.twin.apply(operations)
        assert seen == self.twin.range(*look, self.twin.revision)
        assert [change(event) for event in events] == (self.twin.changes[self.twin.revision] if events else [])

    @rule(back=st.integers(-1, 12))
    def compact(self, back: int) -> None:
        revision = self.twin.revision - back
        if revision > self.twin.revision:
            with pytest.raises(FutureRevisionError):
                self.store.compact(revision)
        elif revision <= self.twin.compacted_revision:
            with pytest.raises(CompactedError):
                self.store.compact(revision)
        else:
            self.store.compact(revision)
            self.twin.compacted_revision = revision

    @rule(budget=st.integers(1, 5))
    def compact_step(self, budget: int) -> None:
        self.store.compact_step(budget)

    @rule()
    def begin_snapshot(self) -> None:
        """From here on the store goes on while it is written."""
        if self.encoder is None:
            self.wanted = self.store.snapshot()
            self.encoder = self.store.begin_snapshot()

    @rule(budget=st.integers(1, 20))
    def step_snapshot(self, budget: int) -> None:
        if self.encoder is not None and not self.encoder.step(budget):
            assert b"".join(self.encoder.chunks) == self.wanted and self.encoder.size_bytes == len(self.wanted)
            self.give_up_snapshot()

    @rule()
    def give_up_snapshot(self) -> None:
        self.encoder = None
        self.store.end_snapshot()

    @rule(in_place=st.booleans())
    def snapshot_and_restore(self, in_place: bool) -> None:
        """What comes back is what is left when everything that can be freed is freed."""
        self.give_up_snapshot()
        snapshot, number = self.store.snapshot(), self.store.hash()
        while self.store.compact_step():
            pass
        assert self.store.snapshot() == snapshot and self.store.hash() == number
        assert Store.restore(snapshot).size_bytes == self.store.size_bytes
        if in_place:
            self.store.load(snapshot)
        else:
            self.store = Store.restore(snapshot)
        assert self.store.snapshot() == snapshot and self.store.hash() == number

    @rule(key=KEYS, range_end=ENDS, back=st.integers(-1, 15), limit=st.integers(0, 4))
    def read(self, key: bytes, range_end: bytes, back: int, limit: int) -> None:
        revision = max(1, self.twin.revision - back)
        try:
            expected = self.twin.range(key, range_end, revision)
        except (CompactedError, FutureRevisionError) as error:
            with pytest.raises(type(error)):
                self.store.range(key, range_end, revision=revision)
            return
        result = self.store.range(key, range_end, revision=revision, limit=limit)
        assert [pair(kv) for kv in result.kvs] == (expected[:limit] if limit else expected)
        assert result.count == len(expected) and result.more == bool(limit and len(expected) > limit)
        assert self.store.range(key, range_end, revision=revision, count_only=True).count == len(expected)

    @rule(key=KEYS, range_end=ENDS, back=st.integers(0, 15))
    def look_back(self, key: bytes, range_end: bytes, back: int) -> None:
        first = max(self.twin.revision - back, self.twin.compacted_revision, 2)
        expected = []
        for revision in range(first, self.twin.revision + 1):
            wanted = [
                (kind, name, new, before if revision > self.twin.compacted_revision else None)
                for kind, name, new, before in self.twin.changes[revision]
                if SlowStore.select({name: ()}, key, range_end)
            ]
            if wanted:
                expected.append((revision, wanted))
        found = self.store.events(key, range_end, first)
        assert [(revision, [change(event) for event in events]) for revision, events in found] == expected

    @invariant()
    def is_the_twin(self) -> None:
        self.store._check()
        assert self.store.revision == self.twin.revision
        assert self.store.compacted_revision == self.twin.compacted_revision
        newest = self.twin.states[self.twin.revision]
        assert [pair(kv) for kv in self.store.range(b"", b"\x00").kvs] == [newest[key] for key in sorted(newest)]
        for key in (b"a", b"c"):
            kv = self.store.get(key)
            assert (pair(kv) if kv else None) == newest.get(key)


@pytest.fixture(scope="module", autouse=True)
def small_blocks() -> Iterator[None]:
    """Histories of a dozen revisions go through all that a long one does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "BLOCK", 3)
        patch.setattr(history, "LARGE_BATCH", 2)
        yield


TestStoreAgainstTwin = StoreAgainstTwin.TestCase
TestStoreAgainstTwin.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("seed", range(20))
def test_long_histories(seed: int):
    """The same machine, driven by dice for longer and with more writes than Hypothesis does."""
    dice = Random(seed)
    machine = StoreAgainstTwin()
    keys, ends = [b"a", b"ab", b"b", b"c", b"c\x00", b"\xff"], [b"", b"", b"\x00", b"b", b"c", b"c\x00", b"\xff\xff"]

    def operation() -> tuple:
        if dice.random() < 0.7:
            return ("put", dice.choice(keys), bytes(dice.randrange(4)), dice.randrange(3))
        return ("delete", dice.choice(keys), dice.choice(ends))

    def place() -> tuple[bytes, bytes]:
        return (dice.choice(keys), dice.choice(ends))

    moves = [
        (40, lambda: machine.write([operation() for _ in range(dice.randint(1, 4))])),
        (15, lambda: machine.transact([operation() for _ in range(dice.randrange(5))], dice.random() < 0.7, place())),
        (6, lambda: machine.compact(dice.randint(-1, 12))),
        (6, lambda: machine.compact_step(dice.randint(1, 5))),
        (4, machine.begin_snapshot),
        (20, lambda: machine.step_snapshot(dice.randint(1, 20))),
        (1, machine.give_up_snapshot),
        (2, lambda: machine.snapshot_and_restore(dice.random() < 0.5)),
        (20, lambda: machine.read(*place(), dice.randint(-1, 15), dice.randrange(5))),
        (10, lambda: machine.look_back(*place(), dice.randrange(16))),
    ]
    weights = [weight for weight, _ in moves]
    for _ in range(150):
        dice.choices(moves, weights)[0][1]()
        machine.is_the_twin()
