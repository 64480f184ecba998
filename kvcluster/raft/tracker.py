"""Everyone the machine counts on: who votes, how far each log has come, how the running vote stands.

Only a leader's progress and only a candidate's votes mean anything; both are reset at every change of role.
Invariant: `progress` has exactly the voters and learners as keys, in ascending order (the order of all broadcasts).
"""

from __future__ import annotations

from kvcluster.raft.progress import Progress
from kvcluster.raft.quorum import VoteResult, committed_index, majority, vote_result
from kvcluster.raft.types import ConfState


class Tracker:
    """Built from a ConfState; `switch` replaces the configuration and keeps what is known of those who stay."""

    __slots__ = ("conf_state", "voters", "progress", "votes", "max_inflight_messages", "is_singleton")

    def __init__(self, conf_state: ConfState, max_inflight_messages: int) -> None:
        self.max_inflight_messages = max_inflight_messages
        self.progress: dict[int, Progress] = {}
        self.votes: dict[int, bool] = {}
        self.switch(conf_state, next=1)

    def switch(self, conf_state: ConfState, next: int) -> None:
        """Makes `conf_state` the configuration; newcomers are probed from index `next` on."""
        known = self.progress
        ids = sorted([*conf_state.voters, *conf_state.learners])
        self.conf_state = conf_state
        self.voters = conf_state.voters
        self.is_singleton = len(conf_state.voters) == 1
        self.progress = {id: known.get(id) or Progress(0, next, self.max_inflight_messages) for id in ids}

    def reset(self, self_id: int, last_index: int) -> None:
        """A new role or term: nothing is known of the others, no vote is in."""
        self.votes.clear()
        limit = self.max_inflight_messages
        for id in self.progress:
            match = last_index if id == self_id else 0
            self.progress[id] = Progress(match, last_index + 1, limit)

    def committed(self) -> int:
        """The newest index that a majority holds."""
        progress = self.progress
        return committed_index(self.voters, {id: progress[id].match for id in self.voters})

    def quorum_active(self, self_id: int) -> bool:
        """Whether a majority, with this member, was heard of since the last call. Starts the next period."""
        active = 0
        for id in self.voters:
            progress = self.progress[id]
            if id == self_id or progress.recent_active:
                active += 1
        for progress in self.progress.values():
            progress.recent_active = False
        return active >= majority(len(self.voters))

    def record_vote(self, id: int, granted: bool) -> VoteResult:
        """Counts a vote; a second one of the same member changes nothing."""
        self.votes.setdefault(id, granted)
        return vote_result(self.voters, self.votes)

    def _check(self) -> None:
        assert list(self.progress) == sorted([*self.conf_state.voters, *self.conf_state.learners])
        for progress in self.progress.values():
            progress._check()
