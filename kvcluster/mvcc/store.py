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

Invariants (`_check`): the history holds exactly the changes of the visible revisions (and more while a compaction is
not yet finished physically); every event's kv is the stored record itself. A raised error has changed nothing.

Determinism: the same calls give the same store on every member. How far `compact_step` has come is visible only in
`size_bytes`.
"""

from __future__ import annotations

from kvcluster.errors import CompactedError, FutureRevisionError
from kvcluster.mvcc.chunks import ChunkReader
from kvcluster.mvcc.compaction import Compaction
from kvcluster.mvcc.hashing import hash_at
from kvcluster.mvcc.history import Batch, History, events_of, records_of
from kvcluster.mvcc.index import TO_THE_END, Index
from kvcluster.mvcc.keyindex import as_list
from kvcluster.mvcc.records import DELETE, PUT, Event, KeyValue, RangeResult
from kvcluster.mvcc.remains import Remains
from kvcluster.mvcc.snapshot import SnapshotDecoder, SnapshotEncoder, encode_snapshot
from kvcluster.mvcc.txn import Txn
from kvcluster.mvcc.walk import HistoryWalk

FIRST_REVISION = 1
COMPACT_RECORDS = 500
"""What a step of a compaction frees, or of a load reads: one or two milliseconds' work."""
NEVER_COMPACTED = -1


class Store:
    """See the module's contract. `revision` and `compacted_revision` are for reading only."""

    __slots__ = (
        "revision",
        "compacted_revision",
        "_index",
        "_history",
        "_txn",
        "_compaction",
        "_remains",
        "_is_held",
        "_holds",
    )

    def __init__(self) -> None:
        self.revision = FIRST_REVISION
        self.compacted_revision = NEVER_COMPACTED
        self._index = Index()
        self._history = History(first=FIRST_REVISION + 1)
        self._txn: Txn | None = None
        self._compaction = Compaction()
        self._remains = Remains()
        self._is_held = False  # a snapshot is being written: nothing is freed
        self._holds = 0  # nor for these

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
        items = self._history.items(from_revision, limit_revisions)
        if items and from_revision == self.compacted_revision:  # what was before it cannot be seen
            items[0] = records_of(items[0])
            return [events_of(items[0], _nothing), *(events_of(item, self._index.find_before) for item in items[1:])]
        find_before = self._index.find_before
        return [events_of(item, find_before) for item in items]

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
        for item in self._history.items(revision, last - revision + 1):
            matching = [kv for kv in records_of(item) if _in_range(kv.key, key, range_end)]
            if matching:
                found.append((revision, [self._event_of(kv) for kv in matching]))
                if len(found) == limit_revisions:
                    break
            revision += 1
        return found

    def _event_of(self, kv: KeyValue) -> Event:
        is_prev_visible = kv.mod_revision > self.compacted_revision
        prev = self._index.find_before(kv) if is_prev_visible else None
        return Event(PUT if kv.version else DELETE, kv, prev, True)

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
        self._compaction.begin()

    def compact_step(self, budget: int = COMPACT_RECORDS) -> bool:
        """Frees up to `budget` records of what is compacted; -> True when there is more to do.

        While a snapshot is being written nothing is freed. ValueError for a budget below 1.
        """
        if budget < 1:
            raise ValueError("budget must be at least 1 record")
        if self._compaction.is_done or self._is_held or self._holds:
            return self._remains.free(budget) or not self._compaction.is_done
        return self._compaction.step(self._index, self._history, self.compacted_revision, budget)

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

    def begin_snapshot(self) -> SnapshotEncoder:
        """What `snapshot()` would return now, written in steps while the store goes on.

        Physical compaction waits until `end_snapshot`. RuntimeError while another one is being written.
        """
        if self._txn is not None:
            raise RuntimeError("a transaction is open")
        if self._is_held:
            raise RuntimeError("a snapshot is being written")
        self._is_held = True
        return SnapshotEncoder(self._index, self._history, self.revision, self.compacted_revision)

    def end_snapshot(self) -> None:
        """The snapshot that was begun is written, or given up."""
        self._is_held = False

    def begin_history(self) -> HistoryWalk:
        """All versions that can be read now, in the order of their revisions, for whoever writes them in steps while the store
        goes on. Physical compaction waits until `end_history`; several may walk at a time."""
        self._holds += 1
        return HistoryWalk(self._index, self._history, self.revision, self.compacted_revision)

    def end_history(self) -> None:
        self._holds -= 1

    @classmethod
    def restore(cls, snapshot: bytes) -> Store:
        """A store from `snapshot()` bytes. Raises CorruptSnapshotError."""
        store = cls()
        store.load(snapshot)
        return store

    def load(self, snapshot: bytes) -> None:
        """Becomes what `snapshot` holds, in place: those who hold this store keep it. Raises CorruptSnapshotError."""
        source = ChunkReader([snapshot])
        source.begin_section(len(snapshot))
        decoder = SnapshotDecoder(source)
        while decoder.step(COMPACT_RECORDS):
            pass
        self.adopt(decoder)

    def adopt(self, decoded: SnapshotDecoder) -> None:
        """The last step of a load: becomes what a finished decoder holds. What was is freed by `compact_step`.

        A snapshot that is being written is given up: the caller ends it.
        """
        if self._txn is not None:
            raise RuntimeError("a transaction is open")
        self._remains.add(self._index, self._history)
        self._index, self._history = decoded.index, decoded.history
        self.revision, self.compacted_revision = decoded.revision, decoded.compacted_revision
        self._compaction = Compaction()
        self._is_held = False

    def _check(self) -> None:
        """Raises AssertionError where an invariant is broken. For tests; O(everything)."""
        self._index._check()
        self._history._check()
        assert self._history.last == self.revision
        assert not self._compaction.is_done or self._history.first == max(self.compacted_revision, FIRST_REVISION + 1)
        first = max(self.compacted_revision, self._history.first)
        for revision, events in enumerate(self.batches(first, self.revision + 1 - first), first):
            for event in events:
                kept = as_list(self._index.versions_of(event.kv.key))
                repeated = sum(other.kv.key == event.kv.key for other in events) > 1
                assert any(kv is event.kv for kv in kept) or (repeated and revision == self.compacted_revision), event
                assert event.prev is None or (revision > self.compacted_revision and event.prev.version)


def _in_range(candidate: bytes, key: bytes, range_end: bytes) -> bool:
    if not range_end:
        return candidate == key
    return candidate >= key and (range_end == TO_THE_END or candidate < range_end)


def _nothing(kv: KeyValue) -> None:
    return None
