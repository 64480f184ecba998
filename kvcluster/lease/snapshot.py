"""Leases as bytes, and back.

Layout, little endian (version 1):

    header   magic "kvls" | version u16 | reserved u16 | crc32 of the body u32 | length of the body u64
    body     number of leases u64, then for each: id i64 | TTL in seconds i64 | number of keys u32, then for each key:
             length u32 | key

Expiries are not written: they are the leader's alone (lessor.py). Decoding trusts nothing; whatever is not as the
header promises ends in CorruptSnapshotError.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from struct import error as StructError
from zlib import crc32

from kvcluster.errors import CorruptSnapshotError

_MAGIC = b"kvls"
_VERSION = 1
_HEADER = Struct("<4sHHIQ")
_COUNT = Struct("<Q")
_LEASE = Struct("<qqI")
_LENGTH = Struct("<I")

LeaseRecord = tuple[int, int, list[bytes]]


def encode_snapshot(leases: Sequence[LeaseRecord]) -> bytes:
    """From (id, ttl_s, keys) of each lease, in the order in which they are to be written."""
    parts = [_COUNT.pack(len(leases))]
    for id, ttl_s, keys in leases:
        parts.append(_LEASE.pack(id, ttl_s, len(keys)))
        for key in keys:
            parts += (_LENGTH.pack(len(key)), key)
    body = b"".join(parts)
    return _HEADER.pack(_MAGIC, _VERSION, 0, crc32(body), len(body)) + body


def decode_snapshot(snapshot: bytes) -> list[LeaseRecord]:
    """What encode_snapshot was given. Raises CorruptSnapshotError."""
    if len(snapshot) < _HEADER.size:
        raise CorruptSnapshotError(f"corrupt lease snapshot: {len(snapshot)} bytes are less than a header")
    magic, version, _, checksum, length = _HEADER.unpack_from(snapshot)
    if magic != _MAGIC:
        raise CorruptSnapshotError(f"not a lease snapshot: it begins with {magic!r}, not {_MAGIC!r}")
    if version != _VERSION:
        raise CorruptSnapshotError(f"lease snapshot of version {version}; this program reads version {_VERSION}")
    body = bytes(snapshot[_HEADER.size :])
    if len(body) != length or crc32(body) != checksum:
        raise CorruptSnapshotError("corrupt lease snapshot: the length or the checksum does not match")
    try:
        return _decode_body(body)
    except StructError as error:
        raise CorruptSnapshotError("corrupt lease snapshot: the body ends too early") from error


def _decode_body(body: bytes) -> list[LeaseRecord]:
    leases = []
    (count,) = _COUNT.unpack_from(body)
    offset = _COUNT.size
    for _ in range(count):
        id, ttl_s, key_count = _LEASE.unpack_from(body, offset)
        offset += _LEASE.size
        keys = []
        for _ in range(key_count):
            (length,) = _LENGTH.unpack_from(body, offset)
            offset += _LENGTH.size
            keys.append(body[offset : offset + length])
            offset += length
        leases.append((id, ttl_s, keys))
    if offset != len(body):
        raise CorruptSnapshotError(f"corrupt lease snapshot: {len(body)} bytes where {offset} were expected")
    return leases
