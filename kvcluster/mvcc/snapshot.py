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

In steps (`SnapshotEncoder`, `SnapshotDecoder`) the bytes come and go in chunks. The encoder writes the state of the
revision at which it began: versions are never changed, so all it needs of a store that goes on is that
nothing is freed meanwhile (the store holds its physical compaction back). Keys that come or move between living and
dead do not matter to a walk in key order that looks at the past. `encode_snapshot` is its simple twin: equal bytes.

Decoding trusts nothing: nobody sees what was read before length and checksum are known to be right, and every way in
which the body may not be what the header promises ends in CorruptSnapshotError. Versions: a reader refuses what it does
not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from zlib import crc32

from kvcluster.errors import CorruptSnapshotError
from kvcluster.mvcc.chunks import ChunkReader
from kvcluster.mvcc.history import History
from kvcluster.mvcc.index import TO_THE_END, Index
from kvcluster.mvcc.keyindex import version_at
from kvcluster.mvcc.records import KeyValue

MAX_STEP_BYTES = 1 << 20
"""Of records that are written or read, or of what is checked, in one step. One is always done, however large."""

STRIDE = 256
"""Keys, or revisions, that are looked up at once."""

FIRST_CHANGE = 2
"""The revision of a store's first change."""

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
        kv = version_at(index.versions_of(key), compacted_revision)
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
    """What encode_snapshot would return now, as chunks, a step at a time. Made by Store.begin_snapshot.

    `chunks` is whole when `step` has returned False: joined, they are the snapshot. Never one piece of bytes, because
    the memory of a large one alone is a pause: to get it, to fill it and to give it back.
    Whoever makes it sees to it that nothing visible now is freed before the last step.
    """

    __slots__ = ("chunks", "size_bytes", "_parts", "_index", "_history", "_revision", "_compacted_revision", "_work")

    def __init__(self, index: Index, history: History, revision: int, compacted_revision: int) -> None:
        self.chunks: list[bytes] = [b""]  # the first is for the header, which comes last
        self.size_bytes = 0
        self._parts: list[bytes] = []
        self._index = index
        self._history = history
        self._revision = revision
        self._compacted_revision = compacted_revision
        self._work = self._write()

    def step(self, budget: int) -> bool:
        """Writes up to `budget` (>= 1) records; -> True when there is more to do."""
        left_bytes = MAX_STEP_BYTES
        is_more = False
        for size_bytes in self._work:
            budget -= 1
            left_bytes -= size_bytes
            if budget <= 0 or left_bytes <= 0:
                is_more = True
                break
        if self._parts:
            self.chunks.append(b"".join(self._parts))
            self._parts.clear()
        return is_more

    def _write(self) -> Iterator[int]:
        """The whole work, with a pause after each bit of it: yields how many bytes it was about."""
        base = 0
        if self._compacted_revision > 0:
            for kv in self._base_pairs():
                if kv is not None:
                    base += 1
                    yield self._add(_encode_record(kv))
                else:
                    yield 0
        first = max(self._compacted_revision, FIRST_CHANGE)
        end = self._revision + 1
        for revision in range(first, end, STRIDE):
            for kvs in self._history.records(revision, min(STRIDE, end - revision)):
                self._add(_BATCH.pack(len(kvs)))
                for kv in kvs:
                    yield self._add(_encode_record(kv))
        yield MAX_STEP_BYTES  # what has been collected becomes a chunk
        counts = _COUNTS.pack(self._revision, self._compacted_revision, base, end - first)
        checksum = crc32(counts)
        for chunk in self.chunks[1:]:
            checksum = crc32(chunk, checksum)
            yield len(chunk)
        length = len(counts) + self.size_bytes
        self.chunks[0] = _HEADER.pack(_MAGIC, _VERSION, 0, checksum, length) + counts
        self.size_bytes += len(self.chunks[0])

    def _add(self, part: bytes) -> int:
        self._parts.append(part)
        self.size_bytes += len(part)
        return len(part)

    def _base_pairs(self) -> Iterator[KeyValue | None]:
        """In key order; None for a key that has none."""
        index, compacted_revision = self._index, self._compacted_revision
        key = b""
        while keys := index.keys_from(key, STRIDE):
            for key in keys:
                kv = version_at(index.versions_of(key), compacted_revision)
                yield kv if kv is not None and kv.mod_revision < compacted_revision else None
            key += b"\0"  # the next key there can be


