"""The door of the machine: one message, one tick. Terms are settled here, then the role decides.

Rules about terms (Raft 5.1), and the two that keep a lost member from disturbing the group:
  - A higher term makes a follower, except that pre-votes move no term, and that a vote is not even looked at while a
    leader is heard (check quorum; Raft thesis 6.2).
  - A lower term is ignored, except that a leader of an old term is told, and so is an old pre-candidate: either could
    be stuck in a term nobody answers.
"""

from __future__ import annotations

from kvcluster.raft.candidate import campaign, step_candidate
from kvcluster.raft.errors import StepRejected
from kvcluster.raft.follower import step_follower
from kvcluster.raft.leader import step_leader, tick_leader
from kvcluster.raft.raft import Raft
from kvcluster.raft.types import NO_MEMBER, TRANSFER, Message, MessageType, Role

_STEPS = {
    Role.FOLLOWER: step_follower,
    Role.PRE_CANDIDATE: step_candidate,
    Role.CANDIDATE: step_candidate,
    Role.LEADER: step_leader,
}
_TERMLESS = (MessageType.PROP, MessageType.READ_INDEX, MessageType.TRANSFER_LEADER)
_FROM_LEADER = (MessageType.APP, MessageType.HEARTBEAT, MessageType.SNAP)


def tick(raft: Raft) -> None:
    """Time passes by one tick."""
    if raft.role is Role.LEADER:
        tick_leader(raft)
        return
    raft.election_elapsed += 1
    if raft.election_elapsed >= raft.election_timeout_ticks and raft.is_voter:
        raft.election_elapsed = 0
        hup(raft)


def hup(raft: Raft) -> None:
    """Campaigns, if that makes sense: not a leader, not a learner, nor one whose log is about to be replaced."""
    if raft.role is not Role.LEADER and raft.is_voter and raft.log.unstable.snapshot is None:
        campaign(raft, pre_vote=raft.config.pre_vote)


def step(raft: Raft, m: Message) -> None:
    """Takes a message of another member. Raises StepRejected or ProposalDropped, and has then changed nothing."""
    _validate(raft, m)
    if m.term > raft.term:
        if not _try_adopt_term(raft, m):
            return
    elif m.term < raft.term and m.type not in _TERMLESS:
        _answer_old_term(raft, m)
        return
    type = m.type
    if type is MessageType.VOTE or type is MessageType.PRE_VOTE:
        _answer_vote(raft, m)
    elif type is MessageType.TIMEOUT_NOW:
        if raft.role is Role.FOLLOWER and raft.is_voter and raft.log.unstable.snapshot is None:
            campaign(raft, pre_vote=False, transfer=True)
    else:
        _STEPS[raft.role](raft, m)


def _validate(raft: Raft, m: Message) -> None:
    """What a correct member never sends is refused before anything moves."""
    type = m.type
    if m.to != raft.id or m.sender == raft.id or m.sender == NO_MEMBER:
        raise StepRejected(f"a message from {m.sender} to {m.to} came to member {raft.id}")
    if m.term == 0:
        if type not in _TERMLESS:
            raise StepRejected(f"{type.name} from {m.sender} has no term")
    elif type is MessageType.APP:
        entries = m.entries
        if entries and (entries[0].index != m.index + 1 or entries[-1].index != m.index + len(entries)):
            raise StepRejected(f"entries from {m.sender} do not follow index {m.index}")
    elif type is MessageType.HEARTBEAT:
        if m.term >= raft.term and m.commit > raft.log.last_index():
            raise StepRejected(
                f"commit {m.commit} from {m.sender} is above the last entry {raft.log.last_index()}: was the log lost?"
            )
    elif type is MessageType.SNAP and m.snapshot is None:
        raise StepRejected(f"SNAP from {m.sender} carries no snapshot")
    if type is MessageType.PROP and not all(entry.data for entry in m.entries):
        raise StepRejected(f"PROP from {m.sender} carries an empty proposal")
    if raft.role is Role.LEADER and m.term == raft.term and type in _FROM_LEADER:
        raise StepRejected(f"{type.name} from {m.sender}: a second leader in term {m.term}")


def _try_adopt_term(raft: Raft, m: Message) -> bool:
    """Enters the higher term of `m`, where its type moves terms. False if the message is to be ignored."""
    type = m.type
    if type is MessageType.VOTE or type is MessageType.PRE_VOTE:
        hears_leader = (
            raft.config.check_quorum and raft.leader != NO_MEMBER and raft.election_elapsed < raft.config.election_ticks
        )
        if hears_leader and m.context != TRANSFER:
            return False
    if type is MessageType.PRE_VOTE or (type is MessageType.PRE_VOTE_RESP and not m.reject):
        return True
    raft.become_follower(m.term, m.sender if type in _FROM_LEADER else NO_MEMBER)
    return True


def _answer_old_term(raft: Raft, m: Message) -> None:
    """An empty acknowledgement is enough to make an old leader see the term; a refused pre-vote does it for the rest."""
    if m.type is MessageType.PRE_VOTE:
        raft.send(MessageType.PRE_VOTE_RESP, m.sender, reject=True)
    elif (raft.config.check_quorum or raft.config.pre_vote) and m.type in (MessageType.APP, MessageType.HEARTBEAT):
        raft.send(MessageType.APP_RESP, m.sender)


def _answer_vote(raft: Raft, m: Message) -> None:
    """Grants a vote once a term, and only to a log as good as its own (Raft 5.4.1).

    A granted pre-vote is answered in the term it asks about, everything else in this member's own.
    """
    is_pre_vote = m.type is MessageType.PRE_VOTE
    can_vote = (
        raft.vote == m.sender
        or (raft.vote == NO_MEMBER and raft.leader == NO_MEMBER)
        or (is_pre_vote and m.term > raft.term)
    )
    granted = can_vote and raft.log.is_up_to_date(m.index, m.log_term)
    answer = MessageType.PRE_VOTE_RESP if is_pre_vote else MessageType.VOTE_RESP
    if granted:
        raft.send(answer, m.sender, term=m.term)
        if not is_pre_vote:
            raft.election_elapsed = 0
            raft.vote = m.sender
    else:
        raft.send(answer, m.sender, reject=True)
