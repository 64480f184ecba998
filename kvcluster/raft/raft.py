"""The state of one member of a raft group, and the transitions every role shares.

This is the data that the step functions work on; what each role does with a message is in follower.py, candidate.py
and leader.py, chosen by step.py. The files import each other in this order only:

    raft ◀─ replication ◀─ reads ◀─ leader ◀─┬─ candidate ◀─ step ◀─ rawnode
         ◀───────────────────────── follower ◀┘

    FOLLOWER ── election timeout ──▶ PRE_CANDIDATE ── a majority would vote ──▶ CANDIDATE ── a majority votes ──▶ LEADER
        ▲                                 │                                        │                              │
        └──── a leader is seen, a higher term, a lost vote, or no majority heard of (check quorum) ────────────────┘

Outputs collect in `outbox` and `read_states` until the shell takes a Ready. Everything a member says or counts on is
persisted by then (the shell persists a Ready before it sends it), so a member may count its own vote and its own
entries at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from kvcluster.raft.confstate import build_conf_state
from kvcluster.raft.log import RaftLog
from kvcluster.raft.prng import Prng
from kvcluster.raft.readonly import ReadOnly
from kvcluster.raft.storage import LogStorage
from kvcluster.raft.tracker import Tracker
from kvcluster.raft.types import NO_MEMBER, Entry, HardState, Message, MessageType, ReadState, Role, Snapshot


@dataclass(frozen=True, kw_only=True)
class Config:
    """How a member behaves. Times are in ticks; what a tick is, only the shell knows.

    `seed` together with `id` is the only source of chance: the election timeout is drawn from
    [election_ticks, 2 * election_ticks). `applied` is the index that the state machine starts from after a restart;
    None: that of the storage's snapshot. Raises ValueError for numbers that cannot work.
    """

    id: int
    storage: LogStorage
    election_ticks: int = 10
    heartbeat_ticks: int = 1
    seed: int = 0
    applied: int | None = None
    pre_vote: bool = True
    check_quorum: bool = True
    # Data of one append message. Bounds what a slow link is asked to carry at once.
    max_message_size_bytes: int = 1 << 20
    # Unanswered appends to one member in REPLICATE; with the size above, what is on the way to one member.
    max_inflight_messages: int = 256
    # Data of the committed entries of one Ready: bounds the work of one turn. At least one entry is always handed out.
    max_committed_size_bytes: int = 64 << 20
    # Data of a leader's entries not yet committed; beyond it, proposals are dropped. One proposal always fits.
    max_uncommitted_size_bytes: int = 256 << 20
    # Batches of reads that wait for a new leader's first commit, or for a round; beyond it they are dropped.
    max_pending_reads: int = 4096
    # How long a snapshot may be on its way with no word of it, before the leader probes for it.
    snapshot_timeout_ticks: int = 100

    def __post_init__(self) -> None:
        if not NO_MEMBER < self.id < 1 << 64:
            raise ValueError(f"id must be from 1 to 2**64-1, not {self.id}")
        if self.heartbeat_ticks < 1:
            raise ValueError(f"heartbeat_ticks must be at least 1, not {self.heartbeat_ticks}")
        if self.election_ticks <= self.heartbeat_ticks:
            raise ValueError(f"election_ticks ({self.election_ticks}) must exceed heartbeat_ticks")
        for name in (
            "max_message_size_bytes",
            "max_inflight_messages",
            "max_committed_size_bytes",
            "max_uncommitted_size_bytes",
            "max_pending_reads",
            "snapshot_timeout_ticks",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


class Raft:
    """One member's consensus state. Made by RawNode; changed only by the step functions and ticks of this package."""

    __slots__ = (
        "config",
        "id",
        "term",
        "vote",
        "leader",
        "role",
        "log",
        "tracker",
        "outbox",
        "read_states",
        "read_only",
        "pending_reads",
        "transferee",
        "uncommitted_bytes",
        "append_due",
        "heartbeat_due",
        "pending_conf_index",
        "election_elapsed",
        "heartbeat_elapsed",
        "election_timeout_ticks",
        "prng",
    )

    def __init__(self, config: Config) -> None:
        """Takes up the storage's state as a follower. Raises ValueError if its parts contradict each other."""
        hard_state, conf_state = config.storage.initial_state()
        if conf_state.voters:
            build_conf_state(conf_state.voters, conf_state.learners)
        self.config = config
        self.id = config.id
        self.term = hard_state.term
        self.vote = hard_state.vote
        self.log = _open_log(config, hard_state)
        self.tracker = Tracker(conf_state, config.max_inflight_messages)
        self.outbox: list[Message] = []
        self.read_states: list[ReadState] = []
        self.prng = Prng(config.seed * 0x10001 + config.id)
        self.become_follower(self.term, NO_MEMBER)

    # Transitions. become_leader is in leader.py: a leader acts at once.

    def become_follower(self, term: int, leader: int) -> None:
        self.reset(term)
        self.role = Role.FOLLOWER
        self.leader = leader

    def become_pre_candidate(self) -> None:
        """Asks whether an election could be won, without raising the term: nothing of the hard state changes."""
        self.role = Role.PRE_CANDIDATE
        self.tracker.votes.clear()
        self.leader = NO_MEMBER
        self.election_elapsed = 0
        self.draw_election_timeout()

    def become_candidate(self) -> None:
        self.reset(self.term + 1)
        self.role = Role.CANDIDATE
        self.vote = self.id

    def reset(self, term: int) -> None:
        """What a new role begins with. The vote is kept within a term: it must be given only once."""
        if term != self.term:
            self.term = term
            self.vote = NO_MEMBER
        self.leader = NO_MEMBER
        self.transferee = NO_MEMBER
        self.election_elapsed = 0
        self.heartbeat_elapsed = 0
        self.draw_election_timeout()
        self.tracker.reset(self.id, self.log.last_index())
        self.read_only = ReadOnly()
        self.pending_reads: list[tuple[int, bytes]] = []
        self.uncommitted_bytes = 0
        self.pending_conf_index = 0
        self.append_due = False
        self.heartbeat_due = False

    def draw_election_timeout(self) -> None:
        ticks = self.config.election_ticks
        self.election_timeout_ticks = ticks + self.prng.below(ticks)

    # Output.

    def send(
        self,
        type: MessageType,
        to: int,
        *,
        term: int | None = None,
        log_term: int = 0,
        index: int = 0,
        entries: list[Entry] | tuple[()] = (),
        commit: int = 0,
        reject: bool = False,
        reject_hint: int = 0,
        context: bytes = b"",
        snapshot: Snapshot | None = None,
    ) -> None:
        """Puts a message of this member into the outbox; `term` is the member's own unless given."""
        self.outbox.append(
            Message(
                type,
                to,
                self.id,
                self.term if term is None else term,
                log_term,
                index,
                entries,
                commit,
                reject,
                reject_hint,
                context,
                snapshot,
            )
        )

    # Questions.

    @property
    def is_voter(self) -> bool:
        """Only a voter of the configuration it knows may campaign."""
        return self.id in self.tracker.voters

    def hard_state(self) -> HardState:
        return HardState(self.term, self.vote, self.log.committed)

    def committed_in_term(self) -> bool:
        """A leader knows what is committed only once an entry of its own term is (Raft thesis 6.4, step 1)."""
        return self.log.match_term(self.log.committed, self.term)

    def _check(self) -> None:
        self.log._check()
        self.tracker._check()
        assert self.role is not Role.LEADER or self.leader == self.id
        assert self.role is not Role.CANDIDATE or self.vote == self.id


def _open_log(config: Config, hard_state: HardState) -> RaftLog:
    """The log of a member that starts; commit and applied are put where the last run left them."""
    storage = config.storage
    log = RaftLog(storage)
    snapshot_index = storage.snapshot().index
    if hard_state.commit > log.last_index():
        raise ValueError(f"the log ends at {log.last_index()}, but {hard_state.commit} was committed: entries are lost")
    log.committed = max(log.committed, hard_state.commit, snapshot_index)
    applied = snapshot_index if config.applied is None else config.applied
    if not log.applied <= applied <= log.committed:
        raise ValueError(f"applied {applied} is not in [{log.applied}, {log.committed}]")
    log.applied = applied
    return log
