"""Who is in the group: the checks of a configuration.

A group begins with the voters it was bootstrapped with, or those of a snapshot that it installs. A change comes as an entry of
type CONF_CHANGE (Raft thesis 4.1): a leader has one under way at a time, and each changes one member, so any majority of the
old configuration meets any majority of the new one. It counts from when it is applied: whoever applies it calls
`RawNode.apply_conf_change` with the configuration that it makes.
"""

from __future__ import annotations

from kvcluster.raft import replication
from kvcluster.raft.raft import Raft
from kvcluster.raft.types import NO_MEMBER, ConfState, Role


def apply_conf_state(raft: Raft, conf_state: ConfState) -> None:
    """Makes it the configuration. A leader that is no voter in it leads no longer; one that is goes on with the new majority.

    Newcomers are counted as heard of, so that a leader does not lose its quorum to one that has not yet said a word.
    """
    tracker = raft.tracker
    before = tracker.progress
    tracker.switch(conf_state, next=raft.log.last_index() + 1)
    if raft.role is not Role.LEADER:
        if raft.role in (Role.CANDIDATE, Role.PRE_CANDIDATE) and not raft.is_voter:
            raft.become_follower(raft.term, NO_MEMBER)
        return
    if not raft.is_voter:
        raft.become_follower(raft.term, NO_MEMBER)
        return
    for id, progress in tracker.progress.items():
        if id not in before:
            progress.recent_active = True
    if raft.transferee not in tracker.voters:
        raft.transferee = NO_MEMBER
    if len(tracker.progress) > 1:
        raft.append_due = True
    replication.try_commit(raft)
