"""What a follower does with messages: it follows. Answers tell the leader how far its log goes.

An answer says what will be true once the shell has persisted the Ready that carries it (see rawnode.py).
"""

from __future__ import annotations

from kvcluster.raft.errors import ProposalDropped
from kvcluster.raft.raft import Raft
from kvcluster.raft.types import NO_MEMBER, Message, MessageType, ReadState, Role, Snapshot


def step_follower(raft: Raft, m: Message) -> None:
    """Raises ProposalDropped for a forwarded proposal when it knows no leader to forward it to."""
    type = m.type
    if type is MessageType.APP:
        handle_append(raft, m)
    elif type is MessageType.HEARTBEAT:
        handle_heartbeat(raft, m)
    elif type is MessageType.SNAP:
        handle_snapshot(raft, m)
    elif type is MessageType.PROP:
        if raft.leader == NO_MEMBER:
            raise ProposalDropped(f"no leader at term {raft.term}")
        raft.outbox.append(m._replace(to=raft.leader, sender=raft.id))
    elif type is MessageType.READ_INDEX_RESP:
        raft.read_states.append(ReadState(m.index, m.context))
    elif type is MessageType.TRANSFER_LEADER and raft.leader != NO_MEMBER:
        raft.outbox.append(m._replace(to=raft.leader, sender=raft.id))
    # READ_INDEX is not passed on: the answer would come back here, not to the asker, who asks again in time.


def follow(raft: Raft, leader: int) -> None:
    """A message of the term's leader came: whoever this member was, it follows now, and its election is put off."""
    if raft.role is not Role.FOLLOWER:
        raft.become_follower(raft.term, leader)
    raft.leader = leader
    raft.election_elapsed = 0


def handle_append(raft: Raft, m: Message) -> None:
    """Takes the entries if they fit on this log, or says where they may fit."""
    log = raft.log
    if m.index < log.committed:
        # An old append, overtaken. What is committed matches for sure, and says more than this append would.
        follow(raft, m.sender)
        raft.send(MessageType.APP_RESP, m.sender, index=log.committed)
        return
    if log.try_append(m.index, m.log_term, m.entries):
        last_new = m.index + len(m.entries)
        follow(raft, m.sender)
        log.commit_to(min(m.commit, last_new))
        raft.send(MessageType.APP_RESP, m.sender, index=last_new)
        return
    follow(raft, m.sender)
    hint, hint_term = log.find_conflict_by_term(min(m.index, log.last_index()), m.log_term)
    raft.send(MessageType.APP_RESP, m.sender, index=m.index, reject=True, reject_hint=hint, log_term=hint_term)


def handle_heartbeat(raft: Raft, m: Message) -> None:
    """step.py has made sure that the commit index is not above this log."""
    follow(raft, m.sender)
    raft.log.commit_to(m.commit)
    raft.send(MessageType.HEARTBEAT_RESP, m.sender, context=m.context)


def handle_snapshot(raft: Raft, m: Message) -> None:
    """Answers as for an append: with the index up to which this log now matches the leader's."""
    follow(raft, m.sender)
    snapshot = m.snapshot
    if snapshot is not None and _try_restore(raft, snapshot):
        raft.send(MessageType.APP_RESP, m.sender, index=raft.log.last_index())
    else:
        raft.send(MessageType.APP_RESP, m.sender, index=raft.log.committed)


def _try_restore(raft: Raft, snapshot: Snapshot) -> bool:
    """Replaces the log by the snapshot, unless this log has all of it already or the snapshot is not for this member."""
    log = raft.log
    if snapshot.index <= log.committed:
        return False
    conf_state = snapshot.conf_state
    if raft.id not in conf_state.voters and raft.id not in conf_state.learners:
        return False
    if log.match_term(snapshot.index, snapshot.term):
        log.commit_to(snapshot.index)
        return False
    log.restore(snapshot)
    raft.tracker.switch(conf_state, next=log.last_index() + 1)
    raft.tracker.reset(raft.id, log.last_index())
    return True
