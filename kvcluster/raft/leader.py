"""What a leader does with ticks and messages. How its log spreads is in replication.py, its reads are in reads.py."""

from __future__ import annotations

from collections.abc import Sequence

from kvcluster.raft import reads, replication
from kvcluster.raft.errors import ProposalDropped
from kvcluster.raft.progress import ProgressState
from kvcluster.raft.raft import Raft
from kvcluster.raft.types import NO_MEMBER, EntryType, Message, MessageType, Role


def become_leader(raft: Raft) -> None:
    """Starts the term with an empty entry: only an entry of its own term lets it commit what it inherited."""
    raft.reset(raft.term)
    raft.role = Role.LEADER
    raft.leader = raft.id
    raft.tracker.progress[raft.id].become_replicate()
    raft.pending_conf_index = raft.log.last_index()  # there may be a change of members among what is not applied yet
    replication.append_data(raft, [b""])


def tick_leader(raft: Raft) -> None:
    """Heartbeats; and once an election timeout, a look at who is still there.

    Check quorum (Raft thesis 6.2): a leader that hears of no majority steps down, so that its clients look elsewhere.
    A transfer that did not come off within an election timeout is given up, and proposals are taken again.
    """
    config = raft.config
    raft.heartbeat_elapsed += 1
    raft.election_elapsed += 1
    if raft.election_elapsed >= config.election_ticks:
        raft.election_elapsed = 0
        if config.check_quorum and not raft.tracker.quorum_active(raft.id):
            raft.become_follower(raft.term, NO_MEMBER)
            return
        raft.transferee = NO_MEMBER
    if len(raft.tracker.progress) == 1:
        return
    replication.tick_snapshots(raft)
    if raft.heartbeat_elapsed >= config.heartbeat_ticks:
        raft.heartbeat_elapsed = 0
        raft.heartbeat_due = True


def step_leader(raft: Raft, m: Message) -> None:
    """Raises ProposalDropped for a forwarded proposal that it cannot take."""
    type = m.type
    if type is MessageType.APP_RESP:
        replication.on_append_response(raft, m)
        if raft.pending_reads and raft.committed_in_term():
            reads.release_deferred(raft)
    elif type is MessageType.HEARTBEAT_RESP:
        progress = raft.tracker.progress.get(m.sender)
        if progress is not None:
            replication.on_heartbeat_response(raft, m.sender, progress)
            reads.confirm_reads(raft, m)
    elif type is MessageType.PROP:
        if m.entries and m.entries[0].type == EntryType.CONF_CHANGE:
            propose_conf_change(raft, m.entries[0].data)
        else:
            propose(raft, [entry.data for entry in m.entries])
    elif type is MessageType.READ_INDEX:
        reads.begin_read(raft, m.sender, m.context, m.term)
    elif type is MessageType.TRANSFER_LEADER:
        transfer_leader(raft, m.index)
    # Votes that come late, and what only a follower is sent, mean nothing here.


def propose(raft: Raft, datas: Sequence[bytes]) -> None:
    """Raises ProposalDropped while leadership is on its way elsewhere, or when the bound is reached."""
    if raft.transferee != NO_MEMBER:
        raise ProposalDropped(f"leadership is being transferred to member {raft.transferee}")
    replication.append_data(raft, datas)


def propose_conf_change(raft: Raft, data: bytes) -> None:
    """Raises ProposalDropped while another one is under way (Raft thesis 4.1), and as `propose`."""
    if raft.pending_conf_index > raft.log.applied:
        raise ProposalDropped("another change of members is under way")
    if raft.transferee != NO_MEMBER:
        raise ProposalDropped(f"leadership is being transferred to member {raft.transferee}")
    replication.append_data(raft, [data], EntryType.CONF_CHANGE)
    raft.pending_conf_index = raft.log.last_index()


def transfer_leader(raft: Raft, id: int) -> None:
    """Brings voter `id` up to date and then tells it to campaign at once (Raft thesis 3.10)."""
    if id == raft.id or id not in raft.tracker.voters or id == raft.transferee:
        return
    raft.transferee = id
    raft.election_elapsed = 0
    progress = raft.tracker.progress[id]
    if progress.match == raft.log.last_index():
        raft.send(MessageType.TIMEOUT_NOW, id)
    else:
        raft.append_due = True


def report_unreachable(raft: Raft, id: int) -> None:
    """The shell could not deliver to `id`: appends sent ahead are probably lost."""
    progress = raft.tracker.progress.get(id)
    if progress is not None and progress.state is ProgressState.REPLICATE:
        progress.become_probe()


def report_reachable(raft: Raft, id: int) -> None:
    """The shell can deliver to `id` again: a heartbeat now, and its answer shows what `id` lacks. It need not wait a tick."""
    if id in raft.tracker.progress:
        raft.heartbeat_due = True


def report_snapshot(raft: Raft, id: int, ok: bool) -> None:
    """The shell delivered a snapshot to `id`, or failed to. The member's own answer is what counts in the end.

    Failed: it starts over where it was. Delivered: it may still be busy installing it, so the next append waits for a
    heartbeat's answer.
    """
    progress = raft.tracker.progress.get(id)
    if progress is None or progress.state is not ProgressState.SNAPSHOT:
        return
    if not ok:
        progress.pending_snapshot = 0
    progress.become_probe()
    progress.probe_sent = True
