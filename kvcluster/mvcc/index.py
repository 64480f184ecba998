"""All keys: key -> versions for reads by key, and the keys in order for ranges.

What it is: the state that changes with a put or a delete. What it is not: it knows no current revision, no
transaction and no history; store.py and txn.py drive it and say at which revision a change happens.

    tables     TABLES dicts   key -> its versions: one record, or a list of them, oldest first (keyindex.py)
    live       SortedList   keys whose newest version is a value
    dead       SortedList   keys whose newest version is a tombstone, still needed for reads in the past

Live and dead are kept apart so that the common question, "the newest pairs of a range", walks no tombstone, and so
that a count is two bisections. A read in the past merges the two.

One dict would do but for its growth: at 700,000 keys it doubles in one go, a put that takes 60 ms. A key's table is its
hash's last bits, so each doubles for itself, in a millisecond; finding it costs a twentieth of a microsecond.

The order is updated at once and not lazily. A set of pending keys merged by the next range was considered: it saves
about 1.5 µs for each NEW key (puts to a known key never touch the order), and pays with one range that waits for the
merge of everything since the last one. A put whose cost is known beats a range whose cost is not.

All versions of a key share one key object: the one it was first put with.

Invariants (`_check`): live and dead are disjoint and together are the keys of the tables; `size_bytes` is the sum of
`version_size_bytes` over all versions stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from sortedcontainers import SortedList

from kvcluster.mvcc.keyindex import Versions, as_list, newest_of, superseded, version_at, version_before
from kvcluster.mvcc.records import DELETE, PUT, Event, KeyValue

# A range_end of one zero byte: every key from `key` on (etcd.md 2.2).
TO_THE_END = b"\x00"

# What a stored version costs beside its key and value: the 17-byte revision key and the fields, rounded up.
VERSION_OVERHEAD_BYTES = 64


def version_size_bytes(kv: KeyValue) -> int:
    """What one stored version counts towards the quota."""
    return len(kv.key) + len(kv.value) + VERSION_OVERHEAD_BYTES


TABLES = 64
"""A power of two."""

_MASK = TABLES - 1


class Index:
    """See the module's contract. Not safe to read while iterating `keys_between` and changing it."""

    __slots__ = ("tables", "live", "dead", "size_bytes")

    def __init__(self) -> None:
        self.tables: tuple[dict[bytes, Versions], ...] = tuple({} for _ in range(TABLES))
        self.live: SortedList = SortedList()
        self.dead: SortedList = SortedList()
        self.size_bytes = 0

    # -- changes ----------------------------------------------------------------------------------------------------

    def put(self, key: bytes, value: bytes, lease: int, revision: int) -> Event:
        """Adds a version at `revision`; `revision` is not below any version of the key."""
        table = self.tables[hash(key) & _MASK]
        versions = table.get(key)
        prev: KeyValue | None
        if versions is None:
            prev = None
            kv = KeyValue(key, value, revision, revision, 1, lease)
            table[key] = kv
            self.live.add(key)
        else:
            before = versions[-1] if isinstance(versions, list) else versions
            key = before.key
            if before.version:
                prev = before
                kv = KeyValue(key, value, before.create_revision, revision, before.version + 1, lease)
            else:
                prev = None
                kv = KeyValue(key, value, revision, revision, 1, lease)
                self.dead.remove(key)
                self.live.add(key)
            if isinstance(versions, list):
                versions.append(kv)
            else:
                table[key] = [before, kv]
        self.size_bytes += len(key) + len(value) + VERSION_OVERHEAD_BYTES
        return Event(PUT, kv, prev)

    def delete(self, key: bytes, revision: int) -> Event | None:
        """Adds a tombstone; None, and no change, where the key is not live."""
        versions = self.tables[hash(key) & _MASK].get(key)
        if versions is None:
            return None
        prev = newest_of(versions)
        if not prev.version:
            return None
        key = prev.key
        tombstone = KeyValue(key, b"", 0, revision, 0)
        self._append(key, versions, tombstone)
        self.live.remove(key)
        self.dead.add(key)
        self.size_bytes += len(key) + VERSION_OVERHEAD_BYTES
        return Event(DELETE, tombstone, prev)

    def _append(self, key: bytes, versions: Versions, kv: KeyValue) -> None:
        if isinstance(versions, list):
            versions.append(kv)
        else:
            self.tables[hash(key) & _MASK][key] = [versions, kv]

    def undo(self, event: Event) -> None:
        """Takes back the newest change of a key. A transaction that is rolled back undoes its events in reverse."""
        key = event.kv.key
        versions = self.tables[hash(key) & _MASK][key]
        assert newest_of(versions) is event.kv, "only the newest change can be undone"
        self.size_bytes -= version_size_bytes(event.kv)
        if event.kv.version:
            self.live.remove(key)
        else:
            self.dead.remove(key)
        if not isinstance(versions, list):
            del self.tables[hash(key) & _MASK][key]
            return
        versions.pop()
        if versions[-1].version:
            self.live.add(key)
        else:
            self.dead.add(key)
        if len(versions) == 1:
            self.tables[hash(key) & _MASK][key] = versions[0]

    def cut(self, key: bytes, revision: int) -> None:
        """Drops what compaction at `revision` makes invisible of one key (keyindex.superseded)."""
        versions = self.tables[hash(key) & _MASK].get(key)
        if versions is None:
            return
        gone = superseded(versions, revision)
        if not gone:
            return
        listed = as_list(versions)
        self.size_bytes -= sum(map(version_size_bytes, listed[:gone]))
        if gone == len(listed):
            del self.tables[hash(key) & _MASK][key]
            self.dead.remove(key)
        elif gone == len(listed) - 1:
            self.tables[hash(key) & _MASK][key] = listed[-1]
        else:
            del listed[:gone]

    def load(
        self, key: bytes, value: bytes, create_revision: int, mod_revision: int, version: int, lease: int
    ) -> KeyValue:
        """Adds a version as a snapshot has it: the newest of its key, or a tombstone where version is 0."""
        versions = self.tables[hash(key) & _MASK].get(key)
        before = None if versions is None else newest_of(versions)
        if before is not None:
            key = before.key
        kv = KeyValue(key, value, create_revision, mod_revision, version, lease)
        if versions is None:
            self.tables[hash(key) & _MASK][key] = kv
        else:
            self._append(key, versions, kv)
        self.size_bytes += len(key) + len(value) + VERSION_OVERHEAD_BYTES
        was_live = before is not None and before.version != 0
        if before is None or was_live != (version != 0):
            if before is not None:
                (self.live if was_live else self.dead).remove(key)
            (self.live if version else self.dead).add(key)
        return kv

    # -- reads ------------------------------------------------------------------------------------------------------

    def find(self, key: bytes) -> KeyValue | None:
        """The newest version; None where the key does not exist."""
        versions = self.tables[hash(key) & _MASK].get(key)
        if versions is None:
            return None
        kv = versions[-1] if isinstance(versions, list) else versions
        return kv if kv.version else None

    def versions_of(self, key: bytes) -> Versions:
        """All versions of a known key."""
        return self.tables[hash(key) & _MASK][key]

    def find_before(self, kv: KeyValue) -> KeyValue | None:
        """The live version that `kv` took the place of. `kv` is stored."""
        return version_before(self.versions_of(kv.key), kv)

    def live_keys(self, key: bytes, range_end: bytes) -> Iterator[bytes]:
        """The live keys of [key, range_end), in order."""
        return _between(self.live, key, range_end)

    def count(self, key: bytes, range_end: bytes) -> int:
        """How many live keys [key, range_end) has, by two bisections."""
        if not range_end:
            return 0 if self.find(key) is None else 1
        stop = len(self.live) if range_end == TO_THE_END else self.live.bisect_left(range_end)
        return max(0, stop - self.live.bisect_left(key))

    def select_newest(
        self, key: bytes, range_end: bytes, limit: int, count_only: bool
    ) -> tuple[list[KeyValue], int, bool]:
        """(pairs, count, more) of the newest state."""
        if not range_end:
            kv = self.find(key)
            if kv is None:
                return [], 0, False
            return ([] if count_only else [kv]), 1, False
        if count_only:
            return [], self.count(key, range_end), False
        if limit <= 0:
            kvs = _newest(self.tables, _between(self.live, key, range_end))
            return kvs, len(kvs), False
        kvs = _newest(self.tables, islice(_between(self.live, key, range_end), limit))
        count = len(kvs) if len(kvs) < limit else self.count(key, range_end)
        return kvs, count, count > len(kvs)

    def select_at(
        self, key: bytes, range_end: bytes, revision: int, limit: int, count_only: bool
    ) -> tuple[list[KeyValue], int, bool]:
        """(pairs, count, more) as of a revision in the past. Walks every key of the range: the count needs it."""
        if not range_end:
            versions = self.tables[hash(key) & _MASK].get(key)
            kv = None if versions is None else version_at(versions, revision)
            kvs = [] if kv is None else [kv]
        else:
            seen = (version_at(self.versions_of(found), revision) for found in self.keys_between(key, range_end))
            kvs = [kv for kv in seen if kv is not None]
        if count_only:
            return [], len(kvs), False
        if 0 < limit < len(kvs):
            return kvs[:limit], len(kvs), True
        return kvs, len(kvs), False

    def keys_between(self, key: bytes, range_end: bytes) -> Iterator[bytes]:
        """Every known key of the range, dead or alive, in order."""
        live = _between(self.live, key, range_end)
        if not self.dead:
            return live
        # Two sorted runs: the sort merges them in one pass, in C.
        return iter(sorted([*live, *_between(self.dead, key, range_end)]))

    def keys_from(self, key: bytes, count: int) -> list[bytes]:
        """The next `count` known keys, dead or alive, from `key` on, in order."""
        live = list(islice(self.live.irange(key), count))
        if not self.dead:
            return live
        return sorted([*live, *islice(self.dead.irange(key), count)])[:count]

    def _check(self) -> None:
        """Raises AssertionError where an invariant of the contract is broken. For tests."""
        live, dead = list(self.live), list(self.dead)
        assert live == sorted(
            key for table in self.tables for key, versions in table.items() if newest_of(versions).version
        )
        assert dead == sorted(
            key for table in self.tables for key, versions in table.items() if not newest_of(versions).version
        )
        size_bytes = 0
        for key, kept in [item for table in self.tables for item in table.items()]:
            assert not isinstance(kept, list) or len(kept) > 1
            versions = as_list(kept)
            assert all(kv.key is key for kv in versions)
            revisions = [kv.mod_revision for kv in versions]
            assert revisions == sorted(revisions)
            size_bytes += sum(map(version_size_bytes, versions))
        assert self.size_bytes == size_bytes


def _between(keys: SortedList, key: bytes, range_end: bytes) -> Iterator[bytes]:
    if range_end == TO_THE_END:
        return keys.irange(key)
    if key >= range_end:
        return iter(())
    return keys.irange(key, range_end, inclusive=(True, False))


def _newest(tables: tuple[dict[bytes, Versions], ...], keys: Iterable[bytes]) -> list[KeyValue]:
    return [versions[-1] if isinstance(versions := tables[hash(key) & _MASK][key], list) else versions for key in keys]
