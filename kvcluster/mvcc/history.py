"""Every change since the compacted revision, by revision: what a late watcher is caught up from.

Each main revision has at least one event and revisions have no gaps (only a change makes a revision), so the events
of revision r lie at position r - first: finding where to start is one subtraction, whatever the length.

    blocks    [ condensed ] [ condensed ] ... [ events ] [ events, being filled ]      BLOCK revisions each

The newest one or two blocks hold the events as they were published, with the bytes that watchers share. An older
block is *condensed*: a revision with one event, which is nearly every one, is the KeyValue itself and nothing else.
Its event is made again when asked for: the type follows from the record, the version before it is found in the index
(`find_before`). So a change costs the history eight bytes beside the record that the index holds anyway.

A revision of many events (a deleted prefix) is condensed at once, for condensing it later would be one long pause.

Compaction drops from the front: records, then whole blocks. No step of it moves more than a block.
"""

from __future__ import annotations

from collections.abc import Callable

from kvcluster.mvcc.records import DELETE, PUT, Event, KeyValue

BLOCK = 1024
"""Revisions of a block; between one and two blocks of events are kept as they are."""

LARGE_BATCH = 64
"""A revision of more events is condensed as it comes in."""

Batch = tuple[Event, ...]
Item = Batch | KeyValue | list[KeyValue] | None
FindBefore = Callable[[KeyValue], KeyValue | None]


class History:
    """The changes of revisions `first` .. `last`; empty when last == first - 1. Both are for reading only."""

    __slots__ = ("first", "last", "_blocks", "_newest", "_start", "_size")

    def __init__(self, first: int) -> None:
        self.first = first
        self.last = first - 1
        self._size = BLOCK
        self._newest: list[Item] = []
        self._blocks: list[list[Item]] = [self._newest]
        self._start = first  # the revision that is, or was, at the front of the first block

    def append(self, batch: Batch) -> None:
        """The events of revision last + 1, in the order in which they happened."""
        newest = self._newest
        newest.append(batch if len(batch) <= LARGE_BATCH else _condense(batch))
        self.last += 1
        if len(newest) == self._size:
            self._begin_block()

    def append_records(self, kvs: list[KeyValue]) -> None:
        """The same, of a revision that was: nobody watches it now, its events are made when they are asked for."""
        self._newest.append(kvs[0] if len(kvs) == 1 else kvs)
        self.last += 1
        if len(self._newest) == self._size:
            self._begin_block()

    def _begin_block(self) -> None:
        if len(self._blocks) > 1:
            block = self._blocks[-2]
            block[:] = [_condense(item) if isinstance(item, tuple) else item for item in block]
        self._newest = []
        self._blocks.append(self._newest)

    def items(self, from_revision: int, limit: int) -> list[Item]:
        """What is kept of revisions from_revision, from_revision + 1, ...: at most `limit` of them.

        from_revision is not below `first`. Items are the history's own: read only, but for a compaction, which may
        take records from the end of a list below the compacted revision.
        """
        limit = min(limit, self.last + 1 - from_revision)
        if limit <= 0:
            return []
        number, start = divmod(from_revision - self._start, self._size)
        found = self._blocks[number][start : start + limit]
        while len(found) < limit:
            number += 1
            found += self._blocks[number][: limit - len(found)]
        return found

    def records(self, from_revision: int, limit: int) -> list[list[KeyValue]]:
        """The changed records of each of those revisions, in order; read only."""
        return [records_of(item) for item in self.items(from_revision, limit)]

    def drop_before(self, revision: int) -> None:
        """Forgets every revision below `revision`."""
        end = min(revision, self.last + 1)
        if end <= self.first:
            return
        size, blocks = self._size, self._blocks
        number, start = divmod(self.first - self._start, size)
        self.first = end
        end_number, stop = divmod(end - self._start, size)
        if end_number == 0:
            blocks[0][start:stop] = [None] * (stop - start)  # frees the records now; the block goes when it is empty
            return
        blocks[end_number][:stop] = [None] * stop
        del blocks[:end_number]
        self._start += end_number * size

    def _check(self) -> None:
        """Raises AssertionError where an invariant is broken. For tests."""
        assert sum(map(len, self._blocks)) == self.last + 1 - self._start
        assert self._newest is self._blocks[-1] and len(self._newest) < self._size
        assert all(len(block) == self._size for block in self._blocks[:-1])
        assert 0 <= self.first - self._start < self._size
        for revision, kvs in enumerate(self.records(self.first, self.last + 1 - self.first), self.first):
            assert kvs and all(kv.mod_revision == revision for kv in kvs)
        for block in self._blocks[:-2]:
            assert not any(isinstance(item, tuple) for item in block)


def records_of(item: Item) -> list[KeyValue]:
    if isinstance(item, KeyValue):
        return [item]
    if isinstance(item, list):
        return item
    return [event.kv for event in item or ()]


def events_of(item: Item, find_before: FindBefore) -> Batch:
    """The events of a revision. find_before: the stored version that one took the place of."""
    if isinstance(item, tuple):
        return item
    return tuple(Event(PUT if kv.version else DELETE, kv, find_before(kv), True) for kv in records_of(item))


def _condense(batch: Batch) -> KeyValue | list[KeyValue]:
    for event in batch:
        event.retire()
    return batch[0].kv if len(batch) == 1 else [event.kv for event in batch]
