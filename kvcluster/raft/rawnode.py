"""RawNode: the public face of one member's consensus. Single-threaded, no I/O, no clock.

The shell's contract. Inputs (tick, step, propose, …) come in any order. After a turn of inputs:

    while node.has_ready():
        ready = node.ready()
        if ready.snapshot: storage.apply_snapshot(ready.snapshot)      ┐
        storage.append(ready.entries)                                  ├ persisted, together, before anything else
        if ready.hard_state: storage.set_hard_state(ready.hard_state)  ┘
        send(ready.messages)            # may be lost, reordered, and but for PROP repeated
        node.advance(ready)
        apply(ready.snapshot, ready.committed); answer(ready.read_states)

Persist before send and before apply: a message says "I hold this entry", "I voted"; and a Ready may hand out entries as
committed in the very Ready that carries them to be persisted (a group of one voter commits as it appends, a follower
learns of both in one append). Inputs may come between `ready` and `advance` (a shell that awaits its disk), another
`ready` may not.

A network that repeats a PROP makes two proposals of one: they have no identity here.

A read of context c may be answered once everything up to the index of its ReadState is applied. Reads that a change of
leader swallowed have no ReadState: their asker asks again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kvcluster.raft import leader as leader_role
from kvcluster.raft import replication, step
from kvcluster.raft.confchange import apply_conf_state
from kvcluster.raft.errors import ProposalDropped
from kvcluster.raft.progress import ProgressState
from kvcluster.raft.raft import Config, Raft
from kvcluster.raft.reads import begin_read
from kvcluster.raft.types import (
    NO_MEMBER,
    ConfState,
    Entry,
    EntryType,
    HardState,
    Message,
    MessageType,
    ReadState,
    Role,
    Snapshot,
    build_entries,
    payload_size,
)


class Ready:
    """What a turn produced, in the order in which the shell takes it up.

    `must_sync` is False when only the commit index moved: losing that costs nothing, so a disk need not be waited for.
    `entries` and `committed` may be one list: read, do not change.
    """

    __slots__ = ("hard_state", "entries", "snapshot", "messages", "committed", "read_states", "must_sync")

    def __init__(
        self,
        hard_state: HardState | None,
        entries: list[Entry],
        snapshot: Snapshot | None,
        messages: list[Message],
        committed: list[Entry],
        read_states: list[ReadState],
        must_sync: bool,
    ) -> None:
        self.hard_state = hard_state
        self.entries = entries
        self.snapshot = snapshot
        self.messages = messages
        self.committed = committed
        self.read_states = read_states
        self.must_sync = must_sync


class ProgressStatus(NamedTuple):
    """A leader's view of one member."""

    match: int
    next: int
    state: ProgressState
    recent_active: bool
    is_paused: bool


class Status(NamedTuple):
    """How a member is. `progress` is empty for others than the leader."""

    id: int
    role: Role
    term: int
    vote: int
    leader: int
    commit: int
    applied: int
    last_index: int
    voters: tuple[int, ...]
    progress: Mapping[int, ProgressStatus]


