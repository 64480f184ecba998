"""The multi-version store: etcd's key space with its revisions, in memory.

What it is: `Store` answers reads at any revision that is not compacted, makes one revision of every write, and keeps
the events of each revision for watchers that come late. What it is not: it checks no request (empty keys, leases,
quota: apply does), knows no time, and does no I/O. Driven by one thread, synchronously: apply writes, everything else
reads. While a transaction is open, only the transaction is asked: the store would show it half done.

Rules: etcd.md 2.1 (revisions), 2.2 (ranges), 2.6 (compaction). An empty store has revision 1 and compacted revision -1;
the first write is revision 2. Reads at the compacted revision work, below it they raise CompactedError.

    compacted_revision           revision
          |                          |
    ------[==========================]------      reads, hash
    ------(=====]--------------------]------      prev_kv exists for events above the compacted revision only
    ------[==========================]------      watches start: events of the compacted revision itself are kept

Invariants (`_check`): the history holds exactly the events of the visible revisions (and more while a compaction is
not yet finished physically); every event's kv is the stored record itself. A raised error has changed nothing.

Determinism: the same calls give the same store on every member. How far `compact_step` has come is visible only in
`size_bytes`.
"""

from __future__ import annotations

from kvcluster.errors import CompactedError, FutureRevisionError
from kvcluster.mvcc.compaction import compact_step
from kvcluster.mvcc.hashing import hash_at
from kvcluster.mvcc.history import Batch, History
from kvcluster.mvcc.index import TO_THE_END, Index
from kvcluster.mvcc.records import Event, KeyValue, RangeResult
from kvcluster.mvcc.snapshot import decode_snapshot, encode_snapshot
from kvcluster.mvcc.txn import Txn

FIRST_REVISION = 1
NEVER_COMPACTED = -1


