"""The log (stable part, unstable tail, compaction) against a dict: index -> entry."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kvcluster.raft import Entry, HardState, LogCompacted, LogUnavailable, MemoryStorage, Snapshot
from kvcluster.raft.log import RaftLog
from kvcluster.raft.types import limit_size

BIG = 1 << 30


class LogModel(RuleBasedStateMachine):
    """What a follower's log goes through; `taken` is a Ready that is being persisted."""

    def __init__(self) -> None:
        super().__init__()
        self.storage = MemoryStorage(voters=[1])
        self.log = RaftLog(self.storage)
        self.model: dict[int, Entry] = {}
        self.previous = (0, 0)  # what was compacted last: index, term
        self.taken: list[Entry] | None = None
        self.term = 1

    def last(self) -> int:
        return max(self.model, default=self.previous[0])

    def term_at(self, index: int) -> int:
        return self.previous[1] if index == self.previous[0] else self.model[index].term

    @rule(data=st.data(), count=st.integers(0, 4), new_term=st.booleans())
    def append(self, data, count, new_term):
        """A leader's append from some place at or above the commit index on."""
        index = data.draw(st.integers(self.log.committed, self.last()))
        self.term += new_term
        old = [self.model[i].term for i in range(index + 1, self.last() + 1)]
        if old[:count] != [self.term] * len(old[:count]) and self.term in old:
            self.term += (
                1  # a leader never contradicts itself: entries of its term follow the same entries (log matching)
            )
        entries = [Entry(self.term, index + 1 + n, 0, bytes([n])) for n in range(count)]
        assert self.log.try_append(index, self.term_at(index), entries)
        for entry in entries:
            if self.model.get(entry.index, entry).term != entry.term:
                self.model = {i: e for i, e in self.model.items() if i < entry.index}
            self.model.setdefault(entry.index, entry)

    @rule(data=st.data())
    def append_that_does_not_fit(self, data):
        index = data.draw(st.integers(self.log.committed, self.last() + 3))
        before = dict(self.model)
        assert not self.log.try_append(index, self.term + 7, [Entry(self.term + 7, index + 1, 0, b"x")])
        assert self.model == before

    @rule(data=st.data())
    def commit(self, data):
        self.log.commit_to(data.draw(st.integers(0, self.last())))

    @precondition(lambda self: self.taken is None)
    @rule()
    def take(self):
        self.taken = self.log.unstable.entries[:]

    @precondition(lambda self: self.taken is not None)
    @rule()
    def persist(self):
        self.storage.append(self.taken)
        if self.taken:
            self.log.unstable.stable_to(self.taken[-1].index, self.taken[-1].term)
        self.taken = None
        self.storage._check()

    @rule(data=st.data())
    def apply(self, data):
        index = data.draw(st.integers(self.log.applied, self.log.committed))
        expected = [self.model[i] for i in range(self.log.applied + 1, self.log.committed + 1)]
        assert self.log.next_committed(BIG) == expected
        self.log.applied_to(index)

    @precondition(lambda self: self.taken is None)
    @rule()
    def compact(self):
        """What is not persisted yet is not compacted: a shell applies after it persisted."""
        unstable = self.log.unstable.entries
        persisted = unstable[0].index - 1 if unstable else self.storage.last_index()
        index = min(self.log.applied, self.storage.last_index(), persisted)
        if index > self.storage.snapshot().index:
            self.previous = (index, self.term_at(index))
            self.storage.create_snapshot(index, b"")
            self.storage.compact(index)
            self.model = {i: e for i, e in self.model.items() if i > index}

    @precondition(lambda self: self.taken is None)
    @rule(ahead=st.integers(1, 5))
    def restore(self, ahead):
        snapshot = Snapshot(self.last() + ahead, self.term, data=b"s")
        self.log.restore(snapshot)
        assert self.log.next_committed(BIG) == []
        self.storage.apply_snapshot(snapshot)
        self.log.unstable.stable_snapshot_to(snapshot.index)
        self.log.applied_to(snapshot.index)
        self.previous = (snapshot.index, snapshot.term)
        self.model = {}

    @invariant()
    def same(self):
        log = self.log
        log._check()
        first = self.previous[0] + 1
        assert log.first_index() == first
        assert log.last_index() == self.last()
        assert log.term(first - 1) == self.previous[1]
        for index, entry in self.model.items():
            assert log.term(index) == entry.term
        entries = [self.model[index] for index in sorted(self.model)]
        assert log.entries(first, BIG) == entries
        assert log.entries(first, 1) == entries[:1]
        with pytest.raises(LogUnavailable):
            log.term(self.last() + 1)
        if first > 1:
            with pytest.raises(LogCompacted):
                log.term(first - 2)
            with pytest.raises(LogCompacted):
                log.entries(first - 1, BIG)


