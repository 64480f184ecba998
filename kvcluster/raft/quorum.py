"""The arithmetic of majorities. Knows ids and numbers; nothing of logs, messages or time.

Two questions are asked of a group of voters: up to which number have a majority come (commit index, confirmed read
round), and how does a vote stand. A group without voters never agrees on anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum


class VoteResult(IntEnum):
    PENDING = 0
    LOST = 1
    WON = 2


def majority(voters: int) -> int:
    """How many of `voters` make a majority: 1 of 1, 2 of 2 and 3, 3 of 4 and 5."""
    return voters // 2 + 1


def committed_index(voters: Sequence[int], acknowledged: Mapping[int, int]) -> int:
    """The largest number that a majority of `voters` have acknowledged; who is missing in the mapping stands at 0.

    voter 1  ████████ 8
    voter 2  █████ 5         sorted: 2 5 8; the majority-th from the right, 5, is reached by two of three
    voter 3  ██ 2
    """
    count = len(voters)
    if count == 0:
        return 0
    get = acknowledged.get
    return sorted([get(voter, 0) for voter in voters])[count - majority(count)]


def vote_result(voters: Sequence[int], votes: Mapping[int, bool]) -> VoteResult:
    """How a vote stands; votes of others than `voters` do not count, nor does silence.

    LOST means that a majority can no longer be reached.
    """
    needed = majority(len(voters))
    granted = missing = 0
    for voter in voters:
        vote = votes.get(voter)
        if vote is None:
            missing += 1
        elif vote:
            granted += 1
    if granted >= needed:
        return VoteResult.WON
    if granted + missing >= needed and voters:
        return VoteResult.PENDING
    return VoteResult.LOST
