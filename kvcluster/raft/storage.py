"""Where the log lives once it is stable: the seam to disk, and its memory twin.

The machine only reads (the first six methods). The shell writes (the rest), between `ready` and `advance`, in this
order: apply_snapshot, append, set_hard_state. A disk storage makes the three durable together.

The log that a storage holds: a snapshot (maybe none, index 0), then entries first_index..last_index without a gap.
The snapshot may be newer than first_index - 1: a tail of older entries is kept for members that lag a little.

A storage is of one of two kinds, and says which:

    durable     a member is started on it again: snapshot and log together are everything, at any time. The log is
                pruned behind a snapshot only, so snapshots are made now and then.
    volatile    it dies with its member. A snapshot is only for others that lag, and most of the time nobody does: the
                log is pruned without one. `snapshot` then says SnapshotUnavailable, and remembers that it was asked
                (`wants_snapshot`); the shell makes one, the machine asks again, and the shell lets go of it afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from kvcluster.raft.confstate import build_conf_state
from kvcluster.raft.errors import LogCompacted, LogUnavailable, SnapshotUnavailable
from kvcluster.raft.types import ConfState, Entry, HardState, Snapshot, SnapshotData, limit_size


class LogStorage(Protocol):
    """Indexes start at 1. Every method may be called at any time between two inputs of the machine."""

    @property
    def is_volatile(self) -> bool:
        """Which kind it is."""
        ...

    @property
    def wants_snapshot(self) -> bool:
        """Volatile: somebody has asked for a snapshot that there is not."""
        ...

    def initial_state(self) -> tuple[HardState, ConfState]:
        """What a restart begins with."""
        ...

    def entries(self, lo: int, hi: int, max_bytes: int) -> list[Entry]:
        """Entries [lo, hi), a prefix of at most `max_bytes` of data but at least one entry. A list of the caller's own.

        Raises LogCompacted for lo < first_index, LogUnavailable for hi > last_index + 1.
        """
        ...

    def term(self, index: int) -> int:
        """The term of entry `index`, known for first_index - 1 too. Raises LogCompacted or LogUnavailable."""
        ...

    def first_index(self) -> int:
        """The oldest entry that is kept; last_index + 1 when there is none."""
        ...

    def last_index(self) -> int: ...

    def snapshot(self) -> Snapshot:
        """The newest snapshot. Raises SnapshotUnavailable when it cannot be had now."""
        ...

    def append(self, entries: Sequence[Entry]) -> None:
        """Adds entries; whatever it holds from the first one's index on is replaced. Raises ValueError for a gap."""
        ...

    def set_hard_state(self, hard_state: HardState) -> None: ...

    def apply_snapshot(self, snapshot: Snapshot) -> None:
        """Replaces snapshot and log by one received from the leader. Raises ValueError if it is older than its own."""
        ...

    def set_conf_state(self, conf_state: ConfState) -> None:
        """The configuration that the entries applied by now make: what a restart or a snapshot begins with."""
        ...

    def create_snapshot(self, index: int, data: SnapshotData, conf_state: ConfState | None = None) -> Snapshot:
        """Notes the state machine's bytes at `index` (applied by now). The log stays; see compact. conf_state: the
        configuration at `index`, where it has changed since.

        Raises ValueError, and LogCompacted where the log no longer begins there.
        """
        ...

    def release_snapshot(self) -> None:
        """Volatile: nobody needs the snapshot any more, nor waits for one. Durable: nothing happens."""
        ...

    def compact(self, index: int) -> None:
        """Forgets entries up to and with `index`. Raises ValueError, LogCompacted.

        Durable: a snapshot must cover them. Volatile: they are applied; a snapshot they would part from the log goes too.
        """
        ...


