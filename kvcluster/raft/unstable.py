"""The tail of the log that is not yet known to be persisted, and the snapshot that waits to be.

    storage:   … 5 6 7 8            (8 may be about to be replaced: the unstable part wins)
    unstable:          8'9'10'      offset = 8

The shell is handed the tail in a Ready and reports it persisted with `advance`; in between the tail may have grown, or
been replaced after a change of leader, which is why `stable_to` compares the term.
"""

from __future__ import annotations

from collections.abc import Sequence

from kvcluster.raft.types import Entry, Snapshot


class Unstable:
    """Invariant: entry i is entries[i - offset]; a pending snapshot lies right below offset or further down."""

    __slots__ = ("entries", "offset", "snapshot")

    def __init__(self, offset: int) -> None:
        self.entries: list[Entry] = []
        self.offset = offset
        self.snapshot: Snapshot | None = None

    def append(self, entries: Sequence[Entry]) -> None:
        """Adds `entries`, replacing everything from the first one's index on. There must be no gap."""
        position = entries[0][1] - self.offset
        count = len(self.entries)
        if position == count:
            self.entries.extend(entries)
        elif position <= 0:
            self.offset += position
            self.entries = list(entries)
        else:
            del self.entries[position:]
            self.entries.extend(entries)

    def stable_to(self, index: int, term: int) -> None:
        """Entries up to `index` are persisted, if the one there still has that term."""
        position = index - self.offset
        entries = self.entries
        if not 0 <= position < len(entries) or entries[position][0] != term:
            return
        if position + 1 == len(entries):
            self.entries = []
        else:
            del entries[: position + 1]
        self.offset = index + 1

    def stable_snapshot_to(self, index: int) -> None:
        if self.snapshot is not None and self.snapshot.index == index:
            self.snapshot = None

    def restore(self, snapshot: Snapshot) -> None:
        """A received snapshot replaces the whole log."""
        self.offset = snapshot.index + 1
        self.entries = []
        self.snapshot = snapshot