class RawNode:
    """One member's consensus machine."""

    __slots__ = ("_raft", "_hard_state", "_pending")

    def __init__(self, config: Config) -> None:
        """Starts as a follower in the state that the storage holds. Raises ValueError if that cannot be."""
        self._raft = Raft(config)
        self._hard_state = config.storage.initial_state()[0]
        self._pending: Ready | None = None

    # Inputs.

    def tick(self) -> None:
        """A tick passed."""
        step.tick(self._raft)

    def campaign(self) -> None:
        """Starts an election now, as if the election timeout had passed. Does nothing at a leader or a learner."""
        step.hup(self._raft)

    def step(self, message: Message) -> None:
        """Takes a message from another member.

        Raises StepRejected for one that no correct member sends here. A forwarded proposal that cannot be taken is
        dropped in silence: whoever proposed it is elsewhere and waits with a timeout.
        """
        try:
            step.step(self._raft, message)
        except ProposalDropped:
            pass

    def propose(self, datas: Sequence[bytes]) -> None:
        """Appends one entry for each of `datas`, in order, all or none. A follower passes them on to its leader.

        Passed on or appended is not committed: a proposal may still be lost with the leader. Raises ProposalDropped, or
        ValueError for an empty proposal (b"" is what leaders append for themselves).
        """
        if not all(datas):
            raise ValueError("a proposal must not be empty")
        raft = self._raft
        if not datas:
            return
        if raft.role is Role.LEADER:
            leader_role.propose(raft, datas)
        elif raft.leader != NO_MEMBER:
            entries = build_entries(0, 0, datas)
            raft.outbox.append(Message(MessageType.PROP, raft.leader, raft.id, entries=entries))
        else:
            raise ProposalDropped(f"no leader at term {raft.term}")

    def propose_conf_change(self, data: bytes) -> None:
        """As `propose`, for an entry of type CONF_CHANGE. Raises ProposalDropped also while another one is under way; one that is
        passed on to the leader may be dropped there in silence."""
        raft = self._raft
        if raft.role is Role.LEADER:
            leader_role.propose_conf_change(raft, data)
        elif raft.leader != NO_MEMBER:
            entries = build_entries(0, 0, [data], EntryType.CONF_CHANGE)
            raft.outbox.append(Message(MessageType.PROP, raft.leader, raft.id, entries=entries))
        else:
            raise ProposalDropped(f"no leader at term {raft.term}")

    def apply_conf_change(self, conf_state: ConfState) -> None:
        """The configuration that an applied CONF_CHANGE makes. Every member calls this at the same place of the log."""
        apply_conf_state(self._raft, conf_state)

    def read_index(self, context: bytes) -> bool:
        """Asks for an index at which a batch of reads is linearizable; Ready.read_states will have it under `context`.

        False, and nothing asked, when no leader is known. True promises no answer: a message or a leader may be lost.
        """
        raft = self._raft
        if raft.role is Role.LEADER:
            begin_read(raft, raft.id, context)
        elif raft.leader != NO_MEMBER:
            raft.outbox.append(Message(MessageType.READ_INDEX, raft.leader, raft.id, raft.term, context=context))
        else:
            return False
        return True

    def transfer_leader(self, id: int) -> None:
        """Asks that voter `id` become leader. It may not happen. Raises ValueError for an id that is no voter."""
        raft = self._raft
        if id not in raft.tracker.voters:
            raise ValueError(f"member {id} is not a voter")
        if raft.role is Role.LEADER:
            leader_role.transfer_leader(raft, id)
        elif raft.leader != NO_MEMBER:
            raft.outbox.append(Message(MessageType.TRANSFER_LEADER, raft.leader, raft.id, index=id))

    def report_unreachable(self, id: int) -> None:
        """The last messages to `id` could not be delivered."""
        if self._raft.role is Role.LEADER:
            leader_role.report_unreachable(self._raft, id)

    def report_reachable(self, id: int) -> None:
        """Messages to `id` can be delivered from now on, after a time when they could not."""
        if self._raft.role is Role.LEADER:
            leader_role.report_reachable(self._raft, id)

    def report_snapshot(self, id: int, ok: bool) -> None:
        """The snapshot to `id` was delivered, or was not."""
        if self._raft.role is Role.LEADER:
            leader_role.report_snapshot(self._raft, id, ok)

    # Outputs.

    def has_ready(self) -> bool:
        """Whether `ready` would have anything in it. Cheap; False between `ready` and `advance`."""
        raft = self._raft
        if self._pending is not None:
            return False
        unstable = raft.log.unstable
        return bool(
            raft.outbox
            or unstable.entries
            or raft.append_due
            or raft.heartbeat_due
            or raft.log.committed > raft.log.applied
            or raft.read_states
            or unstable.snapshot is not None
            or self._hard_state != (raft.term, raft.vote, raft.log.committed)
        )

    def ready(self) -> Ready:
        """Takes what the turn produced. Raises RuntimeError if the one before was not advanced."""
        if self._pending is not None:
            raise RuntimeError("the Ready before this one has not been advanced")
        raft = self._raft
        if raft.append_due or raft.heartbeat_due:
            replication.flush(raft)
        log = raft.log
        unstable = log.unstable
        hard_state: HardState | None = raft.hard_state()
        before = self._hard_state
        must_sync = bool(unstable.entries) or unstable.snapshot is not None
        if hard_state == before:
            hard_state = None
        else:
            must_sync = must_sync or hard_state[:2] != before[:2]  # type: ignore[index]
        messages, raft.outbox = raft.outbox, []
        read_states, raft.read_states = raft.read_states, []
        ready = Ready(
            hard_state,
            unstable.entries[:],
            unstable.snapshot,
            messages,
            log.next_committed(raft.config.max_committed_size_bytes),
            read_states,
            must_sync,
        )
        self._pending = ready
        return ready

    def advance(self, ready: Ready) -> None:
        """`ready` has been persisted and its messages handed over; what it committed is being applied.

        Raises ValueError for another Ready than the last.
        """
        if ready is not self._pending:
            raise ValueError("this is not the Ready that was taken last")
        self._pending = None
        raft = self._raft
        log = raft.log
        if ready.hard_state is not None:
            self._hard_state = ready.hard_state
        if ready.entries:
            last = ready.entries[-1]
            log.unstable.stable_to(last.index, last.term)
        if ready.snapshot is not None:
            log.unstable.stable_snapshot_to(ready.snapshot.index)
            log.applied = max(log.applied, ready.snapshot.index)
        committed = ready.committed
        if committed:
            log.applied = max(log.applied, committed[-1].index)
            if raft.uncommitted_bytes:
                raft.uncommitted_bytes = max(0, raft.uncommitted_bytes - payload_size(committed))

    # Looks.

    @property
    def conf_state(self) -> ConfState:
        """Who belongs to the group, as far as this member has applied."""
        return self._raft.tracker.conf_state

    @property
    def id(self) -> int:
        return self._raft.id

    @property
    def role(self) -> Role:
        return self._raft.role

    @property
    def leader(self) -> int:
        """The id of the leader of this term, 0 when none is known."""
        return self._raft.leader

    @property
    def term(self) -> int:
        return self._raft.term

    @property
    def commit(self) -> int:
        return self._raft.log.committed

    @property
    def applied(self) -> int:
        """Everything up to here has been handed out in a Ready that was advanced."""
        return self._raft.log.applied

    def status(self) -> Status:
        raft = self._raft
        progress: dict[int, ProgressStatus] = {}
        if raft.role is Role.LEADER:
            for id, p in raft.tracker.progress.items():
                progress[id] = ProgressStatus(p.match, p.next, p.state, p.recent_active, p.is_paused)
        return Status(
            raft.id,
            raft.role,
            raft.term,
            raft.vote,
            raft.leader,
            raft.log.committed,
            raft.log.applied,
            raft.log.last_index(),
            raft.tracker.voters,
            progress,
        )

    def _check(self) -> None:
        self._raft._check()