class MemoryStorage:
    """A storage that dies with the process; whether also with its member is for whoever makes it to say.

    `_entries` is a plain list, entry i at position i - _first: an append is one list.extend, a compaction one `del`.
    `_previous_term` is the term of entry _first - 1, which the consistency check of the next append needs.
    """

    __slots__ = (
        "is_volatile",
        "wants_snapshot",
        "_hard_state",
        "_snapshot",
        "_entries",
        "_first",
        "_previous_term",
        "_conf_state",
    )

    def __init__(self, voters: Iterable[int] = (), learners: Iterable[int] = (), *, is_volatile: bool = False) -> None:
        """A new group's storage, empty but for its members. No voters: a member that waits to be sent a snapshot."""
        self.is_volatile = is_volatile
        self.wants_snapshot = False
        voters = tuple(voters)
        self._conf_state = build_conf_state(voters, learners) if voters else ConfState()
        self._hard_state = HardState()
        self._snapshot = Snapshot(conf_state=self._conf_state)
        self._entries: list[Entry] = []
        self._first = 1
        self._previous_term = 0

    def initial_state(self) -> tuple[HardState, ConfState]:
        return self._hard_state, self._conf_state

    def entries(self, lo: int, hi: int, max_bytes: int) -> list[Entry]:
        first = self._first
        if lo < first:
            raise LogCompacted(f"entry {lo} is compacted, the first is {first}")
        if hi > first + len(self._entries):
            raise LogUnavailable(f"entry {hi - 1} is above the last, {self.last_index()}")
        return limit_size(self._entries[lo - first : hi - first], max_bytes)

    def term(self, index: int) -> int:
        position = index - self._first
        if position < 0:
            if position == -1:
                return self._previous_term
            raise LogCompacted(f"entry {index} is compacted, the first is {self._first}")
        if position >= len(self._entries):
            raise LogUnavailable(f"entry {index} is above the last, {self.last_index()}")
        return self._entries[position][0]

    def first_index(self) -> int:
        return self._first

    def last_index(self) -> int:
        return self._first + len(self._entries) - 1

    def snapshot(self) -> Snapshot:
        if self._snapshot.index < self._first - 1:  # never of a durable one
            self.wants_snapshot = True
            raise SnapshotUnavailable(f"entries up to {self._first - 1} are gone, and a snapshot has yet to be made")
        return self._snapshot

    def append(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        position = entries[0][1] - self._first
        count = len(self._entries)
        if position > count:
            raise ValueError(f"gap between last entry {self.last_index()} and appended entry {entries[0].index}")
        if position < 0:
            raise ValueError(f"appended entry {entries[0].index} is compacted, the first is {self._first}")
        if position < count:
            del self._entries[position:]
        self._entries.extend(entries)

    def set_hard_state(self, hard_state: HardState) -> None:
        self._hard_state = hard_state

    def apply_snapshot(self, snapshot: Snapshot) -> None:
        newest = max(self._snapshot.index, self._first - 1)
        if snapshot.index <= newest:
            raise ValueError(f"snapshot {snapshot.index} is not newer than {newest}")
        self._conf_state = snapshot.conf_state
        self._snapshot = snapshot
        self.release_snapshot()
        self._entries = []
        self._first = snapshot.index + 1
        self._previous_term = snapshot.term

    def set_conf_state(self, conf_state: ConfState) -> None:
        self._conf_state = conf_state

    def create_snapshot(self, index: int, data: SnapshotData, conf_state: ConfState | None = None) -> Snapshot:
        if index <= self._snapshot.index:
            raise ValueError(f"snapshot {index} is not newer than {self._snapshot.index}")
        if index > self.last_index():
            raise ValueError(f"snapshot {index} is above the last entry {self.last_index()}")
        self._snapshot = Snapshot(index, self.term(index), conf_state or self._conf_state, data)
        self.wants_snapshot = False
        return self._snapshot

    def release_snapshot(self) -> None:
        self.wants_snapshot = False
        if self.is_volatile:
            self._snapshot = Snapshot(conf_state=self._conf_state)

    def compact(self, index: int) -> None:
        if index < self._first:
            raise LogCompacted(f"entry {index} is already compacted, the first is {self._first}")
        if not self.is_volatile and index > self._snapshot.index:
            raise ValueError(f"entry {index} is in no snapshot; the newest is {self._snapshot.index}")
        self._previous_term = self.term(index)
        if index > self._snapshot.index:
            self.release_snapshot()
        del self._entries[: index - self._first + 1]
        self._first = index + 1

    def _check(self) -> None:
        for position, entry in enumerate(self._entries):
            assert entry.index == self._first + position
        terms = [self._previous_term, *(entry.term for entry in self._entries)]
        assert terms == sorted(terms)
        assert self.is_volatile or self._snapshot.index >= self._first - 1
        assert self._snapshot.index == 0 or self._snapshot.index >= self._first - 1
