"""The log as the machine sees it: stable entries in a LogStorage, the unstable tail, and three marks.

    first_index … applied … committed … last_index
                  └ handed out and     └ a majority    0 <= applied <= committed <= last_index
                    reported applied     holds it

Not here: whose entries win (follower.py, leader.py) and when something commits (replication.py). Committed entries
are never replaced; an append that tries raises RuntimeError, because two leaders have then been elected in a term.
"""

from __future__ import annotations

from collections.abc import Sequence

from kvcluster.raft.errors import LogCompacted, LogUnavailable
from kvcluster.raft.storage import LogStorage
from kvcluster.raft.types import Entry, Snapshot, limit_size
from kvcluster.raft.unstable import Unstable


class RaftLog:
    """Opened on a storage: everything it holds is stable; `committed` and `applied` start at what is compacted away."""

    __slots__ = ("storage", "unstable", "committed", "applied")

    def __init__(self, storage: LogStorage) -> None:
        self.storage = storage
        self.unstable = Unstable(storage.last_index() + 1)
        self.committed = storage.first_index() - 1
        self.applied = self.committed

    def first_index(self) -> int:
        snapshot = self.unstable.snapshot
        return snapshot.index + 1 if snapshot is not None else self.storage.first_index()

    def last_index(self) -> int:
        unstable = self.unstable
        return unstable.offset + len(unstable.entries) - 1

    def last_term(self) -> int:
        return self.term(self.last_index())

    def term(self, index: int) -> int:
        """The term of entry `index`. Raises LogCompacted below first_index - 1, LogUnavailable above last_index."""
        unstable = self.unstable
        position = index - unstable.offset
        if position >= 0:
            if position < len(unstable.entries):
                return unstable.entries[position][0]
            raise LogUnavailable(f"entry {index} is above the last, {self.last_index()}")
        snapshot = unstable.snapshot
        if snapshot is not None:
            if index == snapshot.index:
                return snapshot.term
            if index < snapshot.index:
                raise LogCompacted(f"entry {index} is below the pending snapshot {snapshot.index}")
        return self.storage.term(index)

    def match_term(self, index: int, term: int) -> bool:
        """Whether the entry at `index` exists with that term; then all entries below match too (log matching)."""
        try:
            return self.term(index) == term
        except (LogCompacted, LogUnavailable):
            return False

    def is_up_to_date(self, index: int, term: int) -> bool:
        """Whether a log that ends with (index, term) is at least as good as this one (Raft 5.4.1)."""
        last_term = self.last_term()
        return term > last_term or (term == last_term and index >= self.last_index())

    def find_conflict(self, entries: Sequence[Entry]) -> int:
        """The position of the first entry that is not already here, len(entries) if all are."""
        last_index = self.last_index()
        for position, entry in enumerate(entries):
            if entry[1] > last_index or not self.match_term(entry[1], entry[0]):
                return position
        return len(entries)

    def find_conflict_by_term(self, index: int, term: int) -> tuple[int, int]:
        """The newest (index, its term) at or below `index` whose term is at most `term`: it may match, later ones cannot.

        A refusal carries it, so that the leader skips a whole term a round trip instead of one entry (Raft 5.3). The
        term is 0 where it is not known: compacted, or index 0.
        """
        while index > 0:
            try:
                ours = self.term(index)
            except (LogCompacted, LogUnavailable):
                return index, 0
            if ours <= term:
                return index, ours
            index -= 1
        return 0, 0

    def entries(self, lo: int, max_bytes: int) -> list[Entry]:
        """Entries from `lo` to the end, at most `max_bytes` of data but at least one. Raises LogCompacted."""
        return self.slice(lo, self.last_index() + 1, max_bytes)

    def slice(self, lo: int, hi: int, max_bytes: int) -> list[Entry]:
        """Entries [lo, hi), size-bounded as `entries`; a list of the caller's own. Raises LogCompacted, LogUnavailable."""
        if lo >= hi:
            return []
        if lo < self.first_index():
            raise LogCompacted(f"entry {lo} is compacted, the first is {self.first_index()}")
        unstable = self.unstable
        offset = unstable.offset
        if lo >= offset:
            return limit_size(unstable.entries[lo - offset : hi - offset], max_bytes)
        stable_hi = min(hi, offset)
        found = self.storage.entries(lo, stable_hi, max_bytes)
        if hi <= offset or len(found) < stable_hi - lo:
            return found
        found.extend(unstable.entries[: hi - offset])
        return limit_size(found, max_bytes)

    def append(self, entries: Sequence[Entry]) -> None:
        """Adds entries at the end, or replaces an uncommitted tail. Raises RuntimeError for committed ones."""
        if not entries:
            return
        if entries[0][1] <= self.committed:
            raise RuntimeError(f"entry {entries[0].index} would replace a committed one, committed is {self.committed}")
        self.unstable.append(entries)

    def try_append(self, previous: int, previous_term: int, entries: Sequence[Entry]) -> bool:
        """A leader's append. False, and nothing done, if this log has no entry `previous` with `previous_term`.

        Entries that are here already are left alone: an old append must not cut off what a newer one brought.
        """
        if not self.match_term(previous, previous_term):
            return False
        if entries:
            if previous == self.last_index():
                self.append(entries)
            else:
                self.append(entries[self.find_conflict(entries) :])
        return True

    def commit_to(self, index: int) -> None:
        """Moves `committed` up, never down. Raises RuntimeError above the last entry: the log has been lost."""
        if index > self.committed:
            if index > self.last_index():
                raise RuntimeError(f"commit {index} is above the last entry {self.last_index()}: was the log lost?")
            self.committed = index

    def has_next_committed(self) -> bool:
        return self.committed > self.applied and self.unstable.snapshot is None

    def next_committed(self, max_bytes: int) -> list[Entry]:
        """Committed entries not yet handed out; none while a snapshot waits, which replaces them."""
        if not self.has_next_committed():
            return []
        return self.slice(self.applied + 1, self.committed + 1, max_bytes)

    def applied_to(self, index: int) -> None:
        """Raises ValueError for an index that goes back or is not committed."""
        if not self.applied <= index <= self.committed:
            raise ValueError(f"applied {index} is not in [{self.applied}, {self.committed}]")
        self.applied = index

    def restore(self, snapshot: Snapshot) -> None:
        """The received snapshot replaces the log; it is applied when the shell has persisted it."""
        self.committed = snapshot.index
        self.unstable.restore(snapshot)

    def _check(self) -> None:
        assert self.applied <= self.committed <= self.last_index()
        for position, entry in enumerate(self.unstable.entries):
            assert entry.index == self.unstable.offset + position
