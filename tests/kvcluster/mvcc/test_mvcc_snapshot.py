"""Snapshots: what comes back is what was visible, and damaged bytes never become a store."""

from __future__ import annotations

import struct
import zlib

import pytest

from kvcluster.errors import CompactedError, CorruptSnapshotError
from kvcluster.mvcc import ChunkReader, SnapshotDecoder, Store


def _store() -> Store:
    store = Store()
    for number in range(30):
        store.put(b"k%d" % (number % 7), b"value %d" % number, number % 3)
    txn = store.begin()
    txn.delete_range(b"k3", b"k5")
    txn.put(b"new", b"1")
    txn.commit()
    store.compact(20)
    store.compact_step(4)
    return store


def test_round_trip_keeps_the_past_and_the_events():
    store = _store()
    twin = Store.restore(store.snapshot())
    twin._check()
    for revision in range(20, store.revision + 1):
        assert twin.range(b"", b"\x00", revision=revision) == store.range(b"", b"\x00", revision=revision)
    for (revision, events), (twin_revision, twin_events) in zip(
        store.events(b"", b"\x00", 20), twin.events(b"", b"\x00", 20), strict=True
    ):
        assert revision == twin_revision
        assert [event.wire_with_prev() for event in events] == [event.wire_with_prev() for event in twin_events]
    with pytest.raises(CompactedError):
        twin.range(b"k1", revision=19)
    assert twin.put(b"k1", b"next").kv == store.put(b"k1", b"next").kv


def test_an_empty_store_round_trips():
    twin = Store.restore(Store().snapshot())
    assert (twin.revision, twin.compacted_revision) == (1, -1)
    twin.put(b"a", b"")
    twin._check()


def test_load_replaces_in_place_or_not_at_all():
    store, other = _store(), Store()
    other.put(b"mine", b"")
    before = other.snapshot()
    with pytest.raises(CorruptSnapshotError):
        other.load(store.snapshot()[:-1])
    assert other.snapshot() == before
    other.load(store.snapshot())
    assert other.hash() == store.hash()


@pytest.mark.parametrize("position", [0, 3, 4, 8, 12, 20, 28, 60, 200, -1])
def test_every_flipped_byte_is_found(position: int):
    damaged = bytearray(_store().snapshot())
    damaged[position] ^= 0x40
    with pytest.raises(CorruptSnapshotError, match="snapshot"):
        Store.restore(bytes(damaged))


@pytest.mark.parametrize("length", [0, 3, 19, 20, 21, 100])
def test_truncated_bytes(length: int):
    with pytest.raises(CorruptSnapshotError):
        Store.restore(_store().snapshot()[:length])


def test_another_version_is_named():
    snapshot = bytearray(_store().snapshot())
    snapshot[4] = 9
    with pytest.raises(CorruptSnapshotError, match="version 9; this program reads version 1"):
        Store.restore(bytes(snapshot))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        struct.pack("<qqQQ", 5, -1, 0, 1),
        struct.pack("<qqQQ", 2, -1, 0, 1),
        struct.pack("<qqQQ", 1, -1, 3, 0),
        struct.pack("<qqQQI", 2, -1, 0, 1, 1) + struct.pack("<IIqqqq", 1, 0, 2, 9, 1, 0) + b"a",
        struct.pack("<qqQQI", 2, -1, 0, 1, 1) + struct.pack("<IIqqqq", 500, 0, 2, 2, 1, 0) + b"a",
        struct.pack("<qqQQ", 1, -1, 0, 0) + b"left over",
    ],
)
def test_a_body_that_lies_behind_a_good_checksum(body: bytes):
    header = struct.pack("<4sHHIQ", b"kvms", 1, 0, zlib.crc32(body), len(body))
    with pytest.raises(CorruptSnapshotError):
        Store.restore(header + body)


@pytest.mark.parametrize("budget", [1, 3, 1000])
def test_in_steps_it_is_the_same_bytes_whatever_happens_meanwhile(budget: int):
    """Keys come, go, come back and are compacted away while the snapshot of before is being written."""
    store = _store()
    wanted = store.snapshot()
    encoder = store.begin_snapshot()
    number = 0
    while encoder.step(budget):
        store.put(b"k%d" % (number % 9), b"later")
        store.put(b"a new one %d" % number, b"")
        txn = store.begin()
        txn.delete_range(b"k%d" % ((number + 2) % 9))
        txn.put(b"k%d" % ((number + 4) % 9), b"")
        txn.commit()
        store.compact(store.revision - 1)
        assert store.compact_step(), "nothing is freed meanwhile, and that is said"
        number += 1
    store.end_snapshot()
    assert b"".join(encoder.chunks) == wanted
    while store.compact_step():
        pass
    store._check()


def test_one_snapshot_is_written_at_a_time():
    store = _store()
    store.begin_snapshot()
    with pytest.raises(RuntimeError, match="is being written"):
        store.begin_snapshot()
    store.end_snapshot()
    store.begin_snapshot()


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_it_is_read_in_steps_whatever_pieces_it_comes_in(size: int):
    store = _store()
    snapshot = store.snapshot()
    data = snapshot + b"behind"
    source = ChunkReader([data[at : at + size] for at in range(0, len(data), size)])
    source.begin_section(len(snapshot))
    decoder = SnapshotDecoder(source)
    steps = 1
    while decoder.step(3):
        steps += 1
    assert steps > 5 and not source.is_at_end()
    other = Store()
    for number in range(50):
        other.put(b"mine%d" % (number % 3), b"")
    other.adopt(decoder)
    assert other.snapshot() == snapshot
    assert other._remains._indexes and other.compact_step(1)
    while other.compact_step(1):
        pass
    assert not other._remains._indexes and not other._remains._histories
    other._check()


def test_pieces_and_sections():
    source = ChunkReader([b"ab", b"", b"cdefg", b"hi"])
    source.begin_section(8)
    assert (source.take(1), source.take(4), source.left_bytes) == (b"a", b"bcde", 3)
    source.begin_checksum()
    assert (source.take(3), source.checksum()) == (b"fgh", zlib.crc32(b"fgh"))
    with pytest.raises(EOFError):
        source.take(1)
    source.begin_section(9)
    assert not source.is_at_end() and source.take(1) == b"i" and source.is_at_end()
    with pytest.raises(EOFError):
        source.take(1)
