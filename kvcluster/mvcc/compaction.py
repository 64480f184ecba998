"""The physical half of a compaction: freeing, a little at a time, what the logical half already made invisible.

The logical half is one assignment in the store: reads and watches below the compacted revision fail from then on.
This half walks the HISTORY from its oldest revision to the compacted one and cuts the keys that changed there. A key
that did not change before the compacted revision has nothing to drop, so no walk over all keys is needed, and the
work is proportional to the changes since the last compaction.

    history   [ 2 ][ 3 ][ 4 ] ...  [ c-1 ][ c ][ c+1 ] ...
                \\______ dropped ________/   kept: a watch may start at c; a tombstone at c is kept with it

The revision c itself is cut but stays; when the next compaction begins, it begins there, and the tombstones that were
kept at c go then.

Driven by `Store.compact_step(budget)`; nothing visible depends on how far it has come.
"""

from __future__ import annotations

from kvcluster.mvcc.history import History
from kvcluster.mvcc.index import Index


def compact_step(index: Index, history: History, compacted_revision: int, budget: int) -> bool:
    """Frees up to `budget` (>= 1) revisions; -> True when there is more to do."""
    first = history.first
    end = min(first + budget, compacted_revision)
    changed: dict[bytes, int] = {}
    for offset, batch in enumerate(history.batches(first, max(0, end - first))):
        for event in batch:
            changed[event.kv.key] = first + offset
    for key, revision in changed.items():
        # Cut as if at the revision after it, which is not above the compacted one: a tombstone is kept only exactly at
        # the revision of the cut, and here only one at the compacted revision is to be kept.
        index.cut(key, revision + 1)
    history.drop_before(end)
    if history.first < compacted_revision:
        return True
    for event in history.at(compacted_revision):
        index.cut(event.kv.key, compacted_revision)
    return False
