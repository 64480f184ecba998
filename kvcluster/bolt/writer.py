"""A bbolt database, bottom up: sorted items of one bucket after the other, then the buckets' own tree, then the head.

    page 0, 1   meta: where the root is, how many pages there are, and a checksum (FNV-1a)
    page 2 …    a bucket's leaves, then its branches, level by level; the next bucket; the root bucket's

A page is PAGE_BYTES; an item that is larger makes its page overflow into those after it. There is no list of free pages:
nothing is free, and bbolt finds that out itself where the list is missing. Numbers are little endian.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from struct import Struct

PAGE_BYTES = 4096
MAGIC, VERSION = 0xED0CDAED, 2
BRANCH, LEAF, META = 0x01, 0x02, 0x04
BUCKET = 0x01
"""Flag of a leaf's element: its value is a bucket's head."""

NO_FREELIST = (1 << 64) - 1
FIRST_PAGE = 2

_PAGE = Struct("<QHHI")  # id, flags, count, overflow
_BRANCH = Struct("<IIQ")  # position, key size, page
_LEAF = Struct("<IIII")  # flags, position, key size, value size
_BUCKET = Struct("<QQ")  # root page, sequence
_META = Struct("<IIIIQQQQQ")  # magic, version, page size, flags, root, sequence, freelist, pages, transaction
_CHECKSUM = Struct("<Q")

Item = tuple[bytes, bytes]


def fnv1a(data: bytes) -> int:
    """64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


class BoltWriter:
    """`write` each bucket, in the order of their names; `finish`; then `chunks` joined are the file."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = [b""]  # the head comes last
        self._next_page = FIRST_PAGE
        self._buckets: list[Item] = []

    @property
    def size_bytes(self) -> int:
        return self._next_page * PAGE_BYTES

    def write(self, name: bytes, items: Iterable[Item | None]) -> Generator[None, None, None]:
        """items: sorted by key, each key once; None where whoever makes them wants a pause. Yields after each, for whoever does
        the work in steps."""
        root = yield from self._write_tree(None if item is None else (0, *item) for item in items)
        self._buckets.append((name, _BUCKET.pack(root, 0)))

    def finish(self) -> None:
        tree = self._write_tree((BUCKET, name, head) for name, head in self._buckets)
        while True:
            try:
                next(tree)
            except StopIteration as end:
                root: int = end.value
                break
        pages = self._next_page
        metas = []
        for number in range(FIRST_PAGE):
            body = _META.pack(MAGIC, VERSION, PAGE_BYTES, 0, root, 0, NO_FREELIST, pages, number)
            page = _PAGE.pack(number, META, 0, 0) + body + _CHECKSUM.pack(fnv1a(body))
            metas.append(page.ljust(PAGE_BYTES, b"\0"))
        self.chunks[0] = b"".join(metas)

    def _write_tree(self, items: Iterable[tuple[int, bytes, bytes] | None]) -> Generator[None, None, int]:
        """-> the root's page."""
        level: list[tuple[bytes, int]] = []  # first key and page of each node
        node: list[tuple[int, bytes, bytes]] = []
        size = _PAGE.size
        for item in items:
            if item is None:
                yield
                continue
            weight = _LEAF.size + len(item[1]) + len(item[2])
            if node and size + weight > PAGE_BYTES:
                level.append((node[0][1], self._add_leaf(node)))
                node, size = [], _PAGE.size
            node.append(item)
            size += weight
            yield
        if node or not level:
            level.append((node[0][1] if node else b"", self._add_leaf(node)))
        while len(level) > 1:
            level = list(self._branches(level))
        return level[0][1]

    def _branches(self, level: list[tuple[bytes, int]]) -> Generator[tuple[bytes, int], None, None]:
        node: list[tuple[bytes, int]] = []
        size = _PAGE.size
        for child in level:
            weight = _BRANCH.size + len(child[0])
            if len(node) >= 2 and size + weight > PAGE_BYTES:
                yield node[0][0], self._add_branch(node)
                node, size = [], _PAGE.size
            node.append(child)
            size += weight
        yield node[0][0], self._add_branch(node)

    def _add_leaf(self, node: list[tuple[int, bytes, bytes]]) -> int:
        heads: list[bytes] = []
        datas: list[bytes] = []
        position = len(node) * _LEAF.size  # of the first item, from the first element
        for number, (flags, key, value) in enumerate(node):
            heads.append(_LEAF.pack(flags, position - number * _LEAF.size, len(key), len(value)))
            datas += (key, value)
            position += len(key) + len(value)
        return self._add_page(LEAF, len(node), b"".join((*heads, *datas)))

    def _add_branch(self, node: list[tuple[bytes, int]]) -> int:
        heads = []
        position = len(node) * _BRANCH.size
        for number, (key, page) in enumerate(node):
            heads.append(_BRANCH.pack(position - number * _BRANCH.size, len(key), page))
            position += len(key)
        return self._add_page(BRANCH, len(node), b"".join((*heads, *(key for key, _ in node))))

    def _add_page(self, flags: int, count: int, body: bytes) -> int:
        page = self._next_page
        pages = -(-(_PAGE.size + len(body)) // PAGE_BYTES)
        self._next_page += pages
        head = _PAGE.pack(page, flags, count, pages - 1)
        self.chunks.append((head + body).ljust(pages * PAGE_BYTES, b"\0"))
        return page
