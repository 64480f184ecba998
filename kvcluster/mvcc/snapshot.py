"""The store as bytes, and back; at once, or in steps while the store goes on.

Layout, little endian (version 1):

    header   magic "kvms" | version u16 | reserved u16 | crc32 of the body u32 | length of the body u64
    body     revision i64 | compacted revision i64 | number of base pairs u64 | number of batches u64
             base pairs: the live pairs at the compacted revision that were last changed BELOW it, in key order
             batches:    for each revision from the compacted one (or 2) to the current one: count u32, records
    record   key length u32 | value length u32 | create, mod, version, lease i64 | key | value

The base gives reads at the compacted revision; replaying the batches gives every revision after it, and the history.
What a compaction has made invisible but not freed is not written, so members whose physical compaction has come
differently far write the same bytes.

In steps (`SnapshotEncoder`, `SnapshotDecoder`) nothing is copied but the records themselves. The encoder writes the
state of the revision at which it began: versions are never changed, so all it needs of a store that goes on is that
nothing is freed meanwhile (the store holds its physical compaction back). Keys that come or move between living and
dead do not matter to a walk in key order that looks at the past. `encode_snapshot` is its simple twin: equal bytes.

Decoding trusts nothing: magic, version, length and checksum are looked at before the body, and every way in which the
body may not be what the header promises ends in CorruptSnapshotError. Versions: a reader refuses what it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from struct import error as StructError
from zlib import crc32

from kvcluster.errors import CorruptSnapshotError
from kvcluster.mvcc.history import History
from kvcluster.mvcc.index import TO_THE_END, Index
from kvcluster.mvcc.keyindex import version_at
from kvcluster.mvcc.records import KeyValue

MAX_STEP_BYTES = 1 << 20
"""Of encoded records, or of what is checked, in one step. One record is always done, however large."""

STRIDE = 256
"""Keys, or revisions, that are looked up at once."""

_MAGIC = b"kvms"
_VERSION = 1
_HEADER = Struct("<4sHHIQ")
_COUNTS = Struct("<qqQQ")
_BATCH = Struct("<I")
_RECORD = Struct("<IIqqqq")


def encode_snapshot(index: Index, history: History, revision: int, compacted_revision: int) -> bytes:
    """See the module's contract."""
    base = 0
    parts: list[bytes] = []
    for key in index.keys_between(b"", TO_THE_END) if compacted_revision > 0 else ():
        kv = version_at(index.versions[key], compacted_revision)
        if kv is not None and kv.mod_revision < compacted_revision:
            parts.append(_encode_record(kv))
            base += 1
    first = max(compacted_revision, history.first)
    batches = history.records(first, max(0, revision - first + 1))
    for kvs in batches:
        parts.append(_BATCH.pack(len(kvs)))
        parts += map(_encode_record, kvs)
    body = _COUNTS.pack(revision, compacted_revision, base, len(batches)) + b"".join(parts)
    return _HEADER.pack(_MAGIC, _VERSION, 0, crc32(body), len(body)) + body


def _encode_record(kv: KeyValue) -> bytes:
    key, value = kv.key, kv.value
    fields = _RECORD.pack(len(key), len(value), kv.create_revision, kv.mod_revision, kv.version, kv.lease)
    return b"".join((fields, key, value))


class SnapshotEncoder:
    """Appends to `out` what encode_snapshot would return now, a step at a time. Made by Store.begin_snapshot.

    Whoever makes it sees to it that nothing visible now is freed before the last step.
    """

    __slots__ = ("out", "_start", "_index", "_history", "_revision", "_compacted_revision", "_first", "_base", "_work")

    def __init__(self, index: Index, history: History, revision: int, compacted_revision: int, out: bytearray) -> None:
        self.out = out
        self._start = len(out)
        self._index = index
        self._history = history
        self._revision = revision
        self._compacted_revision = compacted_revision
        self._first = max(compacted_revision, history.first)
        self._base = 0
        out += bytes(_HEADER.size + _COUNTS.size)
        self._work = self._write()

    def step(self, budget: int) -> bool:
        """Writes up to `budget` (>= 1) records; -> True when there is more to do."""
        out = self.out
        end_bytes = len(out) + MAX_STEP_BYTES
        for cost in self._work:
            budget -= cost
            if budget <= 0 or len(out) >= end_bytes:
                return True
        return False

    def _write(self) -> Iterator[int]:
        """The whole work, with a pause after each bit of it: yields how many records that was."""
        if self._compacted_revision > 0:
            yield from self._write_base()
        for first in range(self._first, self._revision + 1, STRIDE):
            for kvs in self._history.records(first, min(STRIDE, self._revision + 1 - first)):
                self.out += _BATCH.pack(len(kvs))
                for kv in kvs:
                    self.out += _encode_record(kv)
                    yield 1
        start = self._start + _HEADER.size
        batches = self._revision - self._first + 1
        _COUNTS.pack_into(self.out, start, self._revision, self._compacted_revision, self._base, batches)
        length = len(self.out) - start
        checksum = 0
        for so_far in _checksums(self.out, start, len(self.out)):
            checksum = so_far
            yield 1 << 62
        _HEADER.pack_into(self.out, self._start, _MAGIC, _VERSION, 0, checksum, length)

    def _write_base(self) -> Iterator[int]:
        index, compacted_revision = self._index, self._compacted_revision
        key = b""
        while keys := index.keys_from(key, STRIDE):
            for key in keys:
                kv = version_at(index.versions[key], compacted_revision)
                if kv is not None and kv.mod_revision < compacted_revision:
                    self.out += _encode_record(kv)
                    self._base += 1
                yield 1
            key += b"\0"  # the next key there can be


