"""All versions of a store in the order of their revisions, as etcd's own storage has them; in steps."""

from __future__ import annotations

from collections.abc import Iterator

from kvcluster.mvcc.history import History
from kvcluster.mvcc.index import Index
from kvcluster.mvcc.keyindex import version_at
from kvcluster.mvcc.records import KeyValue

STRIDE = 256
"""Keys, or revisions, that are looked up at once."""

FIRST_CHANGE = 2


class HistoryWalk:
    """Made by Store.begin_history."""

    __slots__ = ("revision", "compacted_revision", "_index", "_history")

    def __init__(self, index: Index, history: History, revision: int, compacted_revision: int) -> None:
        self.revision = revision
        self.compacted_revision = compacted_revision
        self._index = index
        self._history = history

    def versions(self) -> Iterator[tuple[int, KeyValue] | None]:
        """(place within its revision, version; a tombstone has version 0); None now and then, where looking takes long.

        What is older than the compacted revision and still alive at it has lost its place within its revision, and is counted
        anew in the order of the keys.
        """
        base: list[tuple[int, bytes, KeyValue]] = []
        if self.compacted_revision > 0:
            key = b""
            while keys := self._index.keys_from(key, STRIDE):
                for key in keys:
                    kv = version_at(self._index.versions_of(key), self.compacted_revision)
                    if kv is not None and kv.mod_revision < self.compacted_revision:
                        base.append((kv.mod_revision, key, kv))
                    yield None
                key += b"\0"  # the next key there can be
            base.sort(key=lambda entry: entry[:2])
        before, place = 0, 0
        for revision, _, kv in base:
            place = place + 1 if revision == before else 0
            before = revision
            yield place, kv
        first, end = max(self.compacted_revision, FIRST_CHANGE), self.revision + 1
        for start in range(first, end, STRIDE):
            for kvs in self._history.records(start, min(STRIDE, end - start)):
                yield from enumerate(kvs)
