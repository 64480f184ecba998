"""The table of segments against the plain question asked of every group."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kvcluster.watch import Group
from kvcluster.watch.ranges import GroupTable

KEYS = st.binary(max_size=2) | st.sampled_from([b"a", b"b", b"c", b"d"])
PLACES = st.tuples(KEYS, st.just(b"") | st.just(b"\x00") | KEYS).filter(
    lambda place: not place[1] or place[1] == b"\x00" or place[0] < place[1]
)


def _wants(group: Group, key: bytes) -> bool:
    if not group.range_end:
        return key == group.key
    return key >= group.key and (group.range_end == b"\x00" or key < group.range_end)


@given(st.lists(st.tuples(PLACES, st.booleans()), max_size=14), st.lists(KEYS, max_size=8))
def test_find_is_a_walk_over_all_groups(steps: list[tuple[tuple[bytes, bytes], bool]], keys: list[bytes]):
    """Each step adds a group, and may remove the one in the middle of those there are."""
    table, groups = GroupTable(), []
    for (key, range_end), remove in steps:
        group = Group(key, range_end, False, False, False)
        table.add(group)
        groups.append(group)
        if remove:
            table.remove(groups.pop(len(groups) // 2))
        table._check(groups)
        for probe in [*keys, key, range_end, key + b"\x00"]:
            exact = [g for g in groups if _wants(g, probe) and not g.range_end]
            ranges = [g for g in groups if _wants(g, probe) and g.range_end]
            assert list(table.find(probe)) == exact + ranges


def test_the_drawing_of_the_contract():
    table = GroupTable()
    one, two, three = (Group(*ends, False, False, False) for ends in ((b"a", b"f"), (b"c", b"\x00"), (b"k", b"\x00")))
    for group in (one, two, three):
        table.add(group)
    assert table._bounds == [b"a", b"c", b"f", b"k"]
    assert table._cover == [(one,), (one, two), (two,), (two, three)]
