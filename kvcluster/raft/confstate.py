"""Who is in the group: the checks of a configuration. Changing it: confchange.py."""

from __future__ import annotations

from collections.abc import Iterable

from kvcluster.raft.types import NO_MEMBER, ConfState


def build_conf_state(voters: Iterable[int], learners: Iterable[int] = ()) -> ConfState:
    """A checked configuration in canonical order. Raises ValueError for no voter, a bad id, or an id named twice."""
    voters = tuple(sorted(voters))
    learners = tuple(sorted(learners))
    if not voters:
        raise ValueError("a group needs at least one voter")
    ids = [*voters, *learners]
    for id in ids:
        if not isinstance(id, int) or not NO_MEMBER < id < 1 << 64:
            raise ValueError(f"a member id is a number from 1 to 2**64-1, not {id!r}")
    if len(set(ids)) != len(ids):
        raise ValueError(f"a member is named twice: {ids}")
    return ConfState(voters, learners)
