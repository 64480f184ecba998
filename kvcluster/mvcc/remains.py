"""What a store held before it became another one (a snapshot was loaded), taken apart a little at a time.

Letting go of an index with a million keys at once would be a pause of a quarter of a second.
"""

from __future__ import annotations

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
        """Frees up to `budget` (>= 1) revisions, or keys; -> True when there is more to do."""
        if self._histories:
            history = self._histories[-1]
            history.drop_before(history.first + budget)
            if history.first > history.last:
                self._histories.pop()
        elif self._indexes:
            index = self._indexes[-1]
            for _ in range(min(budget, len(index.versions))):
                index.versions.popitem()
            if not index.versions:
                self._indexes.pop()
        return bool(self._histories or self._indexes)
