"""Linearizable reads at the leader (Raft thesis 6.4): when may a batch of reads be answered, and at which index.

Only the safe mode: a majority confirms, after the reads came in, that this is still the leader. No clock is trusted, so
a paused leader cannot answer stale reads when it wakes up (etcd-io/etcd#20418 is what lease-based reads do).
"""

from __future__ import annotations

from kvcluster.raft.quorum import committed_index
from kvcluster.raft.raft import Raft
from kvcluster.raft.types import Message, MessageType, ReadState


def begin_read(raft: Raft, asker: int, context: bytes, asker_term: int = 0) -> None:
    """Takes a batch of reads of member `asker`. Beyond Config.max_pending_reads it is dropped: the asker asks again.

    A single voter answers at once. So does a leader that makes a majority together with the asker, if the asker was in this
    leader's term when it asked, which was after its reads had come in: a later leader, to have committed anything before
    them, would have needed a majority without these two. With three members a follower's reads cost no round.

    A leader that has not yet committed an entry of its own term does not know what its predecessors committed, so it
    defers the batch until it has (`release_deferred`).
    """
    if len(raft.pending_reads) + len(raft.read_only) >= raft.config.max_pending_reads:
        return
    if not raft.committed_in_term():
        raft.pending_reads.append((asker, context))
    elif raft.tracker.is_singleton or (asker_term == raft.term and _is_quorum(raft, asker)):
        _answer(raft, asker, raft.log.committed, context)
    else:
        raft.read_only.begin_round(raft.log.committed, asker, context)
        raft.heartbeat_due = True


def _is_quorum(raft: Raft, asker: int) -> bool:
    """Whether this leader and the asker are a majority of the voters."""
    return committed_index(raft.tracker.voters, {raft.id: 1, asker: 1}) == 1


def release_deferred(raft: Raft) -> None:
    """The leader has committed in its term: the deferred batches begin their rounds."""
    deferred, raft.pending_reads = raft.pending_reads, []
    for asker, context in deferred:
        begin_read(raft, asker, context)


def confirm_reads(raft: Raft, m: Message) -> None:
    """A member answered a heartbeat: it followed this leader when the round in its context had begun."""
    if m.context:
        for read in raft.read_only.acknowledge(m.sender, m.context, raft.id, raft.tracker.voters):
            _answer(raft, read.asker, read.index, read.context)


def _answer(raft: Raft, asker: int, index: int, context: bytes) -> None:
    if asker == raft.id:
        raft.read_states.append(ReadState(index, context))
    else:
        raft.send(MessageType.READ_INDEX_RESP, asker, index=index, context=context)
