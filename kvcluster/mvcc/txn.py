"""A write transaction: several changes that become one revision, or none.

    store.begin() --> open --commit()--> committed      one revision with all events, or no revision without a change
                        \\--rollback()-> rolled back     the store is as it was

Changes are made in the store's index at once, so later reads of the same transaction see them; the events are the
undo log. Nothing is published before `commit`: the store's revision and history do not move, and nobody else looks in
between because everything is synchronous (one transaction is open at a time, and meanwhile the store refuses writes).

Order inside the revision is the order of the calls (etcd's "sub" revision). Checks of what a client asked for (keys
put twice, leases, ignore_value) are the caller's and come before the first change (etcd.md 2.4).
"""

from __future__ import annotations

from collections.abc import Callable

from kvcluster.errors import FutureRevisionError
from kvcluster.mvcc.index import Index
from kvcluster.mvcc.records import Event, KeyValue, RangeResult


class Txn:
    """Made by `Store.begin()` only. Every method raises RuntimeError after commit or rollback."""

    __slots__ = ("_index", "_check_not_compacted", "_begin_revision", "_events", "_end", "_open")

    def __init__(
        self,
        index: Index,
        begin_revision: int,
        check_not_compacted: Callable[[int], None],
        end: Callable[[list[Event]], None],
    ) -> None:
        self._index = index
        self._begin_revision = begin_revision
        self._check_not_compacted = check_not_compacted
        self._end = end
        self._events: list[Event] = []
        self._open = True

    @property
    def revision(self) -> int:
        """The store's revision as this transaction sees it: one more than before as soon as it has changed something."""
        return self._begin_revision + 1 if self._events else self._begin_revision

    @property
    def events(self) -> list[Event]:
        """What has changed so far, in order. Do not change the list."""
        return self._events

    def put(self, key: bytes, value: bytes, lease: int = 0) -> KeyValue:
        """Writes a new version; -> the pair as stored."""
        self._must_be_open()
        event = self._index.put(key, value, lease, self._begin_revision + 1)
        self._events.append(event)
        return event.kv

    def delete_range(self, key: bytes, range_end: bytes = b"") -> list[KeyValue]:
        """Deletes every live key of the range; -> the pairs that were there, in key order."""
        self._must_be_open()
        keys = [key] if not range_end else list(self._index.live_keys(key, range_end))
        removed = []
        for found in keys:
            event = self._index.delete(found, self._begin_revision + 1)
            if event is not None:
                self._events.append(event)
                assert event.prev is not None
                removed.append(event.prev)
        return removed

    def get(self, key: bytes) -> KeyValue | None:
        """The newest version, own writes included."""
        self._must_be_open()
        return self._index.find(key)

    def range(
        self, key: bytes, range_end: bytes = b"", *, revision: int = 0, limit: int = 0, count_only: bool = False
    ) -> RangeResult:
        """As Store.range; the newest state includes own writes, a fixed revision does not.

        A fixed revision is measured against the state before the transaction. Raises CompactedError,
        FutureRevisionError; a negative one is the newest as in Store.range, but below the compacted revision it is
        refused like any other (etcd.md 2.4).
        """
        self._must_be_open()
        if revision > self._begin_revision:
            raise FutureRevisionError
        if revision:
            self._check_not_compacted(revision)
        if revision <= 0:
            kvs, count, more = self._index.select_newest(key, range_end, limit, count_only)
        else:
            kvs, count, more = self._index.select_at(key, range_end, revision, limit, count_only)
        return RangeResult(kvs, count, self.revision, more)

    def commit(self) -> list[Event]:
        """Ends the transaction; -> its events, all of revision `self.revision`; an empty list where nothing changed."""
        self._must_be_open()
        self._open = False
        self._end(self._events)
        return self._events

    def rollback(self) -> None:
        """Ends the transaction and takes every change back. After a commit or a rollback: does nothing."""
        if not self._open:
            return
        self._open = False
        for event in reversed(self._events):
            self._index.undo(event)
        self._events = []
        self._end([])

    def _must_be_open(self) -> None:
        if not self._open:
            raise RuntimeError("the transaction has ended")
