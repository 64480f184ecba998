"""Elections (Raft 5.2) and the pre-vote before them (Raft thesis 9.6).

A member that was cut off asks first whether it could win, in the term after its own and without entering it. When it
comes back, the others, who hear their leader, refuse, and the group is not disturbed by its term.
"""

from __future__ import annotations

from kvcluster.raft.errors import ProposalDropped
from kvcluster.raft.follower import follow, step_follower
from kvcluster.raft.leader import become_leader
from kvcluster.raft.quorum import VoteResult
from kvcluster.raft.raft import Raft
from kvcluster.raft.types import NO_MEMBER, TRANSFER, Message, MessageType, Role


def campaign(raft: Raft, *, pre_vote: bool, transfer: bool = False) -> None:
    """Asks the voters for their (pre-)vote, its own first. A single voter is leader when this returns.

    With `transfer` the leader itself has asked for this election, so nobody refuses because it lives.
    """
    if pre_vote:
        raft.become_pre_candidate()
        type, term = MessageType.PRE_VOTE, raft.term + 1
    else:
        raft.become_candidate()
        type, term = MessageType.VOTE, raft.term
    result = raft.tracker.record_vote(raft.id, True)
    if result is VoteResult.WON:
        _on_won(raft)
        return
    log = raft.log
    context = TRANSFER if transfer else b""
    last_index, last_term = log.last_index(), log.last_term()
    for id in raft.tracker.voters:
        if id != raft.id:
            raft.send(type, id, term=term, index=last_index, log_term=last_term, context=context)


def step_candidate(raft: Raft, m: Message) -> None:
    """Of candidates and pre-candidates. Raises ProposalDropped for a forwarded proposal: there is no leader."""
    type = m.type
    if type is MessageType.VOTE_RESP or type is MessageType.PRE_VOTE_RESP:
        expected = MessageType.PRE_VOTE_RESP if raft.role is Role.PRE_CANDIDATE else MessageType.VOTE_RESP
        if type is not expected:
            return
        result = raft.tracker.record_vote(m.sender, not m.reject)
        if result is VoteResult.WON:
            _on_won(raft)
        elif result is VoteResult.LOST:
            raft.become_follower(raft.term, NO_MEMBER)
    elif type is MessageType.APP or type is MessageType.HEARTBEAT or type is MessageType.SNAP:
        follow(raft, m.sender)
        step_follower(raft, m)
    elif type is MessageType.PROP:
        raise ProposalDropped(f"no leader at term {raft.term}")


def _on_won(raft: Raft) -> None:
    if raft.role is Role.PRE_CANDIDATE:
        campaign(raft, pre_vote=False)
    else:
        become_leader(raft)