class Store:
    """See the module's contract. `revision` and `compacted_revision` are for reading only."""

    __slots__ = ("revision", "compacted_revision", "_index", "_history", "_txn", "_compacting")

    def __init__(self) -> None:
        self.revision = FIRST_REVISION
        self.compacted_revision = NEVER_COMPACTED
        self._index = Index()
        self._history = History(first=FIRST_REVISION + 1)
        self._txn: Txn | None = None
        self._compacting = False

    # -- writes -----------------------------------------------------------------------------------------------------

    def put(self, key: bytes, value: bytes, lease: int = 0) -> Event:
        """One put, one revision: the fast path. RuntimeError while a transaction is open."""
        if self._txn is not None:
            raise RuntimeError("a transaction is open")
        revision = self.revision + 1
        event = self._index.put(key, value, lease, revision)
        self._history.append((event,))
        self.revision = revision
        return event

    def begin(self) -> Txn:
        """Opens a write transaction. RuntimeError while another one is open."""
        if self._txn is not None:
            raise RuntimeError("a transaction is open")
        self._txn = Txn(self._index, self.revision, self._check_not_compacted, self._end_txn)
        return self._txn

    def _end_txn(self, events: list[Event]) -> None:
        self._txn = None
        if events:
            self._history.append(tuple(events))
            self.revision += 1

    # -- reads ------------------------------------------------------------------------------------------------------

    def get(self, key: bytes) -> KeyValue | None:
        """The newest version of one key: the fast path of reads."""
        return self._index.find(key)

    def range(
        self, key: bytes, range_end: bytes = b"", *, revision: int = 0, limit: int = 0, count_only: bool = False
    ) -> RangeResult:
        """The pairs of [key, range_end) in key order, as of `revision` (<= 0: the newest).

        range_end: empty = only `key`; one zero byte = every key from `key` on. key >= range_end is an empty result.
        limit <= 0: no limit. Raises CompactedError below the compacted revision, FutureRevisionError above the current.
        """
        if revision <= 0 or revision == self.revision:
            kvs, count, more = self._index.select_newest(key, range_end, limit, count_only)
        else:
            self.check_revision(revision)
            kvs, count, more = self._index.select_at(key, range_end, revision, limit, count_only)
        return RangeResult(kvs, count, self.revision, more)

    def check_revision(self, revision: int) -> None:
        """Raises CompactedError or FutureRevisionError where a read at `revision` (> 0) would."""
        if revision > self.revision:
            raise FutureRevisionError
        self._check_not_compacted(revision)

    def _check_not_compacted(self, revision: int) -> None:
        if revision < self.compacted_revision:
            raise CompactedError(compact_revision=self.compacted_revision)

    # -- history ----------------------------------------------------------------------------------------------------

    def batches(self, from_revision: int, limit_revisions: int) -> list[Batch]:
        """The events of from_revision, from_revision + 1, ...; at most `limit_revisions` of them, all keys.

        Batches may be shared with the store: read only. Raises CompactedError below the compacted revision.
        """
        self._check_not_compacted(from_revision)
        first = self._history.first
        if from_revision < first:  # revisions 0 and 1, which never had events
            limit_revisions -= first - from_revision
            from_revision = first
        return self._history.batches(from_revision, max(0, limit_revisions))

    def events(
        self, key: bytes, range_end: bytes, from_revision: int, to_revision: int = 0, limit_revisions: int = 0
    ) -> list[tuple[int, list[Event]]]:
        """[(revision, its events of the range)], revisions without such events left out.

        Both revisions are included; to_revision 0 = the current one; limit_revisions 0 = no limit on revisions found.
        Raises CompactedError below the compacted revision.
        """
        self._check_not_compacted(from_revision)
        revision = max(from_revision, self._history.first)
        last = min(to_revision, self.revision) if to_revision else self.revision
        found: list[tuple[int, list[Event]]] = []
        for batch in self._history.batches(revision, max(0, last - revision + 1)):
            matching = [event for event in batch if _in_range(event.kv.key, key, range_end)]
            if matching:
                found.append((revision, matching))
                if len(found) == limit_revisions:
                    break
            revision += 1
        return found

    # -- compaction -------------------------------------------------------------------------------------------------

    def compact(self, revision: int) -> None:
        """Makes everything below `revision` invisible, at once; `compact_step` frees it bit by bit.

        Compaction at the current revision is allowed, and compaction at 0 once, on a store never compacted.
        Raises CompactedError at or below the compacted revision, FutureRevisionError above the current one.
        """
        if revision <= self.compacted_revision:
            raise CompactedError(compact_revision=self.compacted_revision)
        if revision > self.revision:
            raise FutureRevisionError
        self.compacted_revision = revision
        self._compacting = True
        for event in self._history.at(revision):
            event.forget_prev()

    def compact_step(self, budget: int = 1000) -> bool:
        """Frees up to `budget` revisions of what is compacted; -> True when there is more to do.

        etcd's batches are 1000 revisions too (compaction-batch-limit). ValueError for a budget below 1.
        """
        if budget < 1:
            raise ValueError("budget must be at least 1 revision")
        if self._compacting:
            self._compacting = compact_step(self._index, self._history, self.compacted_revision, budget)
        return self._compacting

    # -- maintenance ------------------------------------------------------------------------------------------------

    @property
    def size_bytes(self) -> int:
        """What all stored versions count towards the quota. Falls as compaction frees them."""
        return self._index.size_bytes

    def hash(self, revision: int = 0) -> int:
        """CRC-32 of everything visible up to `revision` (0: the current one); equal on all members.

        Raises CompactedError, FutureRevisionError.
        """
        if revision <= 0:
            revision = self.revision
        self.check_revision(revision)
        return hash_at(self._index, self._history, self.compacted_revision, revision)

    def snapshot(self) -> bytes:
        """Everything visible, with the history that watchers may still need, as checked bytes."""
        if self._txn is not None:
            raise RuntimeError("a transaction is open")
        return encode_snapshot(self._index, self._history, self.revision, self.compacted_revision)

    @classmethod
    def restore(cls, snapshot: bytes) -> Store:
        """A store from `snapshot()` bytes. Raises CorruptSnapshotError."""
        store = cls()
        store.load(snapshot)
        return store

    def load(self, snapshot: bytes) -> None:
        """Becomes what `snapshot` holds, in place: those who hold this store keep it. Raises CorruptSnapshotError."""
        if self._txn is not None:
            raise RuntimeError("a transaction is open")
        index, history, revision, compacted_revision = decode_snapshot(snapshot)
        self._index, self._history = index, history
        self.revision, self.compacted_revision = revision, compacted_revision
        self._compacting = False

    def _check(self) -> None:
        """Raises AssertionError where an invariant is broken. For tests; O(everything)."""
        self._index._check()
        self._history._check()
        assert self._history.last == self.revision
        assert self._compacting or self._history.first == max(self.compacted_revision, FIRST_REVISION + 1)
        for revision in range(max(self.compacted_revision, self._history.first), self.revision + 1):
            for event in self._history.at(revision):
                versions = self._index.versions.get(event.kv.key, [])
                kept = any(kv is event.kv for kv in versions)
                repeated = sum(other.kv.key == event.kv.key for other in self._history.at(revision)) > 1
                assert kept or repeated, event
                assert event.prev is None or revision > self.compacted_revision


def _in_range(candidate: bytes, key: bytes, range_end: bytes) -> bool:
    if not range_end:
        return candidate == key
    return candidate >= key and (range_end == TO_THE_END or candidate < range_end)
