"""The keys that a set of permissions covers: intervals, merged where they touch, so that one look-up answers for a range.

A range of a request must be covered entirely; it may be covered by several permissions together (etcd.md 2.10).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

END_OF_KEYS = b"\x00"
"""As range_end: no end."""

_NO_END = (1, b"")
"""Ends are compared as (0, key) or this, which is behind all of them."""


def _end_of(key: bytes, range_end: bytes) -> tuple[int, bytes]:
    if not range_end:
        return 0, key + b"\x00"
    return _NO_END if range_end == END_OF_KEYS else (0, range_end)


class KeyRanges:
    """A set of keys, as disjoint intervals in order. Made once; never changed."""

    __slots__ = ("_begins", "_ends")

    def __init__(self, ranges: Iterable[tuple[bytes, bytes]]) -> None:
        """ranges: (key, range_end) as in etcd's permissions; an inverted range holds nothing."""
        self._begins: list[bytes] = []
        self._ends: list[tuple[int, bytes]] = []
        for key, end in sorted((key, _end_of(key, range_end)) for key, range_end in ranges):
            if end <= (0, key):
                continue
            if self._ends and (0, key) <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._begins.append(key)
                self._ends.append(end)

    def cover(self, key: bytes, range_end: bytes = b"") -> bool:
        """Whether every key of [key, range_end) is in the set; range_end as in a request."""
        at = bisect_right(self._begins, key) - 1
        return at >= 0 and (0, key) < self._ends[at] and _end_of(key, range_end) <= self._ends[at]
