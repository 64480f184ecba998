"""Which groups want a key: exact keys in a dict, ranges in a table of segments.

The ends of all watched ranges cut the key space into segments; within a segment every key is wanted by the same
groups. So a look-up is one bisection, whatever the number of ranges. Three ranges and their table:

    a-------------f          bounds   b"a"   b"c"     b"f"   b"k"
        c-----------------   cover    (1,)   (1, 2)   (2,)   (2, 3)
                      k---

Adding or removing a range touches the segments it covers: one or two for the usual prefixes, all of them for a range
over everything. Groups come and go far more rarely than events; etcd's interval tree makes the opposite trade.

Invariants (`_check`): bounds are sorted and distinct; each is the end of at least one range; cover[i] names, in order
of creation, the groups that contain [bounds[i], bounds[i + 1]).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from kvcluster.mvcc import TO_THE_END
from kvcluster.watch.subscription import Group


class GroupTable:
    """See the module's contract. A range group has key < range_end, or TO_THE_END."""

    __slots__ = ("_exact", "_bounds", "_cover", "_uses")

    def __init__(self) -> None:
        self._exact: dict[bytes, tuple[Group, ...]] = {}
        self._bounds: list[bytes] = []
        self._cover: list[tuple[Group, ...]] = []
        self._uses: dict[bytes, int] = {}  # bound -> how many ranges begin or end there

    def find(self, key: bytes) -> tuple[Group, ...]:
        """The groups that want `key`: the exact ones, then the ranges, each in order of creation."""
        exact = self._exact.get(key, ())
        segment = bisect_right(self._bounds, key)
        return exact + self._cover[segment - 1] if segment else exact

    def add(self, group: Group) -> None:
        """The group was made after every group in the table."""
        if not group.range_end:
            self._exact[group.key] = (*self._exact.get(group.key, ()), group)
            return
        for bound in _ends(group):
            self._use(bound)
        for segment in self._segments(group):
            self._cover[segment] = (*self._cover[segment], group)

    def remove(self, group: Group) -> None:
        if not group.range_end:
            left = tuple(other for other in self._exact[group.key] if other is not group)
            if left:
                self._exact[group.key] = left
            else:
                del self._exact[group.key]
            return
        for segment in self._segments(group):
            self._cover[segment] = tuple(other for other in self._cover[segment] if other is not group)
        for bound in _ends(group):
            self._leave(bound)

    def _segments(self, group: Group) -> range:
        stop = len(self._bounds)
        if group.range_end != TO_THE_END:
            stop = bisect_left(self._bounds, group.range_end)
        return range(bisect_left(self._bounds, group.key), stop)

    def _use(self, bound: bytes) -> None:
        uses = self._uses.get(bound, 0)
        self._uses[bound] = uses + 1
        if not uses:
            position = bisect_left(self._bounds, bound)
            self._bounds.insert(position, bound)
            self._cover.insert(position, self._cover[position - 1] if position else ())

    def _leave(self, bound: bytes) -> None:
        self._uses[bound] -= 1
        if not self._uses[bound]:
            del self._uses[bound]
            position = bisect_left(self._bounds, bound)
            del self._bounds[position], self._cover[position]

    def _check(self, groups: list[Group]) -> None:
        """Raises AssertionError where the table is not that of `groups`, in order of creation. For tests."""
        ranges = [group for group in groups if group.range_end]
        assert self._bounds == sorted({bound for group in ranges for bound in _ends(group)})
        assert sorted(self._uses) == self._bounds
        for bound, cover in zip(self._bounds, self._cover, strict=True):
            inside = (g for g in ranges if g.key <= bound and (g.range_end == TO_THE_END or bound < g.range_end))
            assert cover == tuple(inside)
        for key in self._exact:
            assert self._exact[key] == tuple(g for g in groups if g.key == key and not g.range_end)


def _ends(group: Group) -> tuple[bytes, ...]:
    return (group.key,) if group.range_end == TO_THE_END else (group.key, group.range_end)
