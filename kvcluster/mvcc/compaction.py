"""The physical half of a compaction: freeing, a little at a time, what the logical half already made invisible.

The logical half is one assignment in the store: reads and watches below the compacted revision fail from then on.
This half walks the HISTORY from its oldest revision to the compacted one and cuts the keys that changed there. A key
that did not change before the compacted revision has nothing to drop, so no walk over all keys is needed, and the
work is proportional to the changes since the last compaction.

    history   [ 2 ][ 3 ][ 4 ] ...  [ c-1 ][ c ][ c+1 ] ...
                \\______ dropped ________/   kept: a watch may start at c; a tombstone at c is kept with it

The revision c itself is cut but stays; when the next compaction begins, it begins there, and the tombstones that were
kept at c go then.

A step is bounded by what it touches: records (a revision may have a million of them) and the bytes of their values,
since freeing is work too. What it frees of a key are versions that lie in the stretch it walks, and one before.

Driven by `Store.compact_step(budget)`; nothing visible depends on how far it has come.
"""

from __future__ import annotations

from kvcluster.mvcc.history import History, records_of
from kvcluster.mvcc.index import Index

MAX_STEP_BYTES = 16 << 20
"""Of values that a step walks over. One record is always done, however large."""


class Compaction:
    """The progress of a store's compactions: they follow each other, and may overtake each other."""

    __slots__ = ("is_done", "_cut_at_target")

    def __init__(self) -> None:
        self.is_done = True
        self._cut_at_target = 0  # records of the compacted revision itself that are done

    def begin(self) -> None:
        """There is a new compacted revision."""
        self.is_done = False
        self._cut_at_target = 0

    def step(self, index: Index, history: History, compacted_revision: int, budget: int) -> bool:
        """Frees up to `budget` (>= 1) records; -> True when there is more to do."""
        left = budget
        end = min(compacted_revision, history.last + 1)
        if history.first < end:
            changed = drop_records(history, end, budget)
            for key, revision in changed.items():
                # Cut as if at the revision after it, which is not above the compacted one: a tombstone is kept only
                # exactly at the revision of the cut, and here only one at the compacted revision is to be kept.
                index.cut(key, revision + 1)
            if history.first < end:
                return True
            left = max(budget - len(changed), 1)
        if history.first == compacted_revision:
            kvs = history.records(compacted_revision, 1)[0]
            done = self._cut_at_target
            for kv in kvs[done : done + left]:
                index.cut(kv.key, compacted_revision)
            self._cut_at_target = done + left
            self.is_done = self._cut_at_target >= len(kvs)
        else:
            self.is_done = True  # compacted at 0 or 1, which never had a change
        return not self.is_done


def drop_records(history: History, end: int, budget: int) -> dict[bytes, int]:
    """Drops up to `budget` records from the front of the history, below `end`; -> the keys, each with its last revision."""
    changed: dict[bytes, int] = {}
    left, size_bytes = budget, 0
    revision = history.first
    for item in history.items(revision, min(budget, end - revision)):
        is_split = isinstance(item, list) and len(item) > left
        kvs = records_of(item)[-left:] if is_split else records_of(item)
        for kv in kvs:
            changed[kv.key] = revision
            size_bytes += len(kv.value)
        left -= len(kvs)
        if is_split:
            del item[-len(kvs) :]  # type: ignore[union-attr]  # it stays in front with what is left of it
            break
        revision += 1
        if left <= 0 or size_bytes >= MAX_STEP_BYTES:
            break
    history.drop_before(revision)
    return changed