def _checksums(data: bytes | bytearray, start: int, end: int) -> Iterator[int]:
    """crc32 of data[start:at], with `at` a bit further each time; the last is that of all. At least one."""
    checksum = 0
    while True:
        at = min(start + MAX_STEP_BYTES, end)
        with memoryview(data) as view, view[start:at] as part:
            checksum = crc32(part, checksum)
        yield checksum
        if at == end:
            return
        start = at


class SnapshotDecoder:
    """Reads data[start:end] (all of it without them) into an index and a history of its own, a step at a time.

    Raises CorruptSnapshotError, at once or in a step. The results are there when `step` has returned False.
    """

    __slots__ = ("index", "history", "revision", "compacted_revision", "_data", "_start", "_end", "_work")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self.index = Index()
        self.history = History(0)
        self.revision = self.compacted_revision = 0
        self._data = data
        self._end = len(data) if end is None else end
        self._start = start + _HEADER.size
        checksum = _check_header(data, start, self._end)
        self._work = self._read(checksum)

    def step(self, budget: int) -> bool:
        """Reads up to `budget` (>= 1) records; -> True when there is more to do."""
        try:
            for cost in self._work:
                budget -= cost
                if budget <= 0:
                    return True
        except (StructError, IndexError) as error:
            raise CorruptSnapshotError("corrupt store snapshot: the body ends too early") from error
        return False

    def _read(self, expected_checksum: int) -> Iterator[int]:
        """The whole work, with a pause after each bit of it: yields how many records that was."""
        checksum = 0
        for so_far in _checksums(self._data, self._start, self._end):
            checksum = so_far
            yield 1 << 62
        if checksum != expected_checksum:
            raise CorruptSnapshotError("corrupt store snapshot: the checksum does not match")
        with memoryview(self._data)[self._start : self._end] as body:
            yield from self._read_body(body)

    def _read_body(self, body: memoryview) -> Iterator[int]:
        self.revision, self.compacted_revision, base, batches = _COUNTS.unpack_from(body)
        first = max(self.compacted_revision, 2)
        if batches != self.revision - first + 1:
            raise CorruptSnapshotError(f"corrupt store snapshot: {batches} revisions from {first} to {self.revision}")
        offset = _COUNTS.size
        for _ in range(base):
            _, offset = self._read_record(body, offset)
            yield 1
        history = self.history = History(first)
        for revision in range(first, self.revision + 1):
            (count,) = _BATCH.unpack_from(body, offset)
            offset += _BATCH.size
            kvs = []
            for _ in range(count):
                kv, offset = self._read_record(body, offset)
                if kv.mod_revision != revision:
                    raise CorruptSnapshotError(f"corrupt store snapshot: a change of {kv.mod_revision} in {revision}")
                kvs.append(kv)
                yield 1
            history.append_records(kvs)
        if offset != len(body):
            raise CorruptSnapshotError(f"corrupt store snapshot: {len(body) - offset} bytes too many")
        if first == self.compacted_revision:
            for kvs in history.records(first, 1):
                for kv in kvs:
                    self.index.cut(kv.key, first)
                    yield 1

    def _read_record(self, body: memoryview, offset: int) -> tuple[KeyValue, int]:
        key_length, value_length, create_revision, mod_revision, version, lease = _RECORD.unpack_from(body, offset)
        start = offset + _RECORD.size
        middle = start + key_length
        end = middle + value_length
        if end > len(body):
            raise IndexError(end)
        key, value = bytes(body[start:middle]), bytes(body[middle:end])
        return self.index.load(key, value, create_revision, mod_revision, version, lease), end


def _check_header(data: bytes, start: int, end: int) -> int:
    """-> the checksum that the body must have."""
    if end - start < _HEADER.size:
        raise CorruptSnapshotError(f"corrupt store snapshot: {end - start} bytes are less than a header")
    magic, version, _, checksum, length = _HEADER.unpack_from(data, start)
    if magic != _MAGIC:
        raise CorruptSnapshotError(f"not a store snapshot: it begins with {magic!r}, not {_MAGIC!r}")
    if version != _VERSION:
        raise CorruptSnapshotError(f"store snapshot of version {version}; this program reads version {_VERSION}")
    if end - start - _HEADER.size != length:
        raise CorruptSnapshotError(f"corrupt store snapshot: {end - start - _HEADER.size} bytes of {length}")
    return int(checksum)
