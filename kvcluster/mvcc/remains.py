"""What a store held before it became another one (a snapshot was loaded), taken apart a little at a time.

Letting go of an index with a million keys at once would be a pause of a quarter of a second.
"""

from __future__ import annotations

from kvcluster.mvcc.compaction import drop_records
from kvcluster.mvcc.history import History
from kvcluster.mvcc.index import Index


class Remains:
    __slots__ = ("_indexes", "_histories")

    def __init__(self) -> None:
        self._indexes: list[Index] = []
        self._histories: list[History] = []

    def add(self, index: Index, history: History) -> None:
        """Nobody else holds them, but perhaps records of theirs."""
        self._indexes.append(index)
        self._histories.append(history)

    def free(self, budget: int) -> bool:
        """Frees up to `budget` (>= 1) records, or keys; -> True when there is more to do."""
        if self._indexes:
            if not _free_index(self._indexes[-1], budget):
                self._indexes.pop()
        elif self._histories:
            history = self._histories[-1]
            drop_records(history, history.last + 1, budget)
            if history.first > history.last:
                self._histories.pop()
        return bool(self._histories or self._indexes)


def _free_index(index: Index, budget: int) -> bool:
    """The history holds most records too, so this frees lists, not records. True: there is more."""
    for versions in index.tables:
        while versions and budget > 0:
            key, kept = versions.popitem()
            budget -= 1
            if isinstance(kept, list) and len(kept) > budget + 1:
                del kept[-(budget + 1) :]
                versions[key] = kept
                return True
    for keys in (index.live, index.dead):
        while keys and budget > 0:
            keys.pop()
            budget -= 1
    return budget <= 0
