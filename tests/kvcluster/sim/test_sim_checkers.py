"""Each checker fires on what it is for, and on nothing else. A checker that never fired is not one."""

from __future__ import annotations

import pytest

from kvcluster.raft import Entry, MemoryStorage
from kvcluster.sim import (
    Change,
    ElectionSafety,
    History,
    Kind,
    Linearizability,
    LogMatching,
    MemberStory,
    Operation,
    StateEquality,
    Violation,
)


def put(key: bytes, value: bytes | None) -> tuple[Change, ...]:
    return (Change(key, value, 2, 1, 0),)


def build_history() -> History:
    """Revision 2: r0 = a; 3: r0 = b; 4: r0 deleted; 5: r1 = c."""
    history = History()
    for revision, changes in enumerate([put(b"r0", b"a"), put(b"r0", b"b"), put(b"r0", None), put(b"r1", b"c")], 2):
        history.record("member 1", revision, changes)
    return history


def build_operation(kind: Kind, revision: int, *, floor: int = 1, key: bytes = b"r0", **fields) -> Operation:
    operation = Operation(kind, 0, 1, 0, floor)
    operation.key = key
    operation.revision = revision
    for name, value in fields.items():
        setattr(operation, name, value)
    return operation


def check(operation: Operation) -> None:
    checker = Linearizability(build_history())
    checker.see_answer(operation)
    checker.finish()
    assert checker.checked == 1


@pytest.mark.parametrize(
    "operation",
    [
        build_operation(Kind.PUT, 2, value=b"a"),
        build_operation(Kind.PUT, 3, floor=2, value=b"b"),
        build_operation(Kind.DELETE, 4, succeeded=True),
        build_operation(Kind.DELETE, 5, floor=5),
        build_operation(Kind.SWAP, 3, expected=2, value=b"b", succeeded=True),
        build_operation(Kind.SWAP, 4, expected=3),
        build_operation(Kind.READ, 3, mod_revision=3, found=b"b"),
        build_operation(Kind.READ, 5, floor=5),
        build_operation(Kind.READ, 5, key=b"r1", mod_revision=5, found=b"c"),
        build_operation(Kind.STALE_READ, 2, floor=5, mod_revision=2, found=b"a"),
        build_operation(Kind.COMPACT, 4, floor=4),
    ],
    ids=repr,
)
def test_what_happened_is_accepted(operation):
    check(operation)


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (build_operation(Kind.PUT, 2, value=b"x"), "lost"),
        (build_operation(Kind.PUT, 9, value=b"x"), "lost: the history ends"),
        (build_operation(Kind.PUT, 2, floor=2, value=b"a"), "before it was called"),
        (build_operation(Kind.PUT, 2, floor=3, value=b"a"), "stale"),
        (build_operation(Kind.DELETE, 3, succeeded=True), "lost"),
        (build_operation(Kind.DELETE, 3), "but the key was there"),
        (build_operation(Kind.SWAP, 3, expected=0, value=b"b", succeeded=True), "swapped at"),
        (build_operation(Kind.SWAP, 3, expected=3), "refused to swap"),
        (build_operation(Kind.READ, 3, floor=4, mod_revision=3, found=b"b"), "stale"),
        (build_operation(Kind.READ, 3, mod_revision=2, found=b"a"), "read 2"),
        (build_operation(Kind.READ, 4, mod_revision=3, found=b"b"), "read 3"),
        (build_operation(Kind.STALE_READ, 3, mod_revision=2, found=b"a"), "read 2"),
        (build_operation(Kind.COMPACT, 3, floor=4), "stale"),
    ],
    ids=repr,
)
def test_what_did_not_happen_is_a_violation(operation, text):
    with pytest.raises(Violation, match=text):
        check(operation)


def test_an_answer_waits_until_the_history_has_reached_it():
    history = build_history()
    checker = Linearizability(history)
    checker.see_answer(build_operation(Kind.PUT, 6, value=b"d"))
    checker.check()
    assert checker.checked == 0
    history.record("member 1", 6, put(b"r0", b"d"))
    checker.finish()
    assert checker.checked == 1
    assert checker.newest_answered == 6


def test_a_history_is_one_story_without_gaps():
    history = build_history()
    history.record("member 2", 3, put(b"r0", b"b"))
    with pytest.raises(Violation, match="revision 3 is"):
        history.record("member 2", 3, put(b"r0", b"x"))
    with pytest.raises(Violation, match="first to report revision 7, after 5"):
        history.record("member 2", 7, put(b"r0", b"x"))
    with pytest.raises(Violation, match="written at 2 and again at 6"):
        history.record("member 2", 6, put(b"r0", b"a"))


@pytest.mark.parametrize("revision", [3, 2, 6])
def test_a_watcher_is_told_everything_once_and_in_order(revision):
    story = MemberStory(build_history(), "member 2")
    story.begin(1)
    story.tell({2: put(b"r0", b"a"), 3: put(b"r0", b"b")})
    with pytest.raises(Violation, match="4 comes next"):
        story.tell({revision: put(b"r0", b"z")})


def test_two_leaders_of_one_term():
    checker = ElectionSafety()
    checker.see_leader(1, 4)
    checker.see_leader(1, 4)
    checker.see_leader(2, 5)
    with pytest.raises(Violation, match="both led term 4"):
        checker.see_leader(3, 4)
    assert checker.elections == 2


def build_storage(*terms: int) -> MemoryStorage:
    storage = MemoryStorage(voters=[1, 2])
    storage.append([Entry(term, index, 0, b"%d" % term) for index, term in enumerate(terms, 1)])
    return storage


def test_logs_match_below_where_they_agree():
    checker = LogMatching()
    checker.compare({1: build_storage(1, 1, 2), 2: build_storage(1, 1, 3, 3)})
    with pytest.raises(Violation, match="agree above index 2"):
        checker.compare({1: build_storage(1, 1, 3), 2: build_storage(1, 2, 3)})


def test_what_is_committed_stays():
    checker = LogMatching()
    checker.see_committed(1, [Entry(1, 1, 0, b"a"), Entry(1, 2, 0, b"b")])
    checker.see_committed(2, [Entry(1, 2, 0, b"b")])
    with pytest.raises(Violation, match="member 2 commits"):
        checker.see_committed(2, [Entry(2, 2, 0, b"b")])


def test_equal_indexes_mean_equal_states():
    checker = StateEquality()
    checker.see_state(1, 7, ("hash", 1))
    checker.see_state(2, 7, ("hash", 1))
    checker.see_state(2, 8, ("hash", 2))
    with pytest.raises(Violation, match="applied index 7"):
        checker.see_state(3, 7, ("hash", 3))