class SnapshotDecoder:
    """Reads a snapshot out of `source` into an index and a history of its own, a step at a time.

    Raises CorruptSnapshotError, at once or in a step. The results are there when `step` has returned False. What it
    has read by then is not yet known to be undamaged: the checksum is the last that it looks at.
    """

    __slots__ = ("index", "history", "revision", "compacted_revision", "_source", "_work")

    def __init__(self, source: ChunkReader) -> None:
        self.index = Index()
        self.history = History(0)
        self.revision = self.compacted_revision = 0
        self._source = source
        self._work = self._read()

    def step(self, budget: int) -> bool:
        """Reads up to `budget` (>= 1) records; -> True when there is more to do."""
        left_bytes = MAX_STEP_BYTES
        try:
            for size_bytes in self._work:
                budget -= 1
                left_bytes -= size_bytes
                if budget <= 0 or left_bytes <= 0:
                    return True
        except EOFError as error:
            raise CorruptSnapshotError("corrupt store snapshot: the body ends too early") from error
        return False

    def _read(self) -> Iterator[int]:
        """The whole work, with a pause after each bit of it: yields how many bytes that was."""
        source = self._source
        checksum = _check_header(source)
        yield from self._read_body()
        if source.left_bytes:
            raise CorruptSnapshotError(f"corrupt store snapshot: {source.left_bytes} bytes too many")
        if source.checksum() != checksum:
            raise CorruptSnapshotError("corrupt store snapshot: the checksum does not match")

    def _read_body(self) -> Iterator[int]:
        source = self._source
        self.revision, self.compacted_revision, base, batches = _COUNTS.unpack(source.take(_COUNTS.size))
        first = max(self.compacted_revision, FIRST_CHANGE)
        if batches != self.revision - first + 1:
            raise CorruptSnapshotError(f"corrupt store snapshot: {batches} revisions from {first} to {self.revision}")
        for _ in range(base):
            yield len(self._read_record().value)
        history = self.history = History(first)
        for revision in range(first, self.revision + 1):
            (count,) = _BATCH.unpack(source.take(_BATCH.size))
            kvs = []
            for _ in range(count):
                kv = self._read_record()
                if kv.mod_revision != revision:
                    raise CorruptSnapshotError(f"corrupt store snapshot: a change of {kv.mod_revision} in {revision}")
                kvs.append(kv)
                yield len(kv.value)
            if not kvs:
                raise CorruptSnapshotError(f"corrupt store snapshot: no change in {revision}")
            history.append_records(kvs)
        if first == self.compacted_revision:
            for kvs in history.records(first, 1):
                for kv in kvs:
                    self.index.cut(kv.key, first)
                    yield 0

    def _read_record(self) -> KeyValue:
        take = self._source.take
        key_length, value_length, create_revision, mod_revision, version, lease = _RECORD.unpack(take(_RECORD.size))
        return self.index.load(take(key_length), take(value_length), create_revision, mod_revision, version, lease)


def _check_header(source: ChunkReader) -> int:
    """-> the checksum that the body must have, which begins here."""
    if source.left_bytes < _HEADER.size:
        raise CorruptSnapshotError(f"corrupt store snapshot: {source.left_bytes} bytes are less than a header")
    magic, version, _, checksum, length = _HEADER.unpack(source.take(_HEADER.size))
    if magic != _MAGIC:
        raise CorruptSnapshotError(f"not a store snapshot: it begins with {magic!r}, not {_MAGIC!r}")
    if version != _VERSION:
        raise CorruptSnapshotError(f"store snapshot of version {version}; this program reads version {_VERSION}")
    if source.left_bytes != length:
        raise CorruptSnapshotError(f"corrupt store snapshot: {source.left_bytes} bytes of {length}")
    source.begin_checksum()
    return int(checksum)
