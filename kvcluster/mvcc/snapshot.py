"""The store as bytes, and back.

Layout, little endian (version 1):

    header   magic "kvms" | version u16 | reserved u16 | crc32 of the body u32 | length of the body u64
    body     revision i64 | compacted revision i64 | number of base pairs u64 | number of batches u64
             base pairs: the live pairs at the compacted revision that were last changed BELOW it, in key order
             batches:    for each revision from the compacted one (or 2) to the current one: count u32, records
    record   key length u32 | value length u32 | create, mod, version, lease i64 | key | value

The base gives reads at the compacted revision; replaying the batches gives every revision after it, and the history.
What a compaction has made invisible but not freed is not written, so members whose physical compaction has come
differently far write the same bytes.

Decoding trusts nothing: magic, version, length and checksum are looked at before the body, and every way in which the
body may not be what the header promises ends in CorruptSnapshotError. Versions: a reader refuses what it does not know.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from zlib import crc32

from kvcluster.errors import CorruptSnapshotError
from kvcluster.mvcc.history import History
from kvcluster.mvcc.index import TO_THE_END, Index
from kvcluster.mvcc.keyindex import version_at
from kvcluster.mvcc.records import DELETE, PUT, Event, KeyValue

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
            _append(parts, kv)
            base += 1
    first = max(compacted_revision, history.first)
    batches = history.batches(first, max(0, revision - first + 1))
    for batch in batches:
        parts.append(_BATCH.pack(len(batch)))
        for event in batch:
            _append(parts, event.kv)
    body = _COUNTS.pack(revision, compacted_revision, base, len(batches)) + b"".join(parts)
    return _HEADER.pack(_MAGIC, _VERSION, 0, crc32(body), len(body)) + body


def decode_snapshot(snapshot: bytes) -> tuple[Index, History, int, int]:
    """(index, history, revision, compacted revision). Raises CorruptSnapshotError."""
    body = _checked_body(snapshot)
    try:
        return _decode_body(body)
    except (StructError, IndexError) as error:
        raise CorruptSnapshotError("corrupt store snapshot: the body ends too early") from error


def _append(parts: list[bytes], kv: KeyValue) -> None:
    key, value = kv.key, kv.value
    fields = _RECORD.pack(len(key), len(value), kv.create_revision, kv.mod_revision, kv.version, kv.lease)
    parts += (fields, key, value)


def _checked_body(snapshot: bytes) -> bytes:
    if len(snapshot) < _HEADER.size:
        raise CorruptSnapshotError(f"corrupt store snapshot: {len(snapshot)} bytes are less than a header")
    magic, version, _, checksum, length = _HEADER.unpack_from(snapshot)
    if magic != _MAGIC:
        raise CorruptSnapshotError(f"not a store snapshot: it begins with {magic!r}, not {_MAGIC!r}")
    if version != _VERSION:
        raise CorruptSnapshotError(f"store snapshot of version {version}; this program reads version {_VERSION}")
    body = bytes(snapshot[_HEADER.size :])
    if len(body) != length:
        raise CorruptSnapshotError(f"corrupt store snapshot: {len(body)} bytes of {length}")
    if crc32(body) != checksum:
        raise CorruptSnapshotError("corrupt store snapshot: the checksum does not match")
    return body


def _decode_body(body: bytes) -> tuple[Index, History, int, int]:
    revision, compacted_revision, base, batches = _COUNTS.unpack_from(body)
    offset = _COUNTS.size
    index = Index()
    for _ in range(base):
        kv, offset = _read(body, offset)
        index.load(kv)
    first = max(compacted_revision, 2)
    if batches != revision - first + 1:
        raise CorruptSnapshotError(f"corrupt store snapshot: {batches} revisions from {first} to {revision}")
    history = History(first)
    for expected in range(first, revision + 1):
        (count,) = _BATCH.unpack_from(body, offset)
        offset += _BATCH.size
        events = []
        for _ in range(count):
            kv, offset = _read(body, offset)
            if kv.mod_revision != expected:
                raise CorruptSnapshotError(f"corrupt store snapshot: a change of {kv.mod_revision} in {expected}")
            prev = index.load(kv)
            events.append(Event(PUT if kv.version else DELETE, kv, prev if expected > compacted_revision else None))
        history.append(tuple(events))
    if offset != len(body):
        raise CorruptSnapshotError(f"corrupt store snapshot: {len(body) - offset} bytes too many")
    for event in history.at(compacted_revision):
        index.cut(event.kv.key, compacted_revision)
    index.load_finished()
    return index, history, revision, compacted_revision


def _read(body: bytes, offset: int) -> tuple[KeyValue, int]:
    key_length, value_length, create_revision, mod_revision, version, lease = _RECORD.unpack_from(body, offset)
    key_end = offset + _RECORD.size + key_length
    end = key_end + value_length
    if end > len(body):
        raise IndexError(end)
    key = body[offset + _RECORD.size : key_end]
    return KeyValue(key, body[key_end:end], create_revision, mod_revision, version, lease), end
