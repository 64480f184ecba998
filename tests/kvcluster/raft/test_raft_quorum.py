"""Majorities: as scripts to read, and against a slow twin that tries every set of voters."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcluster.raft.quorum import VoteResult, committed_index, majority, vote_result

TESTDATA = Path(__file__).parent / "testdata" / "quorum"


def execute(command) -> str:
    pairs = [word.split(":") for word in command.arguments]
    voters = [int(id) for id, _ in pairs]
    if command.name == "vote":
        votes = {int(id): word == "y" for id, word in pairs if word != "?"}
        return vote_result(voters, votes).name
    acknowledged = {int(id): int(word) for id, word in pairs if word != "?"}
    bars = [f"{id} {'█' * acknowledged.get(id, 0)}" for id in voters]
    return "\n".join([*bars, f"committed {committed_index(voters, acknowledged)}"])


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_script(path: Path, run_script):
    run_script(path, execute)


ids = st.lists(st.integers(1, 9), unique=True, max_size=7)


@given(ids, st.dictionaries(st.integers(1, 9), st.integers(0, 20)))
def test_committed_index_is_what_some_majority_has_reached(voters, acknowledged):
    reached = [
        min(acknowledged.get(id, 0) for id in group) for group in combinations(voters, majority(len(voters))) if group
    ]
    assert committed_index(voters, acknowledged) == max(reached, default=0)


@given(ids, st.dictionaries(st.integers(1, 9), st.booleans()))
def test_a_vote_is_decided_when_no_answer_to_come_changes_it(voters, votes):
    silent = [id for id in voters if id not in votes]
    outcomes = [
        sum(votes.get(id, id in yes) for id in voters) >= majority(len(voters))
        for count in range(len(silent) + 1)
        for yes in combinations(silent, count)
    ]
    if all(outcomes):
        expected = VoteResult.WON
    elif not any(outcomes):
        expected = VoteResult.LOST
    else:
        expected = VoteResult.PENDING
    assert vote_result(voters, votes) is expected
