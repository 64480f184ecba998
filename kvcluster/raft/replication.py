"""How a leader's log gets to the others and becomes committed. Works on a Raft whose role is LEADER.

Appends are not sent when they become possible but once a turn: whatever makes one possible (a proposal, an
acknowledgement, a commit) sets `append_due`, and taking a Ready calls `flush`. A turn with a hundred proposals and four
acknowledgements sends one message a member, which carries entries and commit index together.
"""

from __future__ import annotations

from collections.abc import Sequence

from kvcluster.raft.errors import LogCompacted, ProposalDropped, SnapshotUnavailable, StepRejected
from kvcluster.raft.progress import Progress, ProgressState
from kvcluster.raft.raft import Raft
from kvcluster.raft.types import EntryType, Message, MessageType, build_entries


def append_data(raft: Raft, datas: Sequence[bytes], type: int = EntryType.NORMAL) -> None:
    """Appends one entry for each of `datas` to the leader's own log and counts them as held by itself.

    A group of one voter commits them here: they leave in the Ready that carries them to be persisted, and the shell
    applies after it persisted. Raises ProposalDropped when the bound on uncommitted data is reached.
    """
    size = sum([len(data) for data in datas])
    if raft.uncommitted_bytes > 0 and raft.uncommitted_bytes + size > raft.config.max_uncommitted_size_bytes:
        raise ProposalDropped(f"{raft.uncommitted_bytes} bytes wait to be committed, the bound is reached")
    log = raft.log
    first_index = log.last_index() + 1
    log.unstable.append(build_entries(raft.term, first_index, datas, type))
    raft.uncommitted_bytes += size
    tracker = raft.tracker
    progress = tracker.progress[raft.id]
    progress.match = first_index + len(datas) - 1
    progress.next = progress.match + 1
    if tracker.is_singleton:
        log.committed = progress.match
    if len(tracker.progress) > 1:
        raft.append_due = True


def flush(raft: Raft) -> None:
    """Puts the turn's heartbeats and appends into the outbox."""
    if raft.heartbeat_due:
        raft.heartbeat_due = False
        _broadcast_heartbeat(raft)
    if raft.append_due:
        raft.append_due = False
        for id, progress in raft.tracker.progress.items():
            if id != raft.id:
                while try_send_append(raft, id, progress) and progress.state is ProgressState.REPLICATE:
                    pass  # pipelining: as many messages as the size bound makes of the entries, within the window


def _broadcast_heartbeat(raft: Raft) -> None:
    """A heartbeat carries no more of the commit index than the member is known to hold: its log may part from ours."""
    context = raft.read_only.round_context()
    committed = raft.log.committed
    for id, progress in raft.tracker.progress.items():
        if id != raft.id:
            raft.send(MessageType.HEARTBEAT, id, commit=min(progress.match, committed), context=context)


def try_send_append(raft: Raft, id: int, progress: Progress, *, probe: bool = False) -> bool:
    """Sends what `id` needs next: an append, or a snapshot where its next entry is compacted away.

    False: nothing to say, or paused. With `probe`, a member in REPLICATE is sent an append in any case (without
    entries, if the window is full): if earlier ones were lost, its refusal tells.
    """
    is_replicating = progress.state is ProgressState.REPLICATE
    if progress.is_paused and not (probe and is_replicating):
        return False
    log = raft.log
    previous = progress.next - 1
    try:
        previous_term = log.term(previous)
        if is_replicating and progress.inflights.is_full:
            entries = []
        else:
            entries = log.entries(progress.next, raft.config.max_message_size_bytes)
    except LogCompacted:
        return _try_send_snapshot(raft, id, progress)
    commit = log.committed
    if not entries and is_replicating and not probe and progress.sent_commit >= commit:
        return False
    raft.send(MessageType.APP, id, index=previous, log_term=previous_term, entries=entries, commit=commit)
    progress.sent_commit = commit
    if entries:
        progress.sent_entries(entries[-1].index)
    elif not is_replicating:
        progress.probe_sent = True
    return True


def _try_send_snapshot(raft: Raft, id: int, progress: Progress) -> bool:
    """Only a member that was heard of lately is worth the bytes."""
    if not progress.recent_active:
        return False
    try:
        snapshot = raft.log.unstable.snapshot or raft.log.storage.snapshot()
    except SnapshotUnavailable:
        return False
    progress.become_snapshot(snapshot.index)
    raft.send(MessageType.SNAP, id, snapshot=snapshot)
    return True


def try_commit(raft: Raft) -> bool:
    """Commits what a majority holds, if it ends with an entry of this term (Raft 5.4.2, figure 8). True if it moved."""
    log = raft.log
    index = raft.tracker.committed()
    if index > log.committed and log.match_term(index, raft.term):
        log.committed = index
        return True
    return False


def on_append_response(raft: Raft, m: Message) -> None:
    """A member accepted or refused an append."""
    progress = raft.tracker.progress.get(m.sender)
    if progress is None:
        return
    if not m.reject and m.index > raft.log.last_index():
        raise StepRejected(f"member {m.sender} acknowledges entry {m.index} above the last, {raft.log.last_index()}")
    progress.recent_active = True
    if m.reject:
        _on_refusal(raft, m, progress)
        return
    is_news = progress.try_update(m.index)
    if not is_news and not (progress.state is ProgressState.PROBE and progress.match == m.index):
        return
    if progress.state is ProgressState.PROBE:
        progress.become_replicate()
    elif progress.state is ProgressState.SNAPSHOT:
        if progress.match + 1 >= raft.log.first_index():
            progress.become_replicate()
    else:
        progress.inflights.free_to(m.index)
    if try_commit(raft) or progress.next <= raft.log.last_index() or progress.sent_commit < raft.log.committed:
        raft.append_due = True
    if m.sender == raft.transferee and progress.match == raft.log.last_index():
        raft.send(MessageType.TIMEOUT_NOW, m.sender)


def _on_refusal(raft: Raft, m: Message, progress: Progress) -> None:
    """Backs off to where the logs may still match, a term at a time, and probes there at once.

    The member's hint is the newest entry of its own that may match; ours may be further down, where our terms are no
    newer than that one's. An example: the member has terms 1 2 2 2 and refuses at index 4, term 3; our log is 1 1 1 3.
    Its hint is (4, term 2); ours with a term of at most 2 is index 3, so index 3 is probed.
    """
    hint = m.reject_hint
    if m.log_term > 0:
        hint, _ = raft.log.find_conflict_by_term(hint, m.log_term)
    if progress.try_decrease(m.index, hint):
        if progress.state is ProgressState.REPLICATE:
            progress.become_probe()
        try_send_append(raft, m.sender, progress)


def on_heartbeat_response(raft: Raft, id: int, progress: Progress) -> None:
    """A sign of life: what was sent before it and is unanswered may be lost, so say something again."""
    progress.recent_active = True
    progress.probe_sent = False
    if progress.match < raft.log.last_index() or progress.state is ProgressState.PROBE:
        try_send_append(raft, id, progress, probe=True)


def tick_snapshots(raft: Raft) -> None:
    """Gives up on snapshots that nothing was heard of. The next probe finds out whether it arrived after all."""
    for progress in raft.tracker.progress.values():
        if progress.state is ProgressState.SNAPSHOT:
            progress.snapshot_ticks += 1
            if progress.snapshot_ticks >= raft.config.snapshot_timeout_ticks:
                progress.become_probe()
