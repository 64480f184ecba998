"""One number for everything visible, to compare members with each other (HashKV, etcd.md 2.11).

A pure function of the visible revisions up to the one asked for, and of the compacted revision: what compaction has
made invisible but not yet freed does not count. etcd's own number (CRC-32C over its records on disk) is not
reproduced; clients compare members only with each other.
"""

from __future__ import annotations

from struct import Struct
from zlib import crc32

from kvcluster.mvcc.history import History
from kvcluster.mvcc.index import TO_THE_END, Index
from kvcluster.mvcc.keyindex import version_at
from kvcluster.mvcc.records import KeyValue

_FIELDS = Struct("<IIqqqq")


def hash_at(index: Index, history: History, compacted_revision: int, revision: int) -> int:
    """The pairs that lie below the compacted revision in key order, then the changes from it up to `revision`."""
    crc = crc32(b"%d" % compacted_revision)
    for key in index.keys_between(b"", TO_THE_END) if compacted_revision > 0 else ():
        kv = version_at(index.versions_of(key), compacted_revision)
        if kv is not None and kv.mod_revision < compacted_revision:
            crc = _add(crc, kv)
    first = max(compacted_revision, history.first)
    for kvs in history.records(first, max(0, revision - first + 1)):
        for kv in kvs:
            crc = _add(crc, kv)
    return crc


def _add(crc: int, kv: KeyValue) -> int:
    fields = _FIELDS.pack(len(kv.key), len(kv.value), kv.create_revision, kv.mod_revision, kv.version, kv.lease)
    return crc32(kv.value, crc32(kv.key, crc32(fields, crc)))
