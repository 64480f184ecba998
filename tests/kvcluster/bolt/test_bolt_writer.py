"""Whatever is written is found again by a small reader that knows the format from the other side."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from kvcluster.bolt import BoltWriter
from kvcluster.bolt.writer import PAGE_BYTES, fnv1a

Item = tuple[bytes, bytes]


def write(buckets: dict[bytes, dict[bytes, bytes]]) -> bytes:
    writer = BoltWriter()
    for name in sorted(buckets):
        for _ in writer.write(name, sorted(buckets[name].items())):
            pass
    writer.finish()
    data = b"".join(writer.chunks)
    assert len(data) == writer.size_bytes
    return data


def read(data: bytes) -> dict[bytes, dict[bytes, bytes]]:
    roots = []
    for number in range(2):
        at = number * PAGE_BYTES + 16
        magic, version, page_size, _, root, _, _, pages, _ = struct.unpack_from("<IIIIQQQQQ", data, at)
        (checksum,) = struct.unpack_from("<Q", data, at + 56)
        assert (magic, version, page_size, pages * PAGE_BYTES) == (0xED0CDAED, 2, PAGE_BYTES, len(data))
        assert checksum == fnv1a(data[at : at + 56])
        roots.append(root)
    assert roots[0] == roots[1]
    found = {}
    for flags, name, head in walk(data, roots[0]):
        assert flags == 1
        root, _ = struct.unpack("<QQ", head)
        items = [(key, value) for flags, key, value in walk(data, root) if not flags]
        assert [key for key, _ in items] == sorted(key for key, _ in items)
        found[name] = dict(items)
    return found


def walk(data: bytes, page: int) -> Iterator[tuple[int, bytes, bytes]]:
    at = page * PAGE_BYTES
    id, flags, count, _ = struct.unpack_from("<QHHI", data, at)
    assert id == page
    for number in range(count):
        element = at + 16 + number * 16
        if flags == 2:
            item_flags, position, key_size, value_size = struct.unpack_from("<IIII", data, element)
            start = element + position
            yield item_flags, data[start : start + key_size], data[start + key_size : start + key_size + value_size]
        else:
            assert flags == 1
            position, key_size, child = struct.unpack_from("<IIQ", data, element)
            first = next(walk(data, child))
            assert data[element + position : element + position + key_size] == first[1]
            yield from walk(data, child)


def test_the_checksum_is_fnv() -> None:
    assert fnv1a(b"") == 0xCBF29CE484222325
    assert fnv1a(b"a") == 0xAF63DC4C8601EC8C


def test_nothing() -> None:
    assert read(write({})) == {}
    assert read(write({b"empty": {}})) == {b"empty": {}}


def test_several_levels_of_branches() -> None:
    items = {b"%0100d" % number: b"%d" % number for number in range(20_000)}
    assert read(write({b"many": items, b"few": {b"a": b""}})) == {b"many": items, b"few": {b"a": b""}}


def test_values_of_several_pages() -> None:
    items = {b"%d" % number: bytes([number]) * (number * 3000) for number in range(12)}
    assert read(write({b"large": items})) == {b"large": items}


names = st.binary(min_size=1, max_size=8)
values = st.one_of(st.binary(max_size=20), st.integers(0, 9000).map(lambda size: b"v" * size))


@settings(max_examples=40)
@given(st.dictionaries(names, st.dictionaries(st.binary(min_size=1, max_size=40), values, max_size=60), max_size=4))
def test_any_items(buckets: dict[bytes, dict[bytes, bytes]]) -> None:
    assert read(write(buckets)) == buckets
