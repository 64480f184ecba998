"""What each watcher watches, which keys the writer writes, and how many events each watcher must have at the end.

    watched       watcher number i (from 0)
    prefix        all keys
    key           key i, modulo the number of keys
    overlapping   half of the keys, from key i modulo their number (fewer at the end): each range meets its neighbours

The writer writes the keys in turn: put number n goes to key n modulo their number. So what is expected follows from how many puts
there were and which of them failed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

WATCHED = ("prefix", "key", "overlapping")


class Selection:
    """`keys`: how many there are; `width`: digits of a key after its prefix."""

    def __init__(self, prefix: bytes, watched: str, keys: int, width: int = 8) -> None:
        self.prefix = prefix
        self.keys = keys
        self._watched = watched
        self._width = max(width, len(str(keys - 1)))

    def key(self, put: int) -> bytes:
        """The key of put number `put`."""
        return self._key(put % self.keys)

    def _key(self, number: int) -> bytes:
        return b"%s%0*d" % (self.prefix, self._width, number)

    def watch(self, watcher: int) -> tuple[bytes, bytes]:
        """(key, range_end) of a watch request."""
        if self._watched == "prefix":
            return self.prefix, after_prefix(self.prefix)
        start, stop = self._span(watcher)
        return self._key(start), b"" if self._watched == "key" else self._key(stop - 1) + b"\0"

    def _span(self, watcher: int) -> tuple[int, int]:
        """The numbers of the first key and of the one after the last."""
        start = watcher % self.keys
        if self._watched == "prefix":
            return 0, self.keys
        if self._watched == "key":
            return start, start + 1
        return start, min(start + max(self.keys // 2, 1), self.keys)

    def selects(self, watcher: int) -> Callable[[bytes], bool]:
        """Whether a key is watched by `watcher`."""
        key, range_end = self.watch(watcher)
        if not range_end:
            return lambda candidate: candidate == key
        return lambda candidate: key <= candidate < range_end

    def expected(self, puts: int, failed: Sequence[int]) -> Callable[[int], int]:
        """watcher → how many events it must have, after puts 0..puts-1 of which `failed` did not succeed."""
        whole, rest = divmod(puts, self.keys)
        written = [whole + (number < rest) for number in range(self.keys)]
        for put in failed:
            written[put % self.keys] -= 1
        sums = [0, *accumulate(written)]

        def expect(watcher: int) -> int:
            start, stop = self._span(watcher)
            return sums[stop] - sums[start]

        return expect


def after_prefix(prefix: bytes) -> bytes:
    """The range end that selects a prefix. Raises ValueError where there is none."""
    stripped = prefix.rstrip(b"\xff")
    if not stripped:
        raise ValueError(f"a prefix must hold a byte below 0xff, not {prefix!r}")
    return stripped[:-1] + bytes([stripped[-1] + 1])