TestLog = LogModel.TestCase
TestLog.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def build(*terms: int) -> RaftLog:
    storage = MemoryStorage(voters=[1])
    storage.append([Entry(term, index, 0, b"x") for index, term in enumerate(terms, 1)])
    return RaftLog(storage)


@pytest.mark.parametrize(
    ("terms", "index", "term", "expected"),
    [
        ((1, 1, 2, 2, 3), 5, 3, (5, 3)),
        ((1, 1, 2, 2, 3), 5, 2, (4, 2)),
        ((1, 1, 2, 2, 3), 4, 1, (2, 1)),
        ((2, 2), 2, 1, (0, 0)),
        ((), 0, 5, (0, 0)),
    ],
)
def test_conflict_by_term_skips_terms_that_cannot_match(terms, index, term, expected):
    assert build(*terms).find_conflict_by_term(index, term) == expected


def test_up_to_date_compares_terms_before_lengths():
    log = build(1, 2, 2)
    assert log.is_up_to_date(1, 3)
    assert log.is_up_to_date(3, 2)
    assert log.is_up_to_date(4, 2)
    assert not log.is_up_to_date(2, 2)
    assert not log.is_up_to_date(9, 1)


def test_committed_entries_are_never_replaced():
    log = build(1, 1)
    log.commit_to(2)
    with pytest.raises(RuntimeError, match="committed"):
        log.try_append(1, 1, [Entry(2, 2, 0, b"other")])
    assert log.term(2) == 1
    with pytest.raises(RuntimeError, match="lost"):
        log.commit_to(3)


def test_limit_size_never_starves():
    entries = [Entry(1, 1, 0, b"12345"), Entry(1, 2, 0, b"67"), Entry(1, 3, 0, b"")]
    assert limit_size(entries, 100) is entries
    assert limit_size(entries, 1) == entries[:1]
    assert limit_size(entries, 6) == entries[:1]
    assert limit_size(entries, 7) is entries


def test_memory_storage_refuses_what_would_lose_entries():
    storage = MemoryStorage(voters=[1])
    storage.append([Entry(1, 1, 0, b"a"), Entry(1, 2, 0, b"b"), Entry(1, 3, 0, b"c")])
    with pytest.raises(ValueError, match="gap"):
        storage.append([Entry(1, 5, 0, b"e")])
    with pytest.raises(ValueError, match="in no snapshot"):
        storage.compact(1)
    with pytest.raises(ValueError, match="above the last"):
        storage.create_snapshot(4, b"")
    storage.create_snapshot(2, b"ab")
    with pytest.raises(ValueError, match="not newer"):
        storage.create_snapshot(2, b"ab")
    storage.compact(2)
    with pytest.raises(LogCompacted):
        storage.compact(2)
    with pytest.raises(ValueError, match="compacted"):
        storage.append([Entry(2, 2, 0, b"x")])
    with pytest.raises(ValueError, match="not newer"):
        storage.apply_snapshot(Snapshot(2, 1))
    with pytest.raises(LogUnavailable):
        storage.entries(3, 5, BIG)
    assert storage.entries(3, 4, BIG) == [Entry(1, 3, 0, b"c")]
    storage.set_hard_state(HardState(1, 1, 3))
    assert storage.initial_state()[0].commit == 3
